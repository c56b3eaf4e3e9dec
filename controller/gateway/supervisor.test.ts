import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { GatewayStatus } from "../../src/gateway/wire.ts";
import { freePortPair } from "../testing/ports.ts";
import { generationOf } from "./generation.ts";
import { createGatewayLink } from "./link.ts";
import { createProbe } from "./probe.ts";
import type { GatewayCommand } from "./supervision.ts";
import { Supervisor } from "./supervisor.ts";

const CONTENTION =
  "Doctor could not enter maintenance. StateDatabaseCoordinatorContentionError: another OpenClaw process owns gateway-lifecycle";
/** A life after which there is no other. */
const REFUSED_CONFIG = "console.error('Gateway start blocked'); process.exit(78)";

let directory: string;
let port: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kiloclaw-supervisor-"));
  port = await freePortPair();
});
afterEach(() => rm(directory, { recursive: true }));

function script(text: string, env: Record<string, string> = {}): GatewayCommand {
  return {
    file: process.execPath,
    args: ["-e", text],
    env,
    cwd: directory,
    restartSignal: "SIGUSR2",
    isConfigRefused: (exit, lines) => generationOf("2026.9.6")?.isConfigRefused(exit, lines) ?? false,
  };
}

/** Lives one life after another, until one stays down; resolves with how each ended. */
async function live(lives: readonly (() => GatewayCommand)[]): Promise<{
  ends: readonly { failure: GatewayStatus["failure"]; isTriedAgain: boolean }[];
  lastLines: readonly unknown[];
}> {
  const ends: { failure: GatewayStatus["failure"]; isTriedAgain: boolean }[] = [];
  const lastLines: unknown[] = [];
  let next = 0;
  const link = createGatewayLink({ port, log: () => undefined });
  const { promise: down, resolve } = Promise.withResolvers<void>();
  const supervisor = new Supervisor({
    prepare: async () => {
      const life = lives[next];
      next += 1;
      return life === undefined ? null : life();
    },
    port,
    probe: createProbe(link, 60_000),
    pidFile: join(directory, "gateway.json"),
    stateDir: directory,
    log: (_level, _message, fields) => {
      if (fields?.["lastLines"] !== undefined) lastLines.push(fields["lastLines"]);
    },
    timings: { backoffMs: () => 1 },
    onChange: ({ state, failure, retryAt }) => {
      if (state !== "crashed") return;
      ends.push({ failure, isTriedAgain: retryAt !== null });
      if (retryAt === null || failure === "not_prepared") resolve();
    },
  });
  supervisor.start();
  await down;
  await supervisor.shutdown();
  return { ends, lastLines };
}

const triedAgain = (failure: GatewayStatus["failure"]): unknown => ({ failure, isTriedAgain: true });
const staysDown = { failure: "config_rejected", isTriedAgain: false };

it("tries again when a process cannot even be spawned, whichever way Node says so", async () => {
  const { ends } = await live([
    () => script("", { BIG: "x".repeat(3_000_000) }),
    () => ({ ...script(""), file: join(directory, "absent") }),
    () => script(REFUSED_CONFIG),
  ]);
  expect(ends).toEqual([triedAgain("spawn_failed"), triedAgain("spawn_failed"), staysDown]);
});

it("tries again when a start cannot be prepared, also when that is said by throwing", async () => {
  const { ends } = await live([
    () => {
      throw new Error("the volume is full");
    },
  ]);
  expect(ends).toEqual([triedAgain("not_prepared")]);
});

it("tries again while another process has the state, and not when the configuration is refused", async () => {
  const { ends } = await live([
    () => script(`console.error(${JSON.stringify(CONTENTION)}); process.exit(78)`),
    () => script(REFUSED_CONFIG),
  ]);
  expect(ends).toEqual([triedAgain("exited"), staysDown]);
});

it("tells of each end the last lines of that life, all of them, and of no other", async () => {
  const { lastLines } = await live([
    () => script("for (let line = 1; line <= 30; line++) console.log(line)"),
    () => script(""),
    () => script(REFUSED_CONFIG),
  ]);
  expect(lastLines).toEqual([
    Array.from({ length: 20 }, (_, index) => String(index + 11)),
    [],
    ["Gateway start blocked"],
  ]);
});
