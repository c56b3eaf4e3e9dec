import { expect, it } from "vitest";
import { envKeyOf } from "../auth/machine-tokens.ts";
import { isLegacyEnv, openLegacyEnv } from "./legacy-env.ts";
import fixture from "./testing/legacy-env.json";

const { sandboxId, envKey, sealed, env } = fixture;
const inParts = {
  KILOCLAW_SANDBOX_ID: sandboxId,
  KILOCLAW_SEALED_ENV: sealed.slice(0, 100),
  KILOCLAW_SEALED_ENV_3: sealed.slice(200),
  KILOCLAW_SEALED_ENV_2: sealed.slice(100, 200),
};

it("opens what was sealed in one text or in parts", async () => {
  expect(isLegacyEnv(inParts)).toBe(true);
  expect(await openLegacyEnv({ KILOCLAW_SEALED_ENV: sealed }, envKey, sandboxId)).toEqual(env);
  expect(await openLegacyEnv(inParts, envKey, sandboxId)).toEqual(env);
});

it("knows an environment of another kind", () => {
  expect(isLegacyEnv({ GREETING: "v1." })).toBe(false);
  expect(isLegacyEnv({ KILOCLAW_SEALED_ENV_2: "eyJ" })).toBe(false);
});

it.each([
  ["another key", sealed, btoa("k".repeat(32)), sandboxId],
  ["the key of a later version", sealed, await envKeyOf("secret", sandboxId, 2), sandboxId],
  ["another sandbox", sealed, envKey, "dXNlci0y"],
  ["an altered text", `${sealed.slice(0, -8)}AAAAAAAA`, envKey, sandboxId],
  ["a text that was cut", sealed.slice(0, 20), envKey, sandboxId],
  ["what is no base64url", "v1.***", envKey, sandboxId],
  ["what is no key", sealed, "***", sandboxId],
])("does not open by %s", async (_what, text, key, sandbox) => {
  expect(await openLegacyEnv({ KILOCLAW_SEALED_ENV: text }, key, sandbox)).toBeNull();
});
