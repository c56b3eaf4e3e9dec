import { z } from "zod";
import type { ProvisionRequest } from "../instance/operations.ts";

const USER_ID_CHARS_MAX = 1_024;
const ENV_VARS_MAX = 200;
const SECRET_CHARS_MAX = 16_384;

/** Any well-formed text: two user ids that differ in any way are two users. */
export const userIdSchema = z
  .string()
  .min(1)
  .max(USER_ID_CHARS_MAX)
  .refine((text) => text.isWellFormed(), "is not well-formed Unicode");

/**
 * Names that would change how the machine itself runs, or that are ours to set. The same list is enforced again by the
 * controller at boot.
 */
const RESERVED_ENV_NAME =
  /^(?:KILOCLAW_.*|OPENCLAW_.*|FLY_.*|LD_.*|DYLD_.*|NODE_.*|NPM_.*|BASH_.*|PATH|HOME|PORT|SHELL|TMPDIR|USER|IFS|ENV|PRIMARY_REGION)$/;

const envNameSchema = z
  .string()
  .max(128)
  .regex(/^[A-Z_][A-Z0-9_]*$/, "has characters other than A-Z, 0-9 and _")
  .refine((name) => !RESERVED_ENV_NAME.test(name), "is reserved");

const secretText = z
  .string()
  .min(1)
  .max(SECRET_CHARS_MAX)
  .refine((text) => !text.includes("\0"), "contains a zero character");
const channelToken = secretText.max(1_024).nullable().exactOptional();

export const userRequestSchema = z.strictObject({ userId: userIdSchema });
/** `force` ends a destroy that is under way, though Fly may keep something of the instance. */
export const destroyRequestSchema = z.strictObject({
  userId: userIdSchema,
  force: z.boolean().default(false),
});
export const userQuerySchema = z.object({ userId: userIdSchema });
export const eventsQuerySchema = z.object({
  userId: userIdSchema,
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

/** `POST /api/platform/provision`. Absent keeps what is stored, null removes, a value sets. */
export const provisionRequestSchema = z
  .strictObject({
    userId: userIdSchema,
    envVars: z
      .record(envNameSchema, secretText)
      .refine((vars) => Object.keys(vars).length <= ENV_VARS_MAX, `has more than ${ENV_VARS_MAX} entries`)
      .optional(),
    kilocodeApiKey: secretText.nullable().optional(),
    kilocodeDefaultModel: z.string().min(1).max(256).nullable().optional(),
    channels: z
      .strictObject({
        telegramBotToken: channelToken,
        discordBotToken: channelToken,
        slackBotToken: channelToken,
        slackAppToken: channelToken,
      })
      .optional(),
    machineSize: z
      .strictObject({
        cpus: z.int().min(1).max(16),
        memory_mb: z.int().min(256).max(131_072).multipleOf(256),
        cpu_kind: z.enum(["shared", "performance"]).default("shared"),
      })
      .optional(),
    region: z
      .string()
      .regex(/^[a-z]{3}$/, "is not a region's three-letter code")
      .optional(),
  })
  .transform(({ machineSize, ...request }): ProvisionRequest => ({
    ...request,
    machineSize: machineSize && {
      cpuKind: machineSize.cpu_kind,
      cpus: machineSize.cpus,
      memoryMb: machineSize.memory_mb,
    },
  }));

export const redeemFormSchema = z.object({ userId: userIdSchema, code: z.string().min(1).max(256) });
