import { expect, it } from "vitest";
import { machineWith } from "../testing/machine.ts";
import { afterExit } from "./restart-policy.ts";

const facts = { nowMs: 1_000_000, backoffMs: 100, backoffMsMax: 5000 };
const failed = { code: 1, signal: null };
const killed = { code: null, signal: "SIGKILL" } as const;
const done = { code: 0, signal: null };

it.each([
  [{}, done, "stop"],
  [{}, failed, "restart"],
  [{}, killed, "restart"],
  [{ restart: { policy: "no" } }, failed, "stop"],
  [{ restart: { policy: "always" } }, done, "restart"],
  [{ restart: { policy: "on-failure" } }, done, "stop"],
  [{ auto_destroy: true }, done, "destroy"],
  [{ auto_destroy: true, restart: { policy: "no" } }, failed, "destroy"],
] as const)("with %j an end by %j leads to %s", (config, exit, kind) => {
  expect(afterExit(machineWith({ config }), exit, facts).kind).toBe(kind);
});

it("counts the retries of the last five minutes only", () => {
  const config = { restart: { policy: "on-failure", max_retries: 2 } } as const;
  const recent = [facts.nowMs - 1000, facts.nowMs - 2000];
  expect(afterExit(machineWith({ config, restarts: recent }), failed, facts).kind).toBe("stop");
  const old = [facts.nowMs - 301_000, facts.nowMs - 2000];
  expect(afterExit(machineWith({ config, restarts: old }), failed, facts).kind).toBe("restart");
});

it("waits twice as long each time, up to the limit, and keeps a bounded memory of it", () => {
  const config = { restart: { policy: "always" } } as const;
  const delays = [0, 1, 2, 5, 6, 1000].map((restarts) => {
    const after = afterExit(
      machineWith({ config, restarts: Array<number>(restarts).fill(facts.nowMs - 1) }),
      failed,
      facts,
    );
    if (after.kind !== "restart") throw new Error(after.kind);
    expect(after.restarts.length).toBeLessThanOrEqual(100);
    return after.delayMs;
  });
  expect(delays).toEqual([100, 200, 400, 3200, 5000, 5000]);
});
