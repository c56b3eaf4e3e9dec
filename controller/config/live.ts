import { setTimeout as sleep } from "node:timers/promises";
import type { EnvApplied } from "../../src/gateway/wire.ts";
import { CONFIGURED_ONLY } from "../environment.ts";
import type { Settings } from "../settings.ts";
import type { JsonObject } from "./json.ts";
import { readsBack, type Readable } from "./read-back.ts";
import { SECRET_VARIABLES } from "./references.ts";
import { channelsOfStart, readsSecretsFile } from "./versions.ts";

/** A tenant's settings, as variables and as what they mean. */
export interface Given {
  readonly variables: Readonly<Record<string, string>>;
  readonly settings: Settings;
}

/** The gateway that is to be brought to other settings; whatever it begins or writes has those of now. */
export interface LiveGateway extends Readable {
  /** Of the OpenClaw that was started last; null before that. */
  version(): string | null;
  isRunning(): boolean;
  /** Writes the files that the gateway reads. Resolves to what that did to the configuration. */
  write(): Promise<"written" | "unchanged" | "failed">;
  /** What stands in the configuration file; null when it can't be read. */
  config(): Promise<JsonObject | null>;
  /** Has the process end and another begin. Resolves to whether that one is ready within the time. */
  renew(msMax: number): Promise<boolean>;
  /** The whole environment of a process that begins. */
  environmentOfStart(): Readonly<Record<string, string | undefined>>;
}

export interface LiveBounds {
  /** Of the ninety seconds that the Worker waits for the answer (src/gateway/client.ts). */
  readonly allMs: number;
  /** A change of its configuration takes the gateway one to three seconds (measured, 2026.9.6). */
  readonly hotMs: number;
  /** A gateway that has just begun answers its first calls late. */
  readonly renewedMs: number;
  /** Nothing has changed, so what it does not say at once it will not say. */
  readonly unchangedMs: number;
}

const BOUNDS: LiveBounds = { allMs: 80_000, hotMs: 15_000, renewedMs: 10_000, unchangedMs: 3_000 };
const PAUSE_MS = 100;
/** It takes 0.2 s when it has an effect (measured, 2026.9.6). */
const RELOAD_EVERY_MS = 1_000;
const RELOAD_AFTER_CHANGE_MS = 5_000;

/**
 * Brings the running gateway to other settings: `hot` where the process took them over, else by another process. Whether they
 * are in effect is what the gateway says when it is asked.
 */
export async function bringToSettings(
  before: Given,
  next: Given,
  gateway: LiveGateway,
  bounds: LiveBounds = BOUNDS,
): Promise<Pick<EnvApplied, "how" | "inEffect">> {
  const deadline = performance.now() + bounds.allMs;
  const names = Object.keys({ ...before.variables, ...next.variables });
  const changed = names.filter((name) => before.variables[name] !== next.variables[name]);
  const untilInEffect = (msMax: number, reloadAfterMs = 0): Promise<boolean> =>
    waitForEffect(names, next, gateway, msMax, reloadAfterMs);
  if (changed.length === 0) return { how: "unchanged", inEffect: await untilInEffect(bounds.unchangedMs) };

  const version = gateway.version();
  const canBeHot = version !== null && gateway.isRunning() && isHot(changed, before, next, version);
  if (canBeHot) {
    const written = await gateway.write();
    // A change of the configuration has it read the secrets too; asked before, it would miss those that are gone.
    const reloadAfterMs = written === "written" ? RELOAD_AFTER_CHANGE_MS : 0;
    if (written !== "failed" && (await untilInEffect(bounds.hotMs, reloadAfterMs)))
      return { how: "hot", inEffect: true };
  }
  const isReady = await gateway.renew(deadline - performance.now() - bounds.renewedMs);
  return { how: "gateway_restart", inEffect: isReady && (await untilInEffect(bounds.renewedMs)) };
}

/** Whether all that changed reaches the gateway by the files that it reads while it runs. */
function isHot(changed: readonly string[], before: Given, next: Given, version: string): boolean {
  const secrets: readonly string[] = readsSecretsFile(version) ? SECRET_VARIABLES : [];
  if (!changed.every((name) => CONFIGURED_ONLY.includes(name) || secrets.includes(name))) return false;
  return channelsOfStart(version).every(
    (name) => before.settings.channels[name] || !next.settings.channels[name],
  );
}

async function waitForEffect(
  names: readonly string[],
  { settings, variables }: Given,
  gateway: LiveGateway,
  msMax: number,
  reloadAfterMs: number,
): Promise<boolean> {
  const config = await gateway.config();
  const version = gateway.version();
  if (config === null || version === null) return false;
  const start = gateway.environmentOfStart();
  const expected = {
    config,
    settings,
    variables,
    readsSecretsFile: readsSecretsFile(version),
    environment: Object.fromEntries(names.map((name) => [name, start[name]])),
  };
  const deadline = performance.now() + msMax;
  let reloadAt = performance.now() + reloadAfterMs;
  for (;;) {
    // A call that fails is a gateway that is busy with what it was given, or gone.
    if (await readsBack(expected, gateway).catch(() => false)) return true;
    const now = performance.now();
    if (now >= deadline || !gateway.isRunning()) return false;
    if (expected.readsSecretsFile && now >= reloadAt) {
      // It reads the file of secrets when its configuration changes, or when it is told to.
      await gateway.call("secrets.reload", {}).catch(() => undefined);
      reloadAt = performance.now() + RELOAD_EVERY_MS;
    } else {
      await sleep(PAUSE_MS);
    }
  }
}
