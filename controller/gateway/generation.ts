import type { GatewaySecrets } from "../secrets.ts";
import { OWNER_IDENTITY } from "../secrets.ts";
import { UNKNOWN_CLIENT_ADDRESS } from "../http/headers.ts";
import {
  createCalledChannels,
  createStoredChannels,
  type Call,
  type ChannelSource,
} from "../pairing/sources.ts";
import type { ChildExit } from "./child.ts";
import type { Cli } from "./cli.ts";
import type { LinkCredentials } from "./link.ts";

/** What differs between the lines of OpenClaw versions that machines run; the interface on top of them is the same. */
export interface Generation {
  readonly versions: RegExp;
  /** How the controller's own client is let in with all scopes and without a device (openclaw-gateway.md §3.3). */
  credentials(secrets: GatewaySecrets): LinkCredentials;
  /** Makes a gateway that listens restart in itself; to one that does not listen yet it does harm (§1.5). */
  readonly restartSignal: "SIGUSR1" | "SIGUSR2";
  /** Whether it ended because of its configuration, which trying again does not change (§1.6). */
  isConfigRefused(exit: ChildExit, lastLines: readonly string[]): boolean;
  /** Whether it leaves new requests of channels in files, which are to be watched (§4.2). */
  readonly storesChannelRequests: boolean;
  channelSource(ports: ChannelSourcePorts): ChannelSource;
}

export interface ChannelSourcePorts {
  readonly call: Call;
  readonly cli: Cli;
  readonly stateDir: string;
  readonly configured: () => Promise<readonly string[] | null>;
}

/** OpenClaw's exit code for a start that it blocks: a configuration that it refuses (§1.6). */
const EXIT_CONFIG = 78;
/** The one block that passes by itself: another process, say a doctor, has the state open (measured, 2026.9.6). */
const STATE_IN_USE = /StateDatabaseCoordinatorContentionError|another OpenClaw process owns/;
/** A channel's keys of 2026.2, which only the doctor moves; it ends with 1 (measured, 2026.9.6). */
const MIGRATION_REFUSED = /Refusing to run automatic gateway startup migrations/;
/** 2026.2 exits with 1 for everything, so its words have to tell. */
const CONFIG_WORDS =
  /Config invalid|Invalid config|Missing config|MissingEnvVarError|Gateway start blocked|Unrecognized key/;

const GENERATIONS: readonly Generation[] = [
  {
    versions: /^2026\.9\.\d/,
    credentials: ({ password }) => ({ headers: {}, password }),
    restartSignal: "SIGUSR2",
    isConfigRefused: (exit, lastLines) =>
      exit.kind === "exited" &&
      (lastLines.some((line) => MIGRATION_REFUSED.test(line)) ||
        (exit.code === EXIT_CONFIG && !lastLines.some((line) => STATE_IN_USE.test(line)))),
    storesChannelRequests: false,
    channelSource: ({ call, cli }) => createCalledChannels(call, cli),
  },
  {
    versions: /^2026\.2\.\d/,
    // It takes no password beside its trusted proxy, but the controller is that proxy.
    credentials: ({ ownerHeader }) => ({
      headers: { [ownerHeader]: OWNER_IDENTITY, "x-forwarded-for": UNKNOWN_CLIENT_ADDRESS },
      password: null,
    }),
    restartSignal: "SIGUSR1",
    isConfigRefused: (exit, lastLines) =>
      exit.kind === "exited" && exit.code === 1 && lastLines.some((line) => CONFIG_WORDS.test(line)),
    storesChannelRequests: true,
    channelSource: (ports) => createStoredChannels(ports),
  },
];

/** The generation of a version, or null for one that nobody has tried yet. */
export function generationOf(version: string): Generation | null {
  return GENERATIONS.find(({ versions }) => versions.test(version)) ?? null;
}
