import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { type Env, flyProxyUrl, readConfig } from "./config.ts";
import { newPrivateKey } from "./crypto/testing/private-key.ts";

type Variable = Exclude<keyof Env, "KILOCLAW_INSTANCE" | "HYPERDRIVE" | "KV_CLAW_CACHE">;
const read = (changes: Partial<Record<Variable, string>>) => readConfig({ ...env, ...changes });

it("reads the environment of the tests", () => {
  expect(readConfig(env)).toMatchObject({
    kind: "ok",
    config: {
      development: true,
      fly: { app: { kind: "shared", name: "kiloclaw-test" }, regions: ["ams", "fra"], rateLimits: false },
    },
  });
});

it.each([
  ["NEXTAUTH_SECRET", ""],
  ["NEXTAUTH_SECRET", "too-short"],
  ["INTERNAL_API_SECRET", "too-short"],
  ["GATEWAY_TOKEN_SECRET", ""],
  ["FLY_API_TOKEN", ""],
  ["FLY_APP_NAME", ""],
  ["FLY_REGION", " , "],
  ["FLY_API_BASE_URL", "api.machines.dev"],
  ["FLY_IMAGE_DIGEST", "latest"],
  ["FLY_PROXY_URL", "{app}.fly.dev"],
  ["OPENCLAW_ALLOWED_ORIGINS", "claw.kilo.ai"],
  ["OPENCLAW_ALLOWED_ORIGINS", ","],
  ["AGENT_ENV_VARS_PRIVATE_KEY", "too-short"],
  ["AGENT_ENV_VARS_PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\ntoo-short\n-----END PRIVATE KEY-----"],
  ["AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS", "too-short"],
] as const)("names %s when it is %j, and not what it holds", (name, value) => {
  const result = read({ [name]: value });
  expect(result).toMatchObject({ kind: "misconfigured", problems: [expect.stringContaining(name)] });
  expect(JSON.stringify(result)).not.toContain("too-short");
});

it("takes the image by digest before its tag", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  expect(read({ FLY_IMAGE_DIGEST: digest })).toMatchObject({
    config: { machineDefaults: { image: `registry.fly.io/kiloclaw-test@${digest}` } },
  });
  expect(read({ FLY_IMAGE_TAG: "" })).toMatchObject({ kind: "misconfigured" });
});

it("gives each tenant an app of its own with FLY_ORG_SLUG, unless FLY_APP_NAME names one for all", () => {
  expect(read({ FLY_APP_NAME: "", FLY_ORG_SLUG: "kilo-org" })).toMatchObject({
    kind: "ok",
    config: {
      fly: { app: { kind: "own", orgSlug: "kilo-org" } },
      machineDefaults: { image: "registry.fly.io/kiloclaw-test:test" },
    },
  });
  expect(read({ FLY_APP_NAME: "all", FLY_ORG_SLUG: "kilo-org" })).toMatchObject({
    config: { fly: { app: { kind: "shared", name: "all" } } },
  });
});

it("names what is missing for apps of the tenants' own", () => {
  const without = (changes: Partial<Record<Variable, string>>) => read({ FLY_APP_NAME: "", ...changes });
  expect(without({})).toMatchObject({ problems: [expect.stringContaining("FLY_ORG_SLUG")] });
  expect(without({ FLY_ORG_SLUG: "Kilo Org" })).toMatchObject({
    problems: [expect.stringContaining("FLY_ORG_SLUG")],
  });
  expect(without({ FLY_ORG_SLUG: "kilo-org", FLY_REGISTRY_APP: "" })).toMatchObject({
    kind: "misconfigured",
    problems: [expect.stringContaining("FLY_REGISTRY_APP")],
  });
});

it("takes the machines' image from the shared app's registry where no other is named", () => {
  expect(read({ FLY_APP_NAME: "all", FLY_REGISTRY_APP: "" })).toMatchObject({
    config: { machineDefaults: { image: "registry.fly.io/all:test" } },
  });
});

it("keeps Fly's rates where the API is Fly's, not where it is a local one", () => {
  expect(read({ FLY_API_BASE_URL: "" })).toMatchObject({ config: { fly: { rateLimits: true } } });
  expect(read({ FLY_API_BASE_URL: "http://127.0.0.1:4280" })).toMatchObject({
    config: { fly: { rateLimits: false } },
  });
});

it("takes the origin of an allowed address, since that is what browsers send", () => {
  expect(read({ OPENCLAW_ALLOWED_ORIGINS: "https://claw.kilo.ai/, http://localhost:8787" })).toMatchObject({
    config: { machineDefaults: { allowedOrigins: ["https://claw.kilo.ai", "http://localhost:8787"] } },
  });
});

it("puts the app into the proxy's address", () => {
  expect(flyProxyUrl("https://{app}.fly.dev", "tenant")).toBe("https://tenant.fly.dev");
});

it("takes a private key with its ends of lines as they are, or written as \\n, and none at all", async () => {
  const pem = await newPrivateKey();
  const keysOf = (changes: Partial<Record<Variable, string>>) => {
    const result = read(changes);
    return result.kind === "ok" ? result.config.secretKeys : null;
  };
  const oneLine = pem.replaceAll("\n", String.raw`\n`);
  expect(keysOf({ AGENT_ENV_VARS_PRIVATE_KEY: oneLine })).toEqual({ current: pem, previous: null });
  expect(keysOf({ AGENT_ENV_VARS_PRIVATE_KEY: pem, AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS: oneLine })).toEqual({
    current: pem,
    previous: pem,
  });
  expect(keysOf({ AGENT_ENV_VARS_PRIVATE_KEY: "" })).toEqual({ current: null, previous: null });
});

it.each([
  [
    "a key of 1024 bits",
    { name: "RSA-OAEP", modulusLength: 1_024, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  ],
  ["a key of an elliptic curve", { name: "ECDSA", namedCurve: "P-256" }],
])("takes %s for no key to open secrets with", async (_what, algorithm) => {
  const usages = algorithm.name === "ECDSA" ? ["sign", "verify"] : ["encrypt", "decrypt"];
  const pair = await crypto.subtle.generateKey(algorithm, true, usages);
  if (!("privateKey" in pair)) throw new Error("no pair");
  const der = await crypto.subtle.exportKey("pkcs8", pair.privateKey);
  if (!(der instanceof ArrayBuffer)) throw new Error("no bytes");
  const body = btoa(String.fromCharCode(...new Uint8Array(der)));
  const pem = `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
  expect(read({ AGENT_ENV_VARS_PRIVATE_KEY: pem })).toMatchObject({
    kind: "misconfigured",
    problems: [expect.stringContaining("AGENT_ENV_VARS_PRIVATE_KEY")],
  });
});

it("wants a current private key beside a previous one", async () => {
  const pem = await newPrivateKey();
  expect(read({ AGENT_ENV_VARS_PRIVATE_KEY: "", AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS: pem })).toMatchObject({
    problems: [expect.stringContaining("AGENT_ENV_VARS_PRIVATE_KEY:")],
  });
});
