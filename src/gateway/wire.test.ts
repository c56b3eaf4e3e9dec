import { describe, expect, it } from "vitest";
import { variableNameSchema } from "./wire.ts";

const isAllowed = (name: string): boolean => variableNameSchema.safeParse(name).success;

describe("S05: the name of a variable that a user sets", () => {
  it.each([
    "A",
    "_",
    "MY_SETTING",
    "NODEJS",
    "USERNAME",
    "PORTAL",
    "ENVIRONMENT",
    "PATHS",
    "A1",
    "KILOCODE_API_BASE_URL",
  ])("may be %s", (name) => expect(isAllowed(name)).toBe(true));

  it.each([
    [
      "what is looked for when a program starts",
      [
        "PATH",
        "LD_PRELOAD",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "GCONV_PATH",
        "GLIBC_TUNABLES",
        "MALLOC_CONF",
      ],
    ],
    [
      "what Node, npm and OpenSSL read",
      ["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_REGISTRY", "OPENSSL_CONF"],
    ],
    ["what a shell reads", ["BASH_ENV", "BASHOPTS", "ENV", "IFS", "PS4", "PROMPT_COMMAND", "SHELLOPTS"]],
    [
      "whose process it is, and where",
      ["HOME", "USER", "LOGNAME", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "PORT", "SHELL"],
    ],
    [
      "ours and the platform's",
      [
        "KILOCLAW_ENV_KEY",
        "KILOCLAW_SEALED_A",
        "KILOCLAW_",
        "OPENCLAW_STATE_DIR",
        "FLY_API_TOKEN",
        "PRIMARY_REGION",
      ],
    ],
    ["lower case, in all or in part", ["path", "Path", "ld_preload", "npm_config_registry", "my_setting"]],
    ["letters that look the same", ["ＰＡＴＨ", "РАТН", "PΑTH", "LD_PRELОAD", "ſHELL", "NODE＿OPTIONS"]],
    [
      "characters around or in it",
      ["", " PATH", "PATH ", "PATH\n", "PA\0TH", "A=B", "A-B", "1A", "A.B", "\u200bPATH", "PATH\u0301"],
    ],
    ["names of an object's own", ["__proto__", "constructor", "toString"]],
    ["more than 128 characters", ["A".repeat(129)]],
  ])("is not one of %s", (_what, names) => {
    expect(names.filter(isAllowed)).toEqual([]);
  });
});
