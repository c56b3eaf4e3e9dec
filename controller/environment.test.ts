import { describe, expect, it } from "vitest";
import { gatewayEnvironment, gatewayPaths, ignoredNames } from "./environment.ts";

const GIVEN = "given";

/** The names among these whose value reaches the gateway. */
function passed(names: readonly string[]): readonly string[] {
  const machine = Object.fromEntries(names.map((name) => [name, GIVEN]));
  const env = environmentOf("2026.9.6", machine);
  return names.filter((name) => env[name] === GIVEN);
}

describe("the gateway's environment", () => {
  it("has the user's variables", () => {
    const names = ["MY_SETTING", "NODEJS", "USERNAME", "PORTAL", "ENVIRONMENT", "LANG", "TZ"];
    expect(passed(names)).toEqual(names);
  });

  it.each([
    [
      "spelled in another way",
      ["path", "Path", "lower_case", "ＰＡＴＨ", "РАТН", "PATH ", "LD_PRELOAD\n", "__proto__", ""],
    ],
    ["our own", ["KILOCLAW_GATEWAY_TOKEN", "KILOCLAW_PROXY_TOKEN", "OPENCLAW_STATE_DIR", "OPENCLAW_NEW"]],
    ["what changes how Node runs", ["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_ENV"]],
    ["what changes what npm installs, in any case", ["NPM_CONFIG_REGISTRY", "npm_config_registry"]],
    ["what changes how anything is loaded", ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES"]],
    ["what changes how a shell runs", ["BASH_ENV", "BASH_FUNC_ls", "ENV", "IFS", "SHELL"]],
    [
      "whose process it is, and where",
      ["HOME", "USER", "PATH", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "PORT"],
    ],
    ["what Fly might mean by it", ["FLY_API_TOKEN", "FLY_APP_NAME_X", "PRIMARY_REGION"]],
    [
      "what changes how glibc and OpenSSL run",
      ["GLIBC_TUNABLES", "GCONV_PATH", "MALLOC_PERTURB_", "OPENSSL_CONF"],
    ],
  ])("S05: has no variable that is %s", (_, names) => {
    expect(passed(names)).toEqual([]);
  });

  it("has what Fly tells a machine", () => {
    const names = [
      "FLY_APP_NAME",
      "FLY_LOCAL_DATA",
      "FLY_MACHINE_ID",
      "FLY_REGION",
      "FLY_PRIVATE_IP",
      "FLY_VM_MEMORY_MB",
    ];
    expect(passed(names)).toEqual(names);
  });
  it.each([
    ["2026.9.6", ["MY_SETTING"]],
    ["2026.2.26", ["KILOCODE_API_KEY", "TELEGRAM_BOT_TOKEN", "MY_SETTING"]],
  ])("has the secrets with %s only where the version does not read them from a file", (version, names) => {
    const given = {
      KILOCODE_API_KEY: GIVEN,
      KILOCODE_DEFAULT_MODEL: GIVEN,
      TELEGRAM_BOT_TOKEN: GIVEN,
      MY_SETTING: GIVEN,
    };
    const env = environmentOf(version, given);
    expect(Object.keys(given).filter((name) => env[name] === GIVEN)).toEqual(names);
    expect("OPENCLAW_KILOCLAW_SECRETS_FILE" in env).toBe(version === "2026.9.6");
  });

  it("keeps the browser's ports of 2026.2.26 shut, which 2026.9.6 does not have", () => {
    expect(environmentOf("2026.2.26")).toHaveProperty("OPENCLAW_SKIP_BROWSER_CONTROL_SERVER");
    expect(environmentOf("2026.9.6")).not.toHaveProperty("OPENCLAW_SKIP_BROWSER_CONTROL_SERVER");
  });
});

it("S05: names what of a machine's variables nobody may set, and none that are the image's, the platform's or ours", () => {
  const machine = {
    PATH: "/bin",
    NODE_VERSION: "26",
    KILOCLAW_GATEWAY_TOKEN: "t",
    FLY_APP_NAME: "app",
    MY_SETTING: "mine",
    NODE_OPTIONS: "--require /tmp/evil.js",
    ld_preload: "/tmp/evil.so",
  };
  expect(ignoredNames(machine)).toEqual(["NODE_OPTIONS", "ld_preload"]);
});

function environmentOf(version: string, machine: Record<string, string> = {}): Record<string, string> {
  const secrets = { ownerHeader: "x-kiloclaw-owner-test", password: "derived" };
  return gatewayEnvironment(machine, gatewayPaths("/root"), secrets, version);
}
