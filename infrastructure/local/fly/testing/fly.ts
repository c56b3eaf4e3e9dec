import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { z } from "zod";
import { createLocalFly, type LocalFly, type LocalFlyOptions } from "../index.ts";
import type { LogEntry } from "../log.ts";

/** An answer of the API. The body is what its JSON says, or its text. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** A local Fly of one test, with a client of its API. */
export interface TestFly extends LocalFly {
  dataDir: string;
  log: LogEntry[];
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

/** A directory that is gone after the test. */
export async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "local-fly-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  return directory;
}

/** Starts a local Fly on free ports, which ends with the test. */
export async function startFly(options: Partial<LocalFlyOptions> = {}): Promise<TestFly> {
  const dataDir = options.dataDir ?? (await freshDirectory());
  const log: LogEntry[] = [];
  const fly = await createLocalFly({
    apiPort: 0,
    proxyPort: 0,
    runtime: { kind: "none" },
    log: (entry) => log.push(entry),
    ...options,
    dataDir,
  });
  onTestFinished(() => fly.close());
  return { ...fly, dataDir, log, call: client(fly.apiUrl) };
}

function client(apiUrl: string): TestFly["call"] {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(`${apiUrl}/v1${path}`, {
      method,
      headers: { authorization: "Bearer test", "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    const parsed: unknown = isJson ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: parsed };
  };
}

const machineSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  state: z.string(),
  region: z.string(),
  instance_id: z.string(),
  config: z.looseObject({ env: z.record(z.string(), z.string()).optional() }),
  events: z.array(
    z.looseObject({ id: z.string(), type: z.string(), status: z.string(), source: z.string() }),
  ),
});
const volumeSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  attached_machine_id: z.string().nullable(),
});

export type WireMachine = z.infer<typeof machineSchema>;

/** The machine in an answer. Throws, with the answer, if it is not one. */
export function machineIn(answer: Answer): WireMachine {
  return parse(machineSchema, answer);
}

/** The machines in an answer; throws where it is no list of machines. */
export function machinesIn(answer: Answer): WireMachine[] {
  return parse(z.array(machineSchema), answer);
}

/** The volume in an answer; throws where it is none. */
export function volumeIn(answer: Answer): z.infer<typeof volumeSchema> {
  return parse(volumeSchema, answer);
}

function parse<T>(schema: z.ZodType<T>, answer: Answer): T {
  const parsed = schema.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  throw new Error(`Unexpected answer ${answer.status}: ${JSON.stringify(answer.body)}`);
}

/** An app named `acme` to put machines into. */
export async function withApp(fly: TestFly): Promise<void> {
  await fly.call("POST", "/apps", { app_name: "acme", org_slug: "kilo" });
}

export const image =
  "registry.fly.io/acme@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/** Makes a machine in `acme` and waits until it is started. */
export async function startedMachine(
  fly: TestFly,
  request: { name?: string; region?: string; config?: Record<string, unknown> } = {},
): Promise<WireMachine> {
  const { config, ...rest } = request;
  const machine = machineIn(
    await fly.call("POST", "/apps/acme/machines", { ...rest, config: { image, ...config } }),
  );
  await waitFor(fly, machine, "started");
  return machineIn(await fly.call("GET", `/apps/acme/machines/${machine.id}`));
}

/** The machine's state as Fly tells it at this moment. */
export async function stateOf(fly: TestFly, machine: { id: string }): Promise<string> {
  return machineIn(await fly.call("GET", `/apps/acme/machines/${machine.id}`)).state;
}

/** Waits on the wire until the machine is in the state. */
export async function waitFor(fly: TestFly, machine: { id: string }, state: string): Promise<void> {
  const answer = await fly.call("GET", `/apps/acme/machines/${machine.id}/wait?state=${state}&timeout=10`);
  if (answer.status !== 200) throw new Error(`Waiting for ${state}: ${JSON.stringify(answer.body)}`);
}
