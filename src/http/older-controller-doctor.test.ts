import { exports } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type OlderMachine, startOlderMachine } from "./testing/older-machine.ts";

let older: OlderMachine;

beforeAll(async () => {
  older = await startOlderMachine("older-doctor");
});
afterEach(() => older.clear());
afterAll(() => older.end());

describe("version and doctor of a machine with an older controller", () => {
  const doctor = async () => (await older.get("doctor")).body;
  const ended = async () => {
    await expect.poll(doctor, { timeout: 10_000 }).not.toMatchObject({ state: "running" });
  };

  it("are what OpenClaw's own commands tell", async () => {
    expect(await older.get("controller-version")).toMatchObject({
      status: 200,
      body: { controller: "unknown", capabilities: [], openclaw: null, openclawInstalled: "2026.2.26" },
    });
    expect(await doctor()).toMatchObject({ state: "never_run", startedAt: null });
    expect(await older.post("doctor", {})).toMatchObject({
      status: 202,
      body: { fix: false, startedAt: expect.any(String) },
    });
    await ended();
    expect(await doctor()).toMatchObject({
      state: "done",
      fix: false,
      exitCode: 0,
      endedAt: expect.any(String),
      output: expect.stringContaining("Doctor complete"),
    });
    await older.machine.write("doctor-fails", "");
    await older.post("doctor", { fix: true });
    await ended();
    expect(await doctor()).toMatchObject({
      state: "failed",
      fix: true,
      exitCode: 1,
      output: expect.stringContaining("Something is wrong."),
    });
    expect((await older.machine.cliCalls()).slice(1)).toEqual([
      ["doctor", "--non-interactive"],
      ["doctor", "--non-interactive", "--fix", "--yes"],
    ]);
  });

  it("keep the gateway's secrets to themselves (S01)", async () => {
    await older.post("doctor", {});
    await ended();
    expect((await doctor())["output"]).toContain("the password is [redacted].");
  });

  it("outlast an exec: a doctor goes on, is joined by the next, and is cancelled", async () => {
    await older.machine.write("doctor-hangs", "");
    const first = await older.post("doctor", { fix: true });
    expect(first).toMatchObject({ status: 202, body: { state: "running", fix: true, endedAt: null } });
    expect(await Promise.all([older.post("doctor", {}), older.post("doctor", {})])).toEqual([first, first]);
    expect(await doctor()).toEqual(first.body);
    await expect.poll(() => older.machine.cliCalls()).toHaveLength(1);
    const cancelled = await exports.KiloClawPlatform.cancelDoctor("older-doctor");
    expect(cancelled).toMatchObject({ kind: "answered", value: { state: "cancelled", exitCode: null } });
    expect(await doctor()).toMatchObject({ state: "cancelled", fix: true });
    expect(await older.machine.cliCalls()).toHaveLength(1);
  });
});
