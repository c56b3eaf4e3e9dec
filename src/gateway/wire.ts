import { z } from "zod";

/**
 * What the controller in a machine answers on `/_kilo/*`. The Worker and the controller both import this
 * file, and nothing else of each other. A machine is hostile: the Worker parses with these schemas before it
 * believes a single field.
 */

/**
 * Names that decide how a process runs or what it loads, and names that are ours or the platform's to set. A shell, npm, glibc
 * and OpenSSL each look for some of them.
 */
const RESERVED_VARIABLE =
  /^(?:KILOCLAW_.*|OPENCLAW_.*|FLY_.*|PRIMARY_REGION|LD_.*|DYLD_.*|GLIBC_.*|GCONV_PATH|LOCPATH|MALLOC_.*|OPENSSL_.*|NODE_.*|NPM_.*|BASH.*|PATH|HOME|PORT|SHELL|SHELLOPTS|SHLVL|USER|LOGNAME|PWD|OLDPWD|TMPDIR|TMP|TEMP|IFS|ENV|PS4|PROMPT_COMMAND)$/;

/**
 * The name of a variable that a user may set. The Worker takes no other, and the controller gives the gateway no other. One
 * alphabet: npm reads its names in any case, and letters of other scripts look like these.
 */
export const variableNameSchema = z
  .string()
  .max(128)
  .regex(/^[A-Z_][A-Z0-9_]*$/, "has characters other than A-Z, 0-9 and _")
  .refine((name) => !RESERVED_VARIABLE.test(name), "is reserved");

/** A model as OpenClaw or the provider names it. The first part may be the provider's name, but is not all of it. */
export const modelIdSchema = z.string().regex(/^(?!kilocode\/$)[\w.:/@-]{1,200}$/, "is not a model id");
/** Where the provider of models is asked. */
export const modelBaseUrlSchema = z.url({ protocol: /^https?$/, error: "is not an http(s) URL" });

/** What images and systems set of themselves, and a user may set too: by the name nobody can tell whose the value is. */
const INHERITED_VARIABLE = /^(?:LANG|LANGUAGE|LC_.*|TZ|HOSTNAME|TERM|_|YARN_VERSION)$/;
export const isInheritedName = (name: string): boolean => INHERITED_VARIABLE.test(name);
/** Which of those in a machine's environment are the user's settings, comma-separated; absent where none is. */
export const SETTING_NAMES = "KILOCLAW_SETTING_NAMES";

/** What the Worker tells a controller beside the user's settings. */
export const CONTROLLER_VARIABLES = [
  "KILOCLAW_SANDBOX_ID",
  "KILOCLAW_GATEWAY_TOKEN",
  "KILOCLAW_PROXY_TOKEN",
  "KILOCLAW_GENERATION",
  "KILOCLAW_SECRET_NAMES",
  SETTING_NAMES,
  "OPENCLAW_ALLOWED_ORIGINS",
] as const;

/** `GET /_kilo/health`, without authentication. `stage` is a generic label, never a cause or a value. */
export const controllerHealthSchema = z.object({
  state: z.enum(["starting", "ready", "degraded"]),
  stage: z
    .string()
    .regex(/^[a-z][a-z_]*$/)
    .max(40),
});
export type ControllerHealth = z.infer<typeof controllerHealthSchema>;

const versionText = z.string().min(1).max(80);

/** What a controller can be asked for, beyond health, version and the gateway's process. An older one names none of it. */
export const capabilitySchema = z.enum(["logs", "pairing", "doctor", "config", "env"]);
export type Capability = z.infer<typeof capabilitySchema>;

/**
 * `GET /_kilo/version`. Everything is what runs, not what is installed: `openclaw` is what the gateway's process says of itself,
 * null while none has answered; `imageDigest` is that of the image that the machine was started from, where the platform tells.
 * Fields that an older controller lacks are null or empty.
 */
export const controllerVersionSchema = z.object({
  controller: versionText,
  capabilities: z
    .array(z.string().max(40))
    .max(32)
    .transform((names) => names.flatMap((name) => capabilitySchema.safeParse(name).data ?? []))
    .default([]),
  openclaw: versionText.nullable(),
  openclawInstalled: versionText.nullable().default(null),
  imageDigest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .nullable()
    .default(null),
  node: versionText,
});
export type ControllerVersion = z.output<typeof controllerVersionSchema>;

export const gatewayStateNameSchema = z.enum([
  "stopped",
  "starting",
  "running",
  "stopping",
  "crashed",
  "shutting-down",
]);
export type GatewayStateName = z.infer<typeof gatewayStateNameSchema>;

/** Why the gateway's process is not running, in words that name a next step for an operator. */
export const gatewayFailureSchema = z.enum([
  "not_prepared",
  "exited",
  "config_rejected",
  "not_ready_in_time",
  "port_taken",
  "spawn_failed",
  /** It ran, and answered nothing for longer than any work takes. */
  "hung",
]);
export type GatewayFailure = z.infer<typeof gatewayFailureSchema>;

/** `GET /_kilo/gateway/status` and the answer (202) to `POST /_kilo/gateway/{start,stop,restart}`. Times are ISO 8601. */
export const gatewayStatusSchema = z.object({
  state: gatewayStateNameSchema,
  since: z.iso.datetime(),
  pid: z.int().positive().nullable(),
  /** Ends in a row that were not asked for and came before 30 seconds of health. */
  failuresInARow: z.int().nonnegative(),
  failure: gatewayFailureSchema.nullable(),
  /** When the next try begins by itself; null when none is planned. */
  retryAt: z.iso.datetime().nullable(),
  /** Starts of the process since the controller began, beyond the first. */
  restarts: z.int().nonnegative().default(0),
  /** Resident memory of the process and what it started, in bytes; null where it can't be told. */
  memoryBytes: z.int().nonnegative().nullable().default(null),
  /** What the gateway said last when it went down, with secrets redacted; null while it is up. */
  reason: z.string().max(1_000).nullable().default(null),
});
export type GatewayStatus = z.output<typeof gatewayStatusSchema>;

/** Longest line of a gateway's output that is kept; the rest of it is dropped. */
export const LOG_LINE_CHARS_MAX = 8_192;
/** Most lines of one answer. */
export const LOG_LINES_MAX = 1_000;

/** Query of `GET /_kilo/gateway/logs`: lines after this number, the newest `limit` of them. */
export const logQuerySchema = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(LOG_LINES_MAX).default(200),
});

/** `GET /_kilo/gateway/logs`: what the gateway printed, oldest first, with secrets redacted. Numbers grow by one for each line. */
export const gatewayLogSchema = z.object({
  lines: z
    .array(
      z.object({
        number: z.int().positive(),
        at: z.iso.datetime(),
        stream: z.enum(["stdout", "stderr"]),
        text: z.string().max(LOG_LINE_CHARS_MAX),
      }),
    )
    .max(LOG_LINES_MAX),
  /** The number of the newest line there is; 0 before the first. */
  newest: z.int().nonnegative(),
});
export type GatewayLog = z.infer<typeof gatewayLogSchema>;

/** Channels as OpenClaw names them: `telegram`, `discord`, `nextcloud-talk`. */
export const channelNameSchema = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, "is not a channel's name");
/** A channel's account as OpenClaw names it: `default`. */
export const accountIdSchema = z.string().regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, "is not an account's id");
/** OpenClaw's codes are eight letters and digits; no later version's are likely to hold more than these. */
export const pairingCodeSchema = z.string().regex(/^[A-Z0-9]{4,16}$/, "is not a pairing code");
/** Ids that OpenClaw gives to requests: UUIDs, and base64url of random bytes. Never the shape of an option. */
export const pairingRequestIdSchema = z.string().regex(/^[A-Za-z0-9][\w-]{0,127}$/, "is not a request's id");

/** Most entries of a list; OpenClaw itself keeps three per channel's account. */
export const PAIRING_ENTRIES_MAX = 100;
const shortText = z.string().max(256);

/**
 * Somebody who wrote to a channel and waits to be let in. `code` is what the channel told that person; OpenClaw 2026.9 tells
 * it to nobody else, and has a `requestId` instead. One of the two is there, and approves the request.
 */
export const channelRequestSchema = z.object({
  channel: channelNameSchema,
  accountId: accountIdSchema,
  code: pairingCodeSchema.nullable(),
  requestId: pairingRequestIdSchema.nullable(),
  senderId: shortText,
  /** What the channel tells of the person: `username`, `firstName`. Written by strangers. */
  meta: z.record(z.string().max(64), shortText),
  requestedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type ChannelRequest = z.infer<typeof channelRequestSchema>;

/** A device or browser that asked to connect and waits to be let in. What it says of itself is its own word. */
export const deviceRequestSchema = z.object({
  requestId: pairingRequestIdSchema,
  deviceId: z.string().regex(/^[0-9a-f]{64}$/),
  clientId: shortText.nullable(),
  clientMode: shortText.nullable(),
  displayName: shortText.nullable(),
  platform: shortText.nullable(),
  role: shortText,
  scopes: z.array(shortText).max(64),
  remoteIp: shortText.nullable(),
  /** The device is known, and asks for more, or with another key. */
  isRepair: z.boolean(),
  /** Of device, key, role and scopes: an approval that names it approves just this. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  requestedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type DeviceRequest = z.infer<typeof deviceRequestSchema>;

/** How far a list can be believed. A stale one is the last that could be had, since when it could not be had again. */
const listStateSchema = z.object({
  /** When the list was true last; null when it was never had. */
  refreshedAt: z.iso.datetime().nullable(),
  stale: z.boolean(),
});

/** `GET /_kilo/pairing/channels[?refresh=true]`. */
export const channelPairingSchema = listStateSchema.extend({
  requests: z.array(channelRequestSchema).max(PAIRING_ENTRIES_MAX),
  /** One of each configured channel, whether it has requests or not. */
  channels: z.array(listStateSchema.extend({ channel: channelNameSchema })).max(64),
});
export type ChannelPairing = z.infer<typeof channelPairingSchema>;

/** `GET /_kilo/pairing/devices[?refresh=true]`. */
export const devicePairingSchema = listStateSchema.extend({
  requests: z.array(deviceRequestSchema).max(PAIRING_ENTRIES_MAX),
});
export type DevicePairing = z.infer<typeof devicePairingSchema>;

/** Body of `POST /_kilo/pairing/channels/approve`: by the code that the person was told, or by the list's request id. */
export const approveChannelSchema = z.union([
  z.strictObject({
    channel: channelNameSchema,
    accountId: accountIdSchema.optional(),
    code: pairingCodeSchema,
  }),
  z.strictObject({
    channel: channelNameSchema,
    accountId: accountIdSchema.optional(),
    requestId: pairingRequestIdSchema,
  }),
]);
export type ApproveChannel = z.infer<typeof approveChannelSchema>;

/** Body of `POST /_kilo/pairing/devices/approve`. With a fingerprint, only the request that the list showed is approved. */
export const approveDeviceSchema = z.strictObject({
  requestId: pairingRequestIdSchema,
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type ApproveDevice = z.infer<typeof approveDeviceSchema>;

/**
 * The answer (200) to an approval that was carried out, or has nothing to be carried out on: `not_pending` when the request
 * is unknown, expired or refused; `changed` when it asks for something else than its fingerprint says.
 */
export const approvalSchema = z.object({
  outcome: z.enum(["approved", "already_approved", "not_pending", "changed"]),
});
export type Approval = z.infer<typeof approvalSchema>;

/** Most of a doctor's output that is kept, in characters: its end. */
export const DOCTOR_OUTPUT_CHARS_MAX = 100_000;

/** Body of `POST /_kilo/doctor`. `DELETE /_kilo/doctor` cancels one that runs. */
export const doctorRequestSchema = z.strictObject({ fix: z.boolean().default(false) });

/** `GET /_kilo/doctor`, and the answer (202) to `POST` and `DELETE`. One runs at a time; a second `POST` joins it. */
export const doctorSchema = z.object({
  state: z.enum(["never_run", "running", "done", "failed", "cancelled", "timed_out"]),
  fix: z.boolean(),
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  exitCode: z.int().nullable(),
  output: z.string().max(DOCTOR_OUTPUT_CHARS_MAX),
});
export type Doctor = z.infer<typeof doctorSchema>;

/** `GET /_kilo/config`: how the gateway's configuration file was brought up to date last. Never a value of it. */
export const configReportSchema = z.object({
  kind: z.enum(["never_written", "unchanged", "written", "begun_anew", "failed"]),
  at: z.iso.datetime().nullable(),
  /** The name under which a file that could not be read was set aside. */
  setAside: shortText.nullable(),
  /** Keys that reach into an object's prototype, and were left out. */
  refusedKeys: z.array(shortText).max(64),
  channels: z.array(channelNameSchema).max(64),
  model: shortText.nullable(),
});
export type ConfigReport = z.infer<typeof configReportSchema>;

/** Most variables of a machine's settings, and the most characters of one. */
const ENV_VARIABLES_MAX = 256;
const ENV_VALUE_CHARS_MAX = 65_536;
const variablesSchema = z
  .record(z.string().min(1).max(160), z.string().max(ENV_VALUE_CHARS_MAX))
  .refine((variables) => Object.keys(variables).length <= ENV_VARIABLES_MAX, "has too many variables");

/**
 * Body of `PUT /_kilo/env`: the complete settings of a newer generation than the machine was started with. `settings` is what
 * the gateway is to use, `stored` the same as the machine's environment at Fly would have it, sealed where that is sealed: it
 * outlives a restart of the machine until its environment has caught up.
 */
export const envUpdateSchema = z.strictObject({
  generation: z.int().positive(),
  settings: variablesSchema,
  stored: variablesSchema,
});
export type EnvUpdate = z.infer<typeof envUpdateSchema>;

/** The answer (200) to it: how the gateway came by the settings, and whether it was seen to use them. */
export const envAppliedSchema = z.object({
  generation: z.int().positive(),
  how: z.enum(["unchanged", "hot", "gateway_restart"]),
  inEffect: z.boolean(),
});
export type EnvApplied = z.infer<typeof envAppliedSchema>;

/** RFC 9457 problem details, as the controller sends them with every error. */
export const controllerProblemSchema = z.object({
  type: z.literal("about:blank"),
  title: z.string().max(200),
  status: z.int().min(400).max(599),
  code: z.enum([
    "unauthenticated",
    "forbidden",
    "unknown_route",
    "invalid_request",
    "too_large",
    "unsupported_media_type",
    "stale_generation",
    "starting",
    "shutting_down",
    "misconfigured",
    "upstream_failed",
    "upstream_timeout",
  ]),
});
export type ControllerProblem = z.infer<typeof controllerProblemSchema>;
export type ControllerProblemCode = ControllerProblem["code"];
