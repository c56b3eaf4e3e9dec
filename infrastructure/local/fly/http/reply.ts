import type { Context } from "hono";
import type { Refusal } from "../refusal.ts";

/** Fly's error envelope. */
export function refuse(context: Context, refusal: Refusal): Response {
  const { status, error, code } = refusal;
  return context.json(code === undefined ? { error } : { error, status: code }, status);
}

/** The answer of calls that have nothing more to say, or why they were refused. */
export function replyOk(context: Context, refusal: Refusal | undefined): Response {
  return refusal === undefined ? context.json({ ok: true }) : refuse(context, refusal);
}

/** True for `?flag`, `?flag=true` and the like. */
export function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "false" && value !== "0";
}

/** The values of a query parameter that may be repeated or hold a comma list. */
export function listOf(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap((value) => value.split(",")).filter((value) => value !== "");
}

/** The nonce by which a caller proves that the lease is its own. */
export function nonceOf(context: Context): string | undefined {
  return context.req.header("fly-machine-lease-nonce");
}
