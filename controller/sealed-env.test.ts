import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { unsealEnvironment } from "./sealed-env.ts";

/** What the Worker's tests open too (src/crypto/sealed-env.test.ts). */
const fixture = z
  .object({
    sandboxId: z.string(),
    envKey: z.string(),
    sealed: z.string(),
    env: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(new URL("../src/crypto/testing/sealed-env.json", import.meta.url), "utf8")));

const { sandboxId, envKey, sealed, env } = fixture;
const machine = {
  PATH: "/bin",
  FLY_MACHINE_ID: "m1",
  KILOCLAW_SANDBOX_ID: sandboxId,
  KILOCLAW_SEALED_ENV: sealed,
  KILOCLAW_ENV_KEY: envKey,
};
const rest = { PATH: "/bin", FLY_MACHINE_ID: "m1", KILOCLAW_SANDBOX_ID: sandboxId };

it("opens what the Worker sealed, and leaves neither the sealed text nor its key behind", () => {
  expect(unsealEnvironment(machine)).toEqual({ ok: true, env: { ...rest, ...env } });
});

it("joins what came in parts", () => {
  const parts = {
    KILOCLAW_SEALED_ENV: sealed.slice(0, 100),
    KILOCLAW_SEALED_ENV_2: sealed.slice(100, 200),
    KILOCLAW_SEALED_ENV_3: sealed.slice(200),
  };
  expect(unsealEnvironment({ ...machine, ...parts })).toEqual({ ok: true, env: { ...rest, ...env } });
});

it("takes an environment in which nothing is sealed as it is", () => {
  expect(unsealEnvironment(rest)).toEqual({ ok: true, env: rest });
  expect(unsealEnvironment({ ...rest, KILOCLAW_SEALED_ENV: "", KILOCLAW_ENV_KEY: envKey })).toEqual({
    ok: true,
    env: rest,
  });
});

describe("says which variable is at fault, and nothing of its value", () => {
  it.each([
    [{ KILOCLAW_ENV_KEY: "" }, "KILOCLAW_ENV_KEY is missing"],
    [{ KILOCLAW_ENV_KEY: undefined }, "KILOCLAW_ENV_KEY is missing"],
    [{ KILOCLAW_ENV_KEY: "c2hvcnQ=" }, "KILOCLAW_ENV_KEY is not a key"],
    [
      { KILOCLAW_ENV_KEY: Buffer.alloc(32, 7).toString("base64") },
      "KILOCLAW_SEALED_ENV does not open with KILOCLAW_ENV_KEY for this sandbox",
    ],
    [
      { KILOCLAW_SANDBOX_ID: "dXNlci0y" },
      "KILOCLAW_SEALED_ENV does not open with KILOCLAW_ENV_KEY for this sandbox",
    ],
    [{ KILOCLAW_SANDBOX_ID: "" }, "KILOCLAW_SANDBOX_ID is missing"],
    [{ KILOCLAW_SEALED_ENV: sealed.replace("v1.", "v2.") }, "KILOCLAW_SEALED_ENV has an unknown format"],
    [{ KILOCLAW_SEALED_ENV: "v1.garbage!" }, "KILOCLAW_SEALED_ENV has an unknown format"],
    [
      { KILOCLAW_SEALED_ENV: "v1.dG9vIHNob3J0" },
      "KILOCLAW_SEALED_ENV does not open with KILOCLAW_ENV_KEY for this sandbox",
    ],
    [
      { KILOCLAW_SEALED_ENV: sealed.slice(0, -4) },
      "KILOCLAW_SEALED_ENV does not open with KILOCLAW_ENV_KEY for this sandbox",
    ],
  ])("%j", (change, problem) => {
    expect(unsealEnvironment({ ...machine, ...change })).toEqual({ ok: false, problems: [problem] });
  });
});
