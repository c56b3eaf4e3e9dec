import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { unsealEnvironment } from "./sealed-env.ts";
import { seal } from "./testing/seal.ts";

/** What the Worker's tests open too (src/crypto/sealed-env.test.ts). */
const fixture = z
  .object({
    sandboxId: z.string(),
    keys: z.tuple([z.object({ key: z.string() }), z.object({ key: z.string() })]),
    sealed: z.record(z.string(), z.string()),
    env: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(new URL("../src/crypto/testing/sealed-env.json", import.meta.url), "utf8")));

const { sandboxId, sealed, env } = fixture;
const [current, previous] = fixture.keys.map(({ key }) => key);
const rest = { PATH: "/bin", FLY_MACHINE_ID: "m1", KILOCLAW_SANDBOX_ID: sandboxId };
const machine = { ...rest, ...sealed, KILOCLAW_ENV_KEY: `7:${current},6:${previous}` };
const NAME = "KILOCLAW_SEALED_MY_TEXT";
const text = sealed[NAME] ?? "";

it("opens what the Worker sealed with either of two keys, and leaves neither a sealed text nor a key behind", async () => {
  expect(await unsealEnvironment(machine)).toEqual({ ok: true, env: { ...rest, ...env }, ignored: [] });
});

it("takes a key without an id for the first", async () => {
  const { KILOCLAW_ENV_KEY: keys, ...texts } = seal({ MINE: "mine" }, sandboxId, "1");
  const bare = { ...rest, ...texts, KILOCLAW_ENV_KEY: keys.replace("1:", "") };
  expect(await unsealEnvironment(bare)).toEqual({ ok: true, env: { ...rest, MINE: "mine" }, ignored: [] });
  expect(await unsealEnvironment({ ...bare, KILOCLAW_ENV_KEY: keys.replace("1:", "2:") })).toMatchObject({
    ok: false,
  });
});

it("takes an environment in which nothing is sealed as it is", async () => {
  const taken = { ok: true, env: rest, ignored: [] };
  expect(await unsealEnvironment(rest)).toEqual(taken);
  expect(await unsealEnvironment({ ...rest, KILOCLAW_SEALED_A: "", KILOCLAW_ENV_KEY: "k" })).toEqual(taken);
});

it("S05: takes no sealed variable that decides how the controller runs, and names it", async () => {
  const evil = {
    HOME: "/tmp",
    NODE_OPTIONS: "--inspect",
    KILOCLAW_LISTEN_HOST: "::",
    OPENCLAW_DIR: "/tmp",
    path: "/tmp",
  };
  const opened = await unsealEnvironment({
    ...rest,
    ...seal({ ...evil, KILOCLAW_PROXY_TOKEN: "token", MINE: "mine" }, sandboxId),
  });
  expect(opened).toEqual({
    ok: true,
    env: { ...rest, KILOCLAW_PROXY_TOKEN: "token", MINE: "mine" },
    ignored: Object.keys(evil),
  });
});

describe("S03, S04: opens all or nothing, and says which variable is at fault and nothing of its value", () => {
  it.each([
    ["no key", { KILOCLAW_ENV_KEY: "" }, "KILOCLAW_ENV_KEY is missing"],
    ["a key that is not there", { KILOCLAW_ENV_KEY: undefined }, "KILOCLAW_ENV_KEY is missing"],
    ["a short key", { KILOCLAW_ENV_KEY: "7:c2hvcnQ=" }, "KILOCLAW_ENV_KEY is not a key"],
    ["a key and a word", { KILOCLAW_ENV_KEY: `7:${current},none` }, "KILOCLAW_ENV_KEY is not a key"],
    [
      "two keys of one id",
      { KILOCLAW_ENV_KEY: `7:${current},7:${previous}` },
      "KILOCLAW_ENV_KEY is not a key",
    ],
    [
      "three keys",
      { KILOCLAW_ENV_KEY: `7:${current},6:${previous},5:${current}` },
      "KILOCLAW_ENV_KEY is not a key",
    ],
    [
      "one key of two",
      { KILOCLAW_ENV_KEY: `7:${current}` },
      `${NAME} is sealed with a key that KILOCLAW_ENV_KEY does not have`,
    ],
    [
      "another key",
      { KILOCLAW_ENV_KEY: `7:${current},6:${current}` },
      `${NAME} does not open with KILOCLAW_ENV_KEY`,
    ],
    ["no sandbox", { KILOCLAW_SANDBOX_ID: "" }, "KILOCLAW_SANDBOX_ID is missing"],
    [
      "another's text",
      { [NAME]: sealed["KILOCLAW_SEALED_KILOCODE_API_KEY"] },
      `${NAME} is sealed for another name`,
    ],
    ["a text that was cut", { [NAME]: text.slice(0, -4) }, `${NAME} does not open with KILOCLAW_ENV_KEY`],
    ["a text that is none", { [NAME]: "text" }, `${NAME} has an unknown format`],
    [
      "an older machine's text",
      { KILOCLAW_SEALED_ENV: "v1.AAAA" },
      "KILOCLAW_SEALED_ENV has an unknown format",
    ],
  ])("%s", async (_what, change, problem) => {
    expect(await unsealEnvironment({ ...machine, ...change })).toEqual({ ok: false, problems: [problem] });
  });

  it("every text, in another tenant's machine", async () => {
    const opened = await unsealEnvironment({ ...machine, KILOCLAW_SANDBOX_ID: "dXNlci0y" });
    const problems = Object.keys(sealed).map((name) => `${name} is sealed for another sandbox`);
    expect(opened).toEqual({ ok: false, problems });
  });
});
