import { createPrivateKey } from "node:crypto";
import { z } from "zod";
import type { SecretKeys } from "./crypto/secret-box.ts";
import type { KiloClawInstance } from "./instance/object.ts";
import type { MachineDefaults } from "./instance/machine-request.ts";

/** The bindings of wrangler.jsonc, and the variables and secrets of `.dev.vars.example`, still unread. */
export type Env = {
  KILOCLAW_INSTANCE: DurableObjectNamespace<KiloClawInstance>;
  HYPERDRIVE: Hyperdrive;
  KV_CLAW_CACHE: KVNamespace;
} & Partial<Record<keyof z.input<typeof environmentSchema>, string>>;

/** Bodies of our own routes. */
export const BODY_BYTES_MAX = 256 * 1024;

const SECRET_CHARS_MIN = 32;
const secret = z.string().min(SECRET_CHARS_MIN, `has fewer than ${SECRET_CHARS_MIN} characters`);
const url = z.url({ protocol: /^https?$/ });
const commaList = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== ""),
);

/** A PKCS#8 PEM. Where an environment file can hold only one line, its ends of lines are written as `\n`. */
const privateKey = z
  .string()
  .transform((text) => text.replaceAll(String.raw`\n`, "\n"))
  .refine(isPrivateKey, "is not a private RSA key of at least 2048 bits in PKCS#8 PEM");

const environmentSchema = z.object({
  WORKER_ENV: z.string().min(1),
  FLY_API_TOKEN: z.string().min(1),
  FLY_APP_NAME: z.string().min(1).optional(),
  FLY_ORG_SLUG: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, "is not an organization's slug")
    .optional(),
  FLY_REGION: commaList.pipe(z.array(z.string().regex(/^[a-z]{2,4}$/)).min(1)),
  FLY_API_BASE_URL: url.default("https://api.machines.dev"),
  FLY_PROXY_URL: z
    .string()
    .refine((pattern) => URL.canParse(flyProxyUrl(pattern, "app")), "is not a URL")
    .default("https://{app}.fly.dev"),
  FLY_REGISTRY_APP: z.string().min(1).optional(),
  FLY_IMAGE_TAG: z.string().min(1).optional(),
  FLY_IMAGE_DIGEST: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional(),
  NEXTAUTH_SECRET: secret,
  INTERNAL_API_SECRET: secret,
  GATEWAY_TOKEN_SECRET: secret,
  AGENT_ENV_VARS_PRIVATE_KEY: privateKey.optional(),
  AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS: privateKey.optional(),
  OPENCLAW_ALLOWED_ORIGINS: commaList
    .pipe(z.array(url.transform((text) => new URL(text).origin)).min(1))
    .optional(),
});

export type Config = {
  workerEnv: string;
  /** Plain HTTP cookies are only for a developer's own machine. */
  development: boolean;
  fly: {
    apiToken: string;
    apiBaseUrl: string;
    /** One app for the machines of all tenants, or for each tenant one of its own in this organization. */
    app: { kind: "shared"; name: string } | { kind: "own"; orgSlug: string };
    proxyUrlPattern: string;
    regions: string[];
    /** Whether calls keep Fly's rates. A local Fly, which speaks plain HTTP, has none. */
    rateLimits: boolean;
  };
  machineDefaults: MachineDefaults;
  sessionSecret: string;
  internalApiSecret: string;
  gatewayTokenSecret: string;
  /** What the values are opened with that the platform sends sealed; without one it can send none. */
  secretKeys: SecretKeys;
};

export type ReadConfig = { kind: "ok"; config: Config } | { kind: "misconfigured"; problems: string[] };

/** Where the Worker answers when nothing else is said. */
const PUBLIC_ORIGIN = "https://claw.kilo.ai";

const readConfigs = new WeakMap<object, ReadConfig>();

/**
 * The environment, validated once per isolate. A problem names the variable and what is wrong with it, never its value.
 */
export function readConfig(env: Env): ReadConfig {
  const known = readConfigs.get(env);
  if (known !== undefined) return known;
  const read = parseConfig(env);
  readConfigs.set(env, read);
  return read;
}

function parseConfig(env: Env): ReadConfig {
  // An empty variable is a missing one: that is how wrangler and shells leave them.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    return misconfigured(...parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`));
  }
  const vars = parsed.data;
  const app = appOf(vars.FLY_APP_NAME, vars.FLY_ORG_SLUG);
  if (app === null) return misconfigured("FLY_APP_NAME or FLY_ORG_SLUG: one of them is required");
  const registryApp = vars.FLY_REGISTRY_APP ?? vars.FLY_APP_NAME;
  if (registryApp === undefined) return misconfigured("FLY_REGISTRY_APP: is required with FLY_ORG_SLUG");
  const image = imageOf(`registry.fly.io/${registryApp}`, vars.FLY_IMAGE_DIGEST, vars.FLY_IMAGE_TAG);
  if (image === null) return misconfigured("FLY_IMAGE_DIGEST or FLY_IMAGE_TAG: one of them is required");
  const secretKeys: SecretKeys = {
    current: vars.AGENT_ENV_VARS_PRIVATE_KEY ?? null,
    previous: vars.AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS ?? null,
  };
  if (secretKeys.current === null && secretKeys.previous !== null) {
    return misconfigured("AGENT_ENV_VARS_PRIVATE_KEY: is required with AGENT_ENV_VARS_PRIVATE_KEY_PREVIOUS");
  }
  return {
    kind: "ok",
    config: {
      workerEnv: vars.WORKER_ENV,
      development: vars.WORKER_ENV === "development",
      fly: {
        apiToken: vars.FLY_API_TOKEN,
        apiBaseUrl: vars.FLY_API_BASE_URL,
        app,
        proxyUrlPattern: vars.FLY_PROXY_URL,
        regions: vars.FLY_REGION,
        rateLimits: vars.FLY_API_BASE_URL.startsWith("https:"),
      },
      machineDefaults: { image, allowedOrigins: vars.OPENCLAW_ALLOWED_ORIGINS ?? [PUBLIC_ORIGIN] },
      sessionSecret: vars.NEXTAUTH_SECRET,
      internalApiSecret: vars.INTERNAL_API_SECRET,
      gatewayTokenSecret: vars.GATEWAY_TOKEN_SECRET,
      secretKeys,
    },
  };
}

function misconfigured(...problems: string[]): ReadConfig {
  return { kind: "misconfigured", problems };
}

/** Smaller ones are refused by RSA-OAEP's own specification (RFC 7518 §4.3). */
const MODULUS_BITS_MIN = 2_048;

function isPrivateKey(pem: string): boolean {
  if (!pem.trimStart().startsWith("-----BEGIN PRIVATE KEY-----")) return false;
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
    return asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) >= MODULUS_BITS_MIN;
  } catch {
    return false;
  }
}

function appOf(name: string | undefined, orgSlug: string | undefined): Config["fly"]["app"] | null {
  if (name !== undefined) return { kind: "shared", name };
  return orgSlug === undefined ? null : { kind: "own", orgSlug };
}

/** By digest where there is one: a tag that moves is not pulled again by Fly, and may differ between two machines. */
function imageOf(repository: string, digest: string | undefined, tag: string | undefined): string | null {
  if (digest !== undefined) return `${repository}@${digest}`;
  return tag === undefined ? null : `${repository}:${tag}`;
}

/** The base URL of Fly's proxy for an app. */
export function flyProxyUrl(pattern: string, appName: string): string {
  return pattern.replaceAll("{app}", appName);
}
