import { z } from "zod";
import {
  accountIdSchema,
  type ApproveChannel,
  approveDeviceSchema,
  channelNameSchema,
  doctorRequestSchema,
  logQuerySchema,
  pairingCodeSchema,
  pairingRequestIdSchema,
} from "../gateway/wire.ts";
import { userIdSchema } from "./requests.ts";

const user = { userId: userIdSchema };
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** `?refresh=true` goes round what is kept; it may take up to a minute. */
export const refreshQuerySchema = z.object({ refresh: flag.default(false) });
export const listQuerySchema = refreshQuerySchema.extend(user);
export const logsQuerySchema = logQuerySchema.extend(user);
export const doctorBodySchema = doctorRequestSchema.extend(user);

const channelApproval = {
  channel: channelNameSchema,
  accountId: accountIdSchema.optional(),
  code: pairingCodeSchema.optional(),
  requestId: pairingRequestIdSchema.optional(),
};

/** By the code that the person was told, or by the request id that the list has. */
export const approveOwnChannelSchema = z.strictObject(channelApproval).transform(approvalOf);
export const approveChannelOfSchema = z
  .strictObject({ ...user, ...channelApproval })
  .transform(({ userId, ...approval }, context) => ({ userId, approval: approvalOf(approval, context) }));

export const approveOwnDeviceSchema = approveDeviceSchema;
export const approveDeviceOfSchema = approveDeviceSchema
  .extend(user)
  .transform(({ userId, ...approval }) => ({ userId, approval }));

type ChannelApproval = z.output<z.ZodObject<typeof channelApproval>>;

function approvalOf(
  { code, requestId, ...which }: ChannelApproval,
  context: z.RefinementCtx,
): ApproveChannel {
  if (code !== undefined && requestId === undefined) return { ...which, code };
  if (requestId !== undefined && code === undefined) return { ...which, requestId };
  context.issues.push({
    code: "custom",
    message: "needs a code or a request id, and not both",
    path: ["code"],
    input: code,
  });
  return z.NEVER;
}
