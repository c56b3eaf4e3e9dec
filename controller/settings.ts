import { z } from "zod";
import { modelBaseUrlSchema, modelIdSchema } from "../src/gateway/wire.ts";

/** Where the controller listens and finds OpenClaw; always known, so that health answers whatever else is wrong. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Loopback port of the gateway. */
  readonly gatewayPort: number;
  /** The volume: `/root` on Fly, a directory locally. */
  readonly home: string;
  /** Directory whose `node_modules` contains openclaw. */
  readonly openclawDir: string;
  /** How long a SIGTERM lets the gateway finish its work, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** How long a gateway that runs may answer nothing, in milliseconds. */
  readonly hangTimeoutMs: number;
  /** Of the image that the machine was started from, `sha256:…`; null where the platform names it by a tag. */
  readonly imageDigest: string | null;
}

export interface ChannelTokens {
  readonly telegram: boolean;
  readonly discord: boolean;
  readonly slack: boolean;
}

/** What the Worker put into the machine's environment, checked. */
export interface Settings {
  readonly sandboxId: string;
  readonly gatewayToken: string;
  readonly proxyToken: string;
  readonly allowedOrigins: readonly [string, ...string[]];
  readonly model: { readonly baseUrl: string; readonly id: string } | null;
  readonly channels: ChannelTokens;
}

export type SettingsResult =
  /** `ignored` are the names of variables whose value is unusable, and whose default is used. */
  | { readonly ok: true; readonly settings: Settings; readonly ignored: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORT = 18_789;
/** Fly sends SIGKILL 30 s after SIGTERM at the latest (`kill_timeout`); the rest is for the kill and the exit. */
const DEFAULT_STOP_TIMEOUT_MS = 20_000;
/** A busy gateway pauses for seconds; nobody waits for an answer for longer than this. */
const DEFAULT_HANG_TIMEOUT_MS = 90_000;
const IMAGE_DIGEST = /@(sha256:[0-9a-f]{64})$/;
const KILO_BASE_URL = "https://api.kilo.ai/api/gateway";
const KILO_DEFAULT_MODEL = "kilo-auto/balanced";
const ORIGINS_MAX = 16;

const portSchema = z.coerce.number().int().min(1).max(65_534);

/**
 * Reads what is needed to listen at all. A value that is not usable falls back to its default, and its name
 * is returned in `ignored` for the log: a controller that answers `degraded` is worth more than none.
 */
export function readPlace(env: Environment): { place: Place; ignored: readonly string[] } {
  const { read, ignored } = readerOf(env);
  const port = read("PORT", portSchema, DEFAULT_PORT);
  const place: Place = {
    host: read("KILOCLAW_LISTEN_HOST", z.union([z.ipv4(), z.ipv6()]), "0.0.0.0"),
    port,
    gatewayPort: port + 1,
    home: read("HOME", z.string().startsWith("/"), "/root"),
    openclawDir: read("OPENCLAW_DIR", z.string().startsWith("/"), "/opt/openclaw"),
    stopTimeoutMs: read(
      "KILOCLAW_STOP_TIMEOUT_MS",
      z.coerce.number().int().min(100).max(300_000),
      DEFAULT_STOP_TIMEOUT_MS,
    ),
    hangTimeoutMs: read(
      "KILOCLAW_HANG_TIMEOUT_MS",
      z.coerce.number().int().min(300).max(3_600_000),
      DEFAULT_HANG_TIMEOUT_MS,
    ),
    // fly.io/docs/machines/runtime-environment
    imageDigest: IMAGE_DIGEST.exec(env["FLY_IMAGE_REF"] ?? "")?.[1] ?? null,
  };
  return { place, ignored };
}

/** Reads single variables; one that is not usable is `ignored`, and its fallback taken. */
function readerOf(env: Environment): {
  readonly read: <T>(name: string, schema: z.ZodType<T>, fallback: T) => T;
  readonly ignored: readonly string[];
} {
  const ignored: string[] = [];
  return {
    ignored,
    read(name, schema, fallback) {
      if (env[name] === undefined || env[name] === "") return fallback;
      const parsed = schema.safeParse(env[name]);
      if (parsed.success) return parsed.data;
      ignored.push(name);
      return fallback;
    },
  };
}

const tokenSchema = z
  .string({ error: "is missing" })
  .regex(/^[0-9a-f]+$/i, "is not hexadecimal")
  .min(32, "is shorter than 32 characters")
  .max(512, "is longer than 512 characters");

const originSchema = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text, "holds something that is no origin");

const originsSchema = z
  .string({ error: "is missing" })
  .transform((list) =>
    list
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  )
  .pipe(z.tuple([originSchema], originSchema).refine((list) => list.length <= ORIGINS_MAX, "is too long"));

const environmentSchema = z.object({
  KILOCLAW_SANDBOX_ID: z
    .string({ error: "is missing" })
    .regex(/^[A-Za-z0-9_-]{1,63}$/, "is not a sandbox id"),
  KILOCLAW_GATEWAY_TOKEN: tokenSchema,
  KILOCLAW_PROXY_TOKEN: tokenSchema,
  OPENCLAW_ALLOWED_ORIGINS: originsSchema,
});

/**
 * Checks the machine's environment. Problems name the variable and what is wrong with it, never its value. What the tenant chose
 * of a model is no reason to refuse the machine: where it is unusable, it is ignored.
 */
export function readSettings(env: Environment): SettingsResult {
  const filled = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = environmentSchema.safeParse(filled);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`);
    return { ok: false, problems };
  }
  const values = parsed.data;
  if (values.KILOCLAW_GATEWAY_TOKEN === values.KILOCLAW_PROXY_TOKEN) {
    return { ok: false, problems: ["KILOCLAW_PROXY_TOKEN equals KILOCLAW_GATEWAY_TOKEN"] };
  }
  const { read, ignored } = readerOf(env);
  const baseUrl = read("KILOCODE_API_BASE_URL", modelBaseUrlSchema, KILO_BASE_URL);
  const model = read("KILOCODE_DEFAULT_MODEL", modelIdSchema, KILO_DEFAULT_MODEL);
  const has = (name: string): boolean => filled[name] !== undefined;
  return {
    ok: true,
    ignored,
    settings: {
      sandboxId: values.KILOCLAW_SANDBOX_ID,
      gatewayToken: values.KILOCLAW_GATEWAY_TOKEN,
      proxyToken: values.KILOCLAW_PROXY_TOKEN,
      allowedOrigins: values.OPENCLAW_ALLOWED_ORIGINS,
      model: has("KILOCODE_API_KEY") ? { baseUrl, id: model.replace(/^kilocode\//, "") } : null,
      channels: {
        telegram: has("TELEGRAM_BOT_TOKEN"),
        discord: has("DISCORD_BOT_TOKEN"),
        slack: has("SLACK_BOT_TOKEN") && has("SLACK_APP_TOKEN"),
      },
    },
  };
}
