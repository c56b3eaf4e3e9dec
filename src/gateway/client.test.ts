import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { type ControllerAnswer, createControllerClient } from "./client.ts";

const httpUrl = (url: string) => url.replace(/^postgres:\/\/[^@]*@/, "http://");
const clientAt = (proxyUrl: string) =>
  createControllerClient({ proxyUrl, machineId: "m", gatewayToken: "token" });
/** Takes connections and says nothing. */
const silent = clientAt(httpUrl(inject("silentDatabaseUrl")));
const UPDATE = { generation: 1, settings: {}, stored: {} };

afterEach(() => {
  vi.useRealTimers();
});

describe("a controller that says nothing", () => {
  it.each([
    ["a list", 5, () => silent.channels({ refresh: false })],
    ["a list of devices", 5, () => silent.devices({ refresh: false })],
    ["a list that is had anew", 60, () => silent.devices({ refresh: true })],
    ["an approval", 60, () => silent.approveChannel({ channel: "telegram", code: "ABCD2345" })],
    ["an approval of a device", 60, () => silent.approveDevice({ requestId: "abc" })],
    ["new settings", 90, () => silent.updateEnv(UPDATE, new AbortController().signal)],
    ["a version", 10, () => silent.version()],
    ["a restart of the gateway", 10, () => silent.operateGateway("restart")],
    ["a log", 10, () => silent.logs({ after: 0, limit: 1 })],
    ["a doctor", 10, () => silent.runDoctor({ fix: true })],
  ])("is waited for as long as %s may take, and no longer", async (_what, seconds, ask) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let answer: ControllerAnswer<unknown> | null = null;
    const asked = ask().then((given) => {
      answer = given;
    });
    await vi.advanceTimersByTimeAsync(seconds * 1_000 - 1);
    expect(answer).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    await asked;
    expect(answer).toEqual({ kind: "silent", why: `no answer within ${seconds} s` });
  });

  it("keeps nobody waiting for whether it took settings who has something newer to ask for", async () => {
    const asked = new AbortController();
    const answer = silent.updateEnv(UPDATE, asked.signal);
    asked.abort("a newer wish");
    expect(await answer).toEqual({ kind: "silent", why: "it could not be reached" });
  });

  it("is silent too when it hangs up, or nobody listens", async () => {
    for (const url of [httpUrl(inject("hangUpDatabaseUrl")), "http://127.0.0.1:1"]) {
      expect(await clientAt(url).doctor()).toEqual({ kind: "silent", why: "it could not be reached" });
    }
  });
});
