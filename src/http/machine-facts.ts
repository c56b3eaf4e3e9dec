import { machineTokensOf } from "../auth/machine-tokens.ts";
import type { Config, Env } from "../config.ts";
import type { Refusal } from "../instance/operations.ts";
import { type SnapshotsResult, volumeSnapshots } from "../instance/snapshots.ts";
import { refusalAnswer } from "./answers.ts";
import { instanceOf } from "./context.ts";
import { problem } from "./problem.ts";

export type GatewayTokenResult = { kind: "gateway_token"; gatewayToken: string } | Refusal;

/** The bearer of the controller's own routes; it is derived, so it is there whether the machine runs or not. */
export async function gatewayTokenOf(env: Env, config: Config, userId: string): Promise<GatewayTokenResult> {
  const names = await instanceOf(env, userId).resolveNames(userId);
  if (names.kind !== "names") return names;
  const { gatewayToken } = await machineTokensOf(config.gatewayTokenSecret, names.sandboxId);
  return { kind: "gateway_token", gatewayToken };
}

/** The object only tells which volume it is. */
export async function snapshotsOf(
  env: Env,
  config: Config,
  userId: string,
): Promise<SnapshotsResult | Refusal> {
  const names = await instanceOf(env, userId).resolveNames(userId);
  return names.kind === "names" ? volumeSnapshots(names, config.fly) : names;
}

export function gatewayTokenAnswer(result: GatewayTokenResult): Response {
  return result.kind === "gateway_token"
    ? json({ gatewayToken: result.gatewayToken })
    : refusalAnswer(result);
}

export function snapshotsAnswer(result: SnapshotsResult | Refusal): Response {
  if (result.kind === "snapshots") return json({ volumeId: result.volumeId, snapshots: result.snapshots });
  if (result.kind !== "unknown") return refusalAnswer(result);
  return problem("upstream_failed", {
    detail: "Fly doesn't tell which snapshots there are.",
    extra: { reason: "snapshots_unknown" },
    retryAfterS: result.retryAfterS,
  });
}

function json(body: unknown): Response {
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}
