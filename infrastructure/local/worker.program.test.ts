import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { listProcesses } from "../process/testing.ts";
import { PortTakenError } from "./ports.ts";
import { startWorker } from "./worker.ts";
import type { LocalWorker, LocalWorkerOptions } from "./worker.ts";

const FIXTURE = fileURLToPath(new URL("testing/worker/wrangler.jsonc", import.meta.url));

let dir: string;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-worker-"));
});

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await rm(dir, { recursive: true, force: true });
});

const SETTINGS = {
  host: "127.0.0.1",
  port: 0,
  bindings: {},
  databaseUrl: "postgres://user:password@127.0.0.1:1/database",
  configPath: FIXTURE,
};

async function start(options: Partial<LocalWorkerOptions> = {}): Promise<LocalWorker> {
  const worker = await startWorker({ ...SETTINGS, persistDir: dir, log: () => {}, ...options });
  closing.push(worker.close);
  return worker;
}

/** A TCP server on a port of the system's choice, closed after the test. */
async function listen(take: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    take(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(async () => server.close());
  return z.object({ port: z.int() }).parse(server.address()).port;
}

async function get(worker: LocalWorker, path: string): Promise<unknown> {
  const response = await fetch(worker.url + path);
  expect(response.status).toBe(200);
  return response.json();
}

describe("startWorker", () => {
  it("serves the Worker with its bindings, its database and its log connected", async () => {
    const database = await listen((socket) => socket.end(JSON.stringify("the database itself")));
    const logged = Promise.withResolvers<string>();
    const worker = await start({
      bindings: Promise.resolve({ OVERRIDDEN: "caller", SECRET: "s" }),
      databaseUrl: Promise.resolve(`postgres://user:password@127.0.0.1:${database}/registry`),
      log: (level, line) => level === "error" && logged.resolve(line),
    });

    expect(worker.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/u);
    expect(await get(worker, "/vars")).toMatchObject({
      FROM_CONFIG: "config",
      OVERRIDDEN: "caller",
      SECRET: "s",
    });
    expect(await get(worker, "/database")).toBe("the database itself");
    expect((await fetch(`${worker.url}/throw`)).status).toBe(500);
    expect(await logged.promise).toContain("an error of the Worker");
  });

  it("keeps its storage to its owner, also in a directory that was open to all", async () => {
    await chmod(dir, 0o755);
    await start();
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
  });

  it("closes with nothing left behind, and finds its storage and its alarms again", async () => {
    const first = await start();
    expect(await get(first, "/count")).toBe(1);
    await get(first, "/ring?ms=1");
    expect(workerds()).toHaveLength(1);
    await first.close();
    await expect.poll(workerds).toEqual([]);
    await expect(fetch(first.url)).rejects.toThrow("fetch failed");

    const second = await start();
    expect(await get(second, "/count")).toBe(2);
    await expect.poll(() => get(second, "/rung"), { interval: 20, timeout: 10_000 }).toBe(true);
  });

  it("says plainly that its port is taken", async () => {
    const port = await listen(() => {});
    await expect(start({ port })).rejects.toThrow(new PortTakenError("127.0.0.1", port));
  });

  it("says why a Worker does not build", async () => {
    const configPath = join(dir, "wrangler.jsonc");
    await writeFile(configPath, '{ "name": "x", "main": "worker.js", "compatibility_date": "2026-08-15" }');
    await writeFile(join(dir, "worker.js"), "export default { fetch( ");
    await expect(start({ configPath })).rejects.toThrow(/did not build[^]*worker\.js:1/u);
  });

  it("leaves no process behind when what it waits for fails", async () => {
    await expect(start({ databaseUrl: Promise.reject(new Error("no database")) })).rejects.toThrow(
      "no database",
    );
    await expect.poll(workerds).toEqual([]);
  });

  it("reports that its runtime crashed", async () => {
    const worker = await start();
    const [workerd] = z.tuple([z.int()]).parse(workerds());
    process.kill(workerd, "SIGKILL");
    expect(await worker.crashed).toContain("workerd");
  });

  it.runIf(process.platform === "linux")("ends when the process that started it is killed", async () => {
    const program = `
      const { startWorker } = await import(${JSON.stringify(new URL("worker.ts", import.meta.url).href)});
      const { url } = await startWorker({
        ...${JSON.stringify({ ...SETTINGS, persistDir: dir })},
        log: (level, line) => console.error(level, line),
      });
      process.send(url);`;
    const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const [url] = z
      .tuple([z.url()])
      .parse((await Promise.race([once(parent, "message"), once(parent, "exit")])).slice(0, 1));
    expect((await fetch(`${url}/count`)).status).toBe(200);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await expect
      .poll(
        () =>
          fetch(url).then(
            () => "up",
            () => "gone",
          ),
        { interval: 20, timeout: 10_000 },
      )
      .toBe("gone");
  });
});

/** Which of this test's descendants are workerd. */
function workerds(): number[] {
  const all = listProcesses();
  const family = new Set([process.pid]);
  // A generation in each round.
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const { pid, parentPid } of all) if (family.has(parentPid)) family.add(pid);
  }
  return all.flatMap(({ pid, text }) => (family.has(pid) && /^\S*\/workerd /u.test(text) ? [pid] : []));
}
