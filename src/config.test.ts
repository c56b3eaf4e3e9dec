import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { type Env, flyProxyUrl, readConfig } from "./config.ts";

type Variable = Exclude<keyof Env, "KILOCLAW_INSTANCE" | "HYPERDRIVE" | "KV_CLAW_CACHE">;
const read = (changes: Partial<Record<Variable, string>>) => readConfig({ ...env, ...changes });

it("reads the environment of the tests", () => {
  expect(readConfig(env)).toMatchObject({
    kind: "ok",
    config: { development: true, fly: { regions: ["ams", "fra"] } },
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

it("takes the origin of an allowed address, since that is what browsers send", () => {
  expect(read({ OPENCLAW_ALLOWED_ORIGINS: "https://claw.kilo.ai/, http://localhost:8787" })).toMatchObject({
    config: { machineDefaults: { allowedOrigins: ["https://claw.kilo.ai", "http://localhost:8787"] } },
  });
});

it("puts the app into the proxy's address", () => {
  expect(flyProxyUrl("https://{app}.fly.dev", "tenant")).toBe("https://tenant.fly.dev");
});
