import { decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { envKeyOf } from "../auth/machine-tokens.ts";
import { type EnvKey, envKeysText, openMachineEnv, sealMachineEnv } from "./sealed-env.ts";
import fixture from "./testing/sealed-env.json";

const { sandboxId, keys, sealed, env } = fixture;
const key: EnvKey = { version: 7, key: btoa("k".repeat(32)) };
const MANY = String.fromCodePoint(...Array.from({ length: 0x500 }, (_, i) => i + 1), 0xfeff, 0x1f600);

const keyOf = (known: readonly EnvKey[]) => async (version: number) =>
  known.find((one) => one.version === version)?.key ?? btoa("another key".padEnd(32));

it("opens what was sealed by another implementation, with the keys of two versions", async () => {
  const machine = { KILOCLAW_SANDBOX_ID: sandboxId, ...sealed };
  expect(await openMachineEnv(machine, sandboxId, keyOf(keys))).toEqual({
    env: { KILOCLAW_SANDBOX_ID: sandboxId, ...env },
    keyVersion: 7,
  });
});

it.each([
  ["what a user has", env],
  ["every character", { ALL: MANY }],
  ["nothing in a variable", { EMPTY: "" }],
  ["names of ours", { KILOCLAW_GATEWAY_TOKEN: "t", ENV_2: "looks like an older format's" }],
])("gives back %s", async (_what, variables) => {
  const machine = await sealMachineEnv(variables, key, sandboxId);
  expect(await openMachineEnv(machine, sandboxId, keyOf([key]))).toEqual({
    env: { KILOCLAW_SANDBOX_ID: sandboxId, ...variables },
    keyVersion: 7,
  });
});

it("takes an environment in which nothing is sealed as it is", async () => {
  expect(await openMachineEnv(env, sandboxId, keyOf([]))).toEqual({ env, keyVersion: null });
});

it("takes the keys that are derived for a machine", async () => {
  const derived = { version: 3, key: await envKeyOf("a secret of the Worker", sandboxId, 3) };
  const machine = await sealMachineEnv(env, derived, sandboxId);
  expect(await openMachineEnv(machine, sandboxId, keyOf([derived]))).toMatchObject({ env });
});

it("never makes the same text twice, says for whom each is, and shows no value in it", async () => {
  const [one, two] = await Promise.all([1, 2].map(() => sealMachineEnv(env, key, sandboxId)));
  expect(Object.keys(one ?? {}).toSorted()).toEqual(
    ["KILOCLAW_SANDBOX_ID", ...Object.keys(env).map((name) => `KILOCLAW_SEALED_${name}`)].toSorted(),
  );
  expect(one?.["KILOCLAW_SEALED_MY_TEXT"]).not.toBe(two?.["KILOCLAW_SEALED_MY_TEXT"]);
  expect(decodeProtectedHeader(one?.["KILOCLAW_SEALED_MY_TEXT"] ?? "")).toEqual({
    alg: "dir",
    enc: "A256GCM",
    kid: "7",
    v: 1,
    name: "MY_TEXT",
    sandbox: sandboxId,
  });
  for (const value of Object.values(env)) expect(JSON.stringify([one, two])).not.toContain(value);
});

it("seals the longest value into one variable that a program can be started with", async () => {
  const machine = await sealMachineEnv({ ["N".repeat(128)]: "日".repeat(10_922) }, key, sandboxId);
  for (const [name, value] of Object.entries(machine)) {
    expect(`${name}=${value}`.length).toBeLessThan(64 * 1024);
  }
});

it("names each key in the app's secret, the current one first", () => {
  expect(envKeysText(keys)).toBe(`7:${keys[0]?.key},6:${keys[1]?.key}`);
});

describe("S03: a sealed variable does not open", () => {
  const NAME = "KILOCLAW_SEALED_MY_TEXT";
  const text = sealed.KILOCLAW_SEALED_MY_TEXT;
  it.each([
    ["under another name", { KILOCLAW_SEALED_OTHER: text }, sandboxId, keys],
    ["for another sandbox", { [NAME]: text }, "dXNlci0y", keys],
    ["without its key", { [NAME]: text }, sandboxId, []],
    [
      "with the name in its header changed",
      { KILOCLAW_SEALED_OTHER: moved(text, { name: "OTHER" }) },
      sandboxId,
      keys,
    ],
    [
      "with the sandbox in its header changed",
      { [NAME]: moved(text, { sandbox: "dXNlci0y" }) },
      "dXNlci0y",
      keys,
    ],
    ["as another version of the format", { [NAME]: moved(text, { v: 2 }) }, sandboxId, keys],
    ["with another key's id", { [NAME]: moved(text, { kid: "7" }) }, sandboxId, keys],
    ["by another algorithm", { [NAME]: moved(text, { alg: "A256KW" }) }, sandboxId, keys],
    ["when it was altered", { [NAME]: `${text.slice(0, -4)}AAAA` }, sandboxId, keys],
    ["when it is no JWE", { [NAME]: "text" }, sandboxId, keys],
    ["when another beside it does not", { ...sealed, [NAME]: "" }, sandboxId, keys],
  ])("%s", async (_what, machine, sandbox, known) => {
    expect(await openMachineEnv(machine, sandbox, keyOf(known))).toBeNull();
  });
});

function moved(jwe: string, change: Record<string, unknown>): string {
  const [, ...rest] = jwe.split(".");
  const header = btoa(JSON.stringify({ ...decodeProtectedHeader(jwe), ...change }));
  return [header.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""), ...rest].join(".");
}
