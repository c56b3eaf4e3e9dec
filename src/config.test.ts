import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { type Env, flyProxyUrl, readConfig } from "./config.ts";

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
