import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { ask, platformOf } from "./support/platform.ts";
import { workerdPeakMib } from "./support/memory.ts";
import { until } from "./support/until.ts";
import { bearerOf, enrol } from "./support/user.ts";
import { type RunningWorker, World } from "./support/world.ts";

const MIB = 1_024 * 1_024;
const LARGE_BYTES = 100 * MIB;
/** More than all buffers of the sockets on the way together, which take some tens of MiB. */
const HUGE_BYTES = 1_024 * MIB;
const STILL_LOOKS = 5;
/** Far under what is sent, far over what buffers and garbage take. */
const GROWTH_MIB_MAX = 50;
const isLinux = process.platform === "linux";

let world: World;
let worker: RunningWorker;
let owner: { authorization: string };

beforeAll(async () => {
  world = await World.open();
  const [fly, database] = await Promise.all([world.startFly(), world.startDatabase()]);
  worker = await world.startWorker({ fly, databaseUrl: database.workerUrl });
  await enrol(database.adminUrl, "owner");
  const platform = platformOf(world, worker.url);
  await platform.post("provision", "owner");
  await platform.post("start", "owner");
  owner = await bearerOf(world, "owner");
  // What the first transfer takes for good is not what is measured.
  await Promise.all([download(4 * MIB), upload(4 * MIB)]);
}, 60_000);

afterAll(() => world?.close());

beforeEach(async () => {
  await until(machine, isIdle);
});

const machineSchema = z.object({ exchanges: z.number(), zerosSent: z.number() });
/** What the machine has under way, this question aside. */
const machine = async () => machineSchema.parse((await ask(worker.url, "/open", { headers: owner })).body);

const isIdle = ({ exchanges }: { exchanges: number }): boolean => exchanges === 0;
const isBusy = ({ exchanges }: { exchanges: number }): boolean => exchanges === 1;

function get(bytes: number, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(`${worker.url}/zeros?bytes=${bytes}`, { headers: owner, signal });
}

/** Downloads so many bytes; how many came. */
async function download(bytes: number): Promise<number> {
  let came = 0;
  for await (const chunk of (await get(bytes)).body ?? []) came += chunk.byteLength;
  return came;
}

function post(onAnswer: (answer: IncomingMessage) => void = () => undefined): ClientRequest {
  return request(`${worker.url}/upload`, { method: "POST", headers: owner, agent: false }, onAnswer);
}

/** Uploads so many bytes, made as they are sent; how many the machine says came. */
async function upload(bytes: number): Promise<number> {
  const answered = Promise.withResolvers<IncomingMessage>();
  const upstream = post(answered.resolve);
  upstream.once("error", answered.reject);
  const chunk = Buffer.alloc(64 * 1_024);
  const chunks = Array.from({ length: bytes / chunk.byteLength }, () => chunk);
  await pipeline(Readable.from(chunks), upstream);
  return z.object({ bytes: z.number() }).parse(await json(await answered.promise)).bytes;
}

it.runIf(isLinux)(
  "streams a large download and a large upload without keeping either",
  async () => {
    const before = await workerdPeakMib();
    expect(await download(LARGE_BYTES)).toBe(LARGE_BYTES);
    expect(await upload(LARGE_BYTES)).toBe(LARGE_BYTES);
    expect((await workerdPeakMib()) - before).toBeLessThan(GROWTH_MIB_MAX);
  },
  60_000,
);

it("takes no more from the machine than its reader takes, and tells the machine when the reader leaves", async () => {
  const { zerosSent: before } = await machine();
  const leaving = new AbortController();
  const reader = (await get(HUGE_BYTES, leaving.signal)).body?.getReader();
  await reader?.read();
  // When it does not grow any more, every buffer on the way is full.
  let last = -1;
  let stillLooks = 0;
  const { zerosSent } = await until(machine, ({ zerosSent: sent }) => {
    stillLooks = sent === last ? stillLooks + 1 : 0;
    last = sent;
    return stillLooks === STILL_LOOKS;
  });
  expect(zerosSent - before).toBeLessThan(HUGE_BYTES / 4);
  leaving.abort();
  expect(await until(machine, isIdle)).toMatchObject({ exchanges: 0 });
}, 60_000);

it("tells the machine when somebody leaves in the middle of an upload", async () => {
  const uploading = post();
  const failed = once(uploading, "error");
  uploading.write(Buffer.alloc(1_024));
  await until(machine, isBusy);
  uploading.destroy(new Error("left"));
  await failed;
  expect(await until(machine, isIdle)).toMatchObject({ exchanges: 0 });
}, 60_000);

it("tells the machine when somebody leaves before the answer begins", async () => {
  const { hostname, port } = new URL(worker.url);
  const client = connect(Number(port), hostname);
  client.write(`GET /never HTTP/1.1\r\nHost: claw\r\nAuthorization: ${owner.authorization}\r\n\r\n`);
  await until(machine, isBusy);
  // A mere end of what the client sends would leave it open that it still waits for the answer.
  client.resetAndDestroy();
  expect(await until(machine, isIdle)).toMatchObject({ exchanges: 0 });
}, 60_000);
