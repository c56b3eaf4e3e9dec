import { describe, expect, it } from "vitest";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { openEnv, sealEnv, sealMachineEnv } from "./sealed-env.ts";
import fixture from "./testing/sealed-env.json";

const { envKey, sandboxId, env, sealed } = fixture;

it("opens what was sealed by the format's other implementation", async () => {
  expect(await openEnv(sealed, envKey, sandboxId)).toEqual({ kind: "opened", env });
});

it.each([
  ["nothing", {}],
  ["what a user has", env],
  [
    "every character",
    { ALL: String.fromCodePoint(...Array.from({ length: 0x500 }, (_, i) => i + 1), 0x1f600) },
  ],
  ["more than one argument list takes", { LONG: "x".repeat(400_000) }],
])("gives back %s", async (_what, variables) => {
  const text = await sealEnv(variables, envKey, sandboxId);
  expect(text).toMatch(/^v1\.[A-Za-z0-9_-]+$/);
  expect(await openEnv(text, envKey, sandboxId)).toEqual({ kind: "opened", env: variables });
});

it("takes the key that is derived for a machine", async () => {
  const tokens = await machineTokensOf("a secret of the Worker, long enough", sandboxId);
  const text = await sealEnv(env, tokens.envKey, sandboxId);
  expect(await openEnv(text, tokens.envKey, sandboxId)).toEqual({ kind: "opened", env });
});

it("never makes the same text twice, and shows no value in it", async () => {
  const texts = await Promise.all([1, 2, 3].map(() => sealEnv(env, envKey, sandboxId)));
  expect(new Set(texts).size).toBe(3);
  for (const value of Object.values(env)) expect(texts.join()).not.toContain(value);
});

describe("does not open", () => {
  const another = btoa("k".repeat(32));
  it.each([
    ["with another key", sealed, another, sandboxId, "not_authentic"],
    ["for another sandbox", sealed, envKey, "dXNlci0y", "not_authentic"],
    ["what was altered", altered(sealed), envKey, sandboxId, "not_authentic"],
    ["what was cut", sealed.slice(0, -8), envKey, sandboxId, "not_authentic"],
    ["what was cut to nearly nothing", sealed.slice(0, 20), envKey, sandboxId, "unreadable"],
    ["nothing", "", envKey, sandboxId, "unreadable"],
    ["another version", sealed.replace("v1.", "v2."), envKey, sandboxId, "unreadable"],
    ["what is no base64url", "v1.***", envKey, sandboxId, "unreadable"],
    ["with a short key", sealed, btoa("short"), sandboxId, "unusable_key"],
    ["with a key that is no base64", sealed, "***", sandboxId, "unusable_key"],
    ["without a key", sealed, "", sandboxId, "unusable_key"],
  ])("%s", async (_what, text, key, sandbox, kind) => {
    expect(await openEnv(text, key, sandbox)).toEqual({ kind });
  });
});

describe("a machine's variables", () => {
  it("are its sandbox id and one sealed text", async () => {
    const variables = await sealMachineEnv(env, envKey, sandboxId);
    expect(Object.keys(variables)).toEqual(["KILOCLAW_SANDBOX_ID", "KILOCLAW_SEALED_ENV"]);
    expect(variables["KILOCLAW_SANDBOX_ID"]).toBe(sandboxId);
    const opened = await openEnv(variables["KILOCLAW_SEALED_ENV"] ?? "", envKey, sandboxId);
    expect(opened).toEqual({ kind: "opened", env });
  });

  it("are no longer than a program can be started with, however much a user has", async () => {
    const large = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`V${i}`, "x".repeat(16_384)]));
    const { KILOCLAW_SANDBOX_ID, ...parts } = await sealMachineEnv(large, envKey, sandboxId);
    expect(KILOCLAW_SANDBOX_ID).toBe(sandboxId);
    expect(Object.keys(parts)).toEqual([
      "KILOCLAW_SEALED_ENV",
      "KILOCLAW_SEALED_ENV_2",
      "KILOCLAW_SEALED_ENV_3",
      "KILOCLAW_SEALED_ENV_4",
    ]);
    for (const [name, part] of Object.entries(parts)) {
      expect(`${name}=${part}`.length).toBeLessThan(128 * 1024);
    }
    const opened = await openEnv(Object.values(parts).join(""), envKey, sandboxId);
    expect(opened).toEqual({ kind: "opened", env: large });
  });
});

/** With one bit turned in its middle. */
function altered(text: string): string {
  const at = Math.floor(text.length / 2);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
