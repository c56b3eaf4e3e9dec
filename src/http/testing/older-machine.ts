import { env } from "cloudflare:workers";
import { sandboxIdOf } from "../../auth/sandbox-id.ts";
import type { ChannelPairing, DevicePairing } from "../../gateway/wire.ts";
import { platform, platformGet } from "./client.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

type Kind = "devices" | "channels";
type Answer<T> = { status: number; body: T };

/** A user's stand-in machine with a controller that knows none of our routes, and what the platform gets from it. */
export type OlderMachine = {
  machine: StandIn;
  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>>;
  post(path: string, fields: Record<string, unknown>): Promise<Answer<Record<string, unknown>>>;
  /** Puts a request where the gateway keeps it: in `devices`, or `pairing/<channel>`. */
  waitFor(directory: string, id: string, entry: unknown): Promise<void>;
  /** The name in KV under which a list is kept. */
  entryKey(kind: Kind): string;
  /** As if no list had been asked for yet. */
  forget(): Promise<void>;
  /** As if so much time had gone by since a list was kept. */
  age(kind: Kind, ms: number): Promise<void>;
  /** As it was at its start. */
  clear(): Promise<void>;
  end(): Promise<void>;
};

export const CONFIG = { channels: { telegram: {}, discord: {}, slack: { enabled: false }, defaults: {} } };
export const DEVICE_ID = "4b".repeat(32);

const LEFT_BY_TESTS = [
  "answers.json",
  "calls.jsonl",
  "cli.jsonl",
  "devices",
  "doctor-fails",
  "doctor-hangs",
  "generous",
  "hangs-up",
  "keeps",
  "locked",
  "paired",
  "pairing",
];

export async function startOlderMachine(userId: string): Promise<OlderMachine> {
  const machine = await startStandIn(userId);
  const sandboxId = await sandboxIdOf(userId);
  await machine.write("old", true);
  await machine.write("openclaw.json", CONFIG);
  const kv = env.KV_CLAW_CACHE;
  const entryKey = (kind: Kind): string => `by-exec/${sandboxId}/${kind}`;
  const forget = async (): Promise<void> => {
    for (const kind of ["devices", "channels"] as const) await kv.delete(entryKey(kind));
  };
  return {
    machine,
    async get<T>(path: string) {
      const answer = await platformGet(`${path}${path.includes("?") ? "&" : "?"}userId=${userId}`);
      return { status: answer.status, body: await answer.json<T>() };
    },
    async post(path, fields) {
      const answer = await platform(path, { userId, ...fields });
      return { status: answer.status, body: await answer.json() };
    },
    waitFor: (directory, id, entry) => machine.write(`${directory}/${id}.json`, entry),
    entryKey,
    forget,
    async age(kind, ms) {
      const entry = await kv.get<{ keptAt: number }>(entryKey(kind), "json");
      if (entry === null) throw new Error(`no list of ${kind} is kept`);
      await kv.put(entryKey(kind), JSON.stringify({ ...entry, keptAt: entry.keptAt - ms }));
    },
    async clear() {
      await forget();
      for (const name of LEFT_BY_TESTS) await machine.remove(name);
    },
    async end() {
      await platform("destroy", { userId });
    },
  };
}

/** A request as `device.pair.list` has it (openclaw-gateway.md §4.1). */
export function device(requestId: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    requestId,
    deviceId: DEVICE_ID,
    publicKey: "public-key-of-the-device",
    clientId: "openclaw-control-ui",
    clientMode: "ui",
    platform: "linux",
    role: "operator",
    roles: ["operator"],
    scopes: ["operator.write", "operator.read"],
    remoteIp: "203.0.113.7",
    isRepair: false,
    ts: Date.now(),
    ...changes,
  };
}

/** A request as `pairing list` has it (§4.2). */
export function person(code: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "555001",
    code,
    createdAt: new Date().toISOString(),
    lastSeenAt: new Date().toISOString(),
    meta: { username: "stranger", firstName: "Stranger", accountId: "default" },
    ...changes,
  };
}

export function idsOf(list: DevicePairing): string[] {
  return list.requests.map(({ requestId }) => requestId);
}

export function codesOf(list: ChannelPairing): (string | null)[] {
  return list.requests.map(({ code }) => code);
}
