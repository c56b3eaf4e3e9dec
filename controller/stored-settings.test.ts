import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seal } from "./testing/seal.ts";
import { openMachine, storeSettings, type StoredOutcome } from "./stored-settings.ts";

const MACHINE = {
  PATH: "/bin",
  LANG: "C.UTF-8",
  FLY_REGION: "fra",
  KILOCLAW_SANDBOX_ID: "sandbox-1",
  KILOCLAW_GATEWAY_TOKEN: "a1a1",
  KILOCLAW_GENERATION: "7",
};

let root: string;
let path: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kiloclaw-stored-"));
  path = join(root, ".kiloclaw", "settings.json");
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function open(
  machine: Record<string, string>,
): Promise<{ env: Record<string, string | undefined>; stored: StoredOutcome }> {
  const { unsealed, stored } = await openMachine(machine, path);
  if (!unsealed.ok) throw new Error(unsealed.problems.join());
  return { env: unsealed.env, stored };
}

async function given(text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

describe("settings that were stored", () => {
  it("take the place of all of an older machine's, those that they lack included", async () => {
    await storeSettings(path, { generation: 8, variables: { TELEGRAM_BOT_TOKEN: "new", MINE: "1" } });
    const env = { ...MACHINE, TELEGRAM_BOT_TOKEN: "old", DISCORD_BOT_TOKEN: "gone" };
    expect(await open(env)).toEqual({
      env: { ...MACHINE, KILOCLAW_GENERATION: "8", TELEGRAM_BOT_TOKEN: "new", MINE: "1" },
      stored: "used",
    });
    expect(existsSync(path)).toBe(true);
  });

  it.each([7, 6])(
    "go when the machine's are of the same generation or a newer one (%i)",
    async (generation) => {
      await storeSettings(path, { generation, variables: { MINE: "old" } });
      const env = { ...MACHINE, MINE: "new" };
      expect(await open(env)).toEqual({
        env,
        stored: "outdated",
      });
      expect(existsSync(path)).toBe(false);
    },
  );

  it("are none to a machine that knows no generation", async () => {
    await storeSettings(path, { generation: 8, variables: { MINE: "forged" } });
    const { KILOCLAW_GENERATION: _, ...env } = MACHINE;
    expect(await open(env)).toEqual({ env, stored: "outdated" });
  });

  it("take the place of what the image has of the same name", async () => {
    const variables = { LANG: "de_DE", TZ: "Asia/Tokyo", KILOCLAW_SETTING_NAMES: "LANG,TZ" };
    await storeSettings(path, { generation: 8, variables });
    const env = { ...MACHINE, TZ: "UTC", LC_ALL: "gone", KILOCLAW_SETTING_NAMES: "LC_ALL" };
    expect((await open(env)).env).toEqual({ ...MACHINE, ...variables, KILOCLAW_GENERATION: "8" });
  });

  it("set nothing that is not a setting", async () => {
    const variables = {
      PATH: "/evil",
      NODE_OPTIONS: "--require=/evil.js",
      KILOCLAW_GATEWAY_TOKEN: "forged",
      KILOCLAW_SEALED_KILOCLAW_PROXY_TOKEN: "forged",
      KILOCLAW_SEALED_ENV: "forged",
      FLY_REGION: "forged",
      MINE: "1",
    };
    await storeSettings(path, { generation: 8, variables });
    expect((await open(MACHINE)).env).toEqual({
      ...MACHINE,
      KILOCLAW_GENERATION: "8",
      MINE: "1",
    });
  });

  describe("in a sealed environment", () => {
    const { KILOCLAW_GENERATION: _, ...plain } = MACHINE;
    const texts = { KILOCLAW_GENERATION: "7", DISCORD_BOT_TOKEN: "old", TELEGRAM_BOT_TOKEN: "new" };
    const sealing = seal(texts, MACHINE.KILOCLAW_SANDBOX_ID);
    const { KILOCLAW_SEALED_TELEGRAM_BOT_TOKEN = "", ...ofMachine } = sealing;
    const machine = { ...plain, ...ofMachine };

    it("are taken sealed, and nothing plain with them", async () => {
      const variables = { KILOCLAW_SEALED_TELEGRAM_BOT_TOKEN, DISCORD_BOT_TOKEN: "plain" };
      await storeSettings(path, { generation: 8, variables });
      expect(await open(machine)).toEqual({
        env: { ...plain, KILOCLAW_GENERATION: "8", TELEGRAM_BOT_TOKEN: "new" },
        stored: "used",
      });
    });

    it("take the place of what the image has of the same name", async () => {
      const {
        KILOCLAW_SEALED_TZ = "",
        KILOCLAW_SEALED_KILOCLAW_SETTING_NAMES: names = "",
        ...rest
      } = seal({ ...texts, TZ: "Asia/Tokyo", KILOCLAW_SETTING_NAMES: "TZ" }, MACHINE.KILOCLAW_SANDBOX_ID);
      const variables = { KILOCLAW_SEALED_TZ, KILOCLAW_SEALED_KILOCLAW_SETTING_NAMES: names };
      await storeSettings(path, { generation: 8, variables });
      expect((await open({ ...plain, ...rest, TZ: "UTC" })).env).toEqual({
        ...plain,
        KILOCLAW_GENERATION: "8",
        TZ: "Asia/Tokyo",
        KILOCLAW_SETTING_NAMES: "TZ",
      });
    });

    it("are kept when they do not open, and the machine's own are used", async () => {
      const { KILOCLAW_ENV_KEY: __, ...variables } = seal({ MINE: "1" }, MACHINE.KILOCLAW_SANDBOX_ID);
      await storeSettings(path, { generation: 8, variables });
      expect(await open(machine)).toEqual({
        env: { ...plain, KILOCLAW_GENERATION: "7", DISCORD_BOT_TOKEN: "old" },
        stored: "unusable",
      });
      expect(existsSync(path)).toBe(true);
    });

    it("stay where they are while the machine's own can't be opened", async () => {
      await storeSettings(path, { generation: 8, variables: {} });
      const { KILOCLAW_ENV_KEY: __, ...keyless } = machine;
      expect(await openMachine(keyless, path)).toMatchObject({ unsealed: { ok: false }, stored: "none" });
      expect(existsSync(path)).toBe(true);
    });
  });

  it("are kept for their owner alone, in one step", async () => {
    await storeSettings(path, { generation: 8, variables: {} });
    await storeSettings(path, { generation: 9, variables: {} });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dirname(path))).toEqual(["settings.json"]);
    expect((await open(MACHINE)).env).toMatchObject({ KILOCLAW_GENERATION: "9" });
  });
});

describe("a machine's own settings stay", () => {
  const own = { env: MACHINE };

  it("where nothing was stored", async () => {
    expect(await open(MACHINE)).toEqual({ ...own, stored: "none" });
  });

  it.each([
    ["half a file", '{"generation": 8, "vari'],
    ["another shape", '{"generation": "8", "variables": {}}'],
    ["values that are no texts", '{"generation": 8, "variables": {"A": 1}}'],
    ["nothing", ""],
  ])("with %s in the file, which goes", async (_, text) => {
    await given(text);
    expect(await open(MACHINE)).toMatchObject({ ...own, stored: "unusable" });
    expect(existsSync(path)).toBe(false);
  });

  it("with a file that can't be read for a passing reason, which is kept", async () => {
    await storeSettings(path, { generation: 8, variables: { MINE: "1" } });
    const modules = new URL("stored-settings.ts", import.meta.url).href;
    const program = `
      import { closeSync, openSync } from "node:fs";
      import { openMachine } from ${JSON.stringify(modules)};
      const held = [];
      try { for (;;) held.push(openSync("/dev/null")); } catch {}
      const { stored } = await openMachine(${JSON.stringify(MACHINE)}, ${JSON.stringify(path)});
      for (const file of held) closeSync(file);
      console.log(stored);`;
    const few = ["-c", 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, program];
    expect((await promisify(execFile)("sh", few)).stdout).toBe("unusable\n");
    expect((await open(MACHINE)).stored).toBe("used");
  });

  it("with something else in the place of the file", async () => {
    await mkdir(path, { recursive: true });
    expect(await open(MACHINE)).toMatchObject({ ...own, stored: "unusable" });
    await writeFile(join(root, "elsewhere"), '{"generation": 8, "variables": {"A": "1"}}');
    await symlink(join(root, "elsewhere"), path);
    expect(await open(MACHINE)).toMatchObject({ ...own, stored: "unusable" });
  });
});
