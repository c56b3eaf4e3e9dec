import { z } from "zod";
import { SEALED_CHARS_MAX } from "../crypto/secret-box.ts";
import { modelBaseUrlSchema, modelIdSchema, variableNameSchema } from "../gateway/wire.ts";
import type { ProvisionRequest } from "../instance/operations.ts";
import { FIELD_OF } from "../instance/setting-fields.ts";
import { SECRET_CHARS_MAX, secretFault, TOKEN_CHARS_MAX } from "../instance/secrets.ts";

const USER_ID_CHARS_MAX = 1_024;
const ENTRIES_MAX = 200;

/** Any well-formed text: two user ids that differ in any way are two users. */
export const userIdSchema = z
  .string()
  .min(1)
  .max(USER_ID_CHARS_MAX)
  .refine((text) => text.isWellFormed(), "is not well-formed Unicode");

const plainText = z
  .string()
  .min(1)
  .max(SECRET_CHARS_MAX)
  .superRefine((text, context) => {
    const fault = secretFault(text);
    if (fault !== null) context.addIssue({ code: "custom", message: fault });
  });
const jwe = z.string().min(1).max(SEALED_CHARS_MAX);
/** As it is, or sealed for the Worker (`sealSecret` of kiloclaw/client). */
const secret = (text: z.ZodType<string>) => z.union([text, z.strictObject({ encrypted: jwe })]).nullable();
const channelToken = secret(plainText.max(TOKEN_CHARS_MAX)).exactOptional();

const fewEnough = (entries: Record<string, unknown>): boolean => Object.keys(entries).length <= ENTRIES_MAX;
const tooMany = `has more than ${ENTRIES_MAX} entries`;

/** Variables by their names, none of which a field of its own stands for. One that is there from before can be removed. */
const variables = <T extends string | null>(value: z.ZodType<T>) =>
  z
    .record(variableNameSchema, value)
    .refine(fewEnough, tooMany)
    .superRefine((entries, context) => {
      for (const [name, entry] of Object.entries(entries)) {
        const field = FIELD_OF.get(name);
        if (field === undefined || entry === null) continue;
        context.addIssue({ code: "custom", path: [name], message: `is set by the field ${field}` });
      }
    });

const channelsSchema = z.strictObject({
  telegramBotToken: channelToken,
  discordBotToken: channelToken,
  slackBotToken: channelToken,
  slackAppToken: channelToken,
});
const kilocodeFields = {
  kilocodeApiKey: secret(plainText).optional(),
  kilocodeDefaultModel: modelIdSchema.nullable().optional(),
};
const BASE_URL = "KILOCODE_API_BASE_URL";
const envVarsSchema = variables(plainText).superRefine(({ [BASE_URL]: url }, context) => {
  if (url === undefined) return;
  for (const { message } of modelBaseUrlSchema.safeParse(url).error?.issues ?? [])
    context.addIssue({ code: "custom", path: [BASE_URL], message });
});
const patchedSecretsSchema = variables(jwe.nullable());

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
    envVars: envVarsSchema.optional(),
    encryptedSecrets: variables(jwe).optional(),
    ...kilocodeFields,
    channels: channelsSchema.optional(),
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

/** `PATCH /api/platform/…`. Absent keeps what is stored, null removes, a value sets. */
export const channelsPatchSchema = z.strictObject({ userId: userIdSchema, channels: channelsSchema });
export const kilocodePatchSchema = z.strictObject({ userId: userIdSchema, ...kilocodeFields });
export const secretsPatchSchema = z.strictObject({
  userId: userIdSchema,
  encryptedSecrets: patchedSecretsSchema,
});
/** All of them in one, as RPC takes it. */
export const settingsPatchSchema = z.strictObject({
  ...kilocodeFields,
  channels: channelsSchema.optional(),
  encryptedSecrets: patchedSecretsSchema.optional(),
});

export const redeemFormSchema = z.object({ userId: userIdSchema, code: z.string().min(1).max(256) });
