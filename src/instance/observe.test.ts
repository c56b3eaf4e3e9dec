import { expect, it } from "vitest";
import { createFlyClient } from "../fly/client.ts";
import type { FlyMachine } from "../fly/schemas.ts";
import { observe } from "./observe.ts";
import { knownMachine, NOW, record } from "./testing/records.ts";

const metadata = { kiloclaw_user_id: "user-1", kiloclaw_sandbox_id: "dXNlci0x", kiloclaw_generation: "3" };
const unreachableFly = createFlyClient({
  baseUrl: "http://127.0.0.1:1",
  token: "none",
  rateLimits: false,
  onCall: () => undefined,
});

/** What is seen of a machine that Fly answers like this; nothing else can be asked. */
async function seenOf(answer: Partial<FlyMachine>) {
  const value = { id: "m1", state: "started", config: { metadata }, ...answer };
  const fly = { ...unreachableFly, getMachine: async () => ({ ok: true as const, value }) };
  const health = async () => ({ kind: "silent" as const, why: "nobody asks" });
  const { machine } = await observe(record({ machine: knownMachine }), { fly, health }, NOW);
  return machine;
}

it("knows this tenant's machine by its metadata", async () => {
  expect(await seenOf({})).toMatchObject({ kind: "present", phase: "up", ours: true, generation: 3 });
  for (const changed of [{ kiloclaw_user_id: "user-2" }, { kiloclaw_sandbox_id: "other" }]) {
    expect(await seenOf({ config: { metadata: { ...metadata, ...changed } } })).toMatchObject({
      ours: false,
    });
  }
  expect(await seenOf({ config: {} })).toMatchObject({ ours: false, generation: null });
});

it.each([
  ["whose configuration Fly does not tell", { config: null }],
  ["in a state that has no meaning here", { state: "hibernating" }],
])("takes a machine %s for unknown, and not for ours or gone", async (_what, answer) => {
  expect(await seenOf(answer)).toMatchObject({ kind: "unknown" });
});

it("believes nothing that Fly keeps of a machine whose host is gone, but its end", async () => {
  const answer = { host_status: "unreachable", config: null };
  expect(await seenOf(answer)).toEqual({ kind: "unreachable", id: "m1" });
  expect(await seenOf({ ...answer, state: "destroyed" })).toEqual({ kind: "absent" });
});

it("takes the configuration that a host in trouble left with Fly", async () => {
  const answer = { config: null, incomplete_config: { metadata }, host_status: "unknown" };
  expect(await seenOf(answer)).toMatchObject({ kind: "present", ours: true });
});

it("takes a destroyed machine for gone, with or without its configuration", async () => {
  expect(await seenOf({ state: "destroyed", config: null })).toEqual({ kind: "absent" });
});

it("tells why a machine went down, but not of a stop that was asked for", async () => {
  const exit = (exit_event: Record<string, unknown>) =>
    seenOf({ state: "stopped", events: [{ type: "exit", request: { exit_event } }] });
  expect(await exit({ oom_killed: true, exit_code: 137 })).toMatchObject({ exit: "it ran out of memory" });
  expect(await exit({ exit_code: 3 })).toMatchObject({ phase: "down", exit: "exit code 3" });
  expect(await exit({ exit_code: 0, requested_stop: true })).toMatchObject({ exit: null });
});
