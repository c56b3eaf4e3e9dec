import { kindOf } from "./error-rules.ts";
import { flyErrorSchema } from "./schemas.ts";

/**
 * What an answer of Fly means to us. The kinds tell what to do next, not what happened inside Fly:
 * `unknown_outcome` is the only one after which a create may have taken effect.
 */
export type FlyError = { message: string; status: number | null; requestId: string | null } & (
  | { kind: "not_found" }
  | { kind: "app_missing" }
  /** Somebody has the app's name: we ourselves or a stranger, which only a look at the app tells. */
  | { kind: "app_name_taken" }
  | { kind: "unauthorized" }
  /** `machineId` is who has it; null where Fly's text does not tell. */
  | { kind: "name_taken"; machineId: string | null }
  /** No room in that region, or on the volume's host. */
  | { kind: "no_capacity" }
  /** The organization's share of that region is used up. */
  | { kind: "quota" }
  /** What the organization may have at all is used up: no region helps, only its owner. */
  | { kind: "limit" }
  /** The host takes no machines for some minutes. */
  | { kind: "host_disabled" }
  /** The machine's image can't be fetched: not there, not yet there, or not for us. */
  | { kind: "image_missing" }
  | { kind: "leased"; retryAfterMs: number | null }
  | { kind: "not_in_state" }
  | { kind: "volume_bound" }
  | { kind: "volume_missing" }
  /** Not processed, whatever it was. */
  | { kind: "rate_limited"; retryAfterMs: number }
  | { kind: "conflict" }
  | { kind: "invalid" }
  | { kind: "unknown_outcome" }
);

export type FlyErrorKind = FlyError["kind"];

/** Without a `Retry-After`, Fly's bucket of one request a second has room again after this (docs: machines/api). */
const RATE_LIMIT_PAUSE_MS = 1_000;
const RATE_LIMIT_PAUSE_MS_MAX = 60_000;
/** Fly tells no longest lease, and its clock may differ from ours: after this it is worth a look in any case. */
const LEASE_PAUSE_MS_MAX = 600_000;
const MESSAGE_CHARS_MAX = 600;

export type ClassifyOptions = {
  /** The present instant, in milliseconds since the epoch, against which lease ends and HTTP dates are read. */
  nowMs?: number;
  /** Applied to Fly's text before it is cut, so that no part of a secret stays readable. */
  mask?: (text: string) => string;
};

/** Sorts an answer that is not 2xx. `headers` are asked for `retry-after` and `fly-request-id`. */
export function classifyFlyAnswer(
  status: number,
  body: string,
  headers: Headers,
  { nowMs = Date.now(), mask = (text) => text }: ClassifyOptions = {},
): FlyError {
  const { text, code } = readEnvelope(body);
  const base = {
    status,
    requestId: headers.get("fly-request-id"),
    message: mask(text).slice(0, MESSAGE_CHARS_MAX),
  };
  const kind = kindOf({ status, text, code });
  if (kind === "name_taken") return { ...base, kind, machineId: readHolder(text) };
  if (kind === "leased") return { ...base, kind, retryAfterMs: readLeaseEnd(text, nowMs) };
  if (kind === "rate_limited") return { ...base, kind, retryAfterMs: readRetryAfter(headers, nowMs) };
  return { ...base, kind };
}

/** The error of a call that got no answer at all: refused, reset, timed out, or not a Fly answer. */
export function noAnswer(message: string): FlyError {
  return {
    kind: "unknown_outcome",
    message: message.slice(0, MESSAGE_CHARS_MAX),
    status: null,
    requestId: null,
  };
}

function readEnvelope(body: string): { text: string; code: string | null } {
  try {
    const parsed = flyErrorSchema.safeParse(JSON.parse(body));
    if (parsed.success) {
      return { text: parsed.data.error ?? parsed.data.message ?? body, code: parsed.data.status ?? null };
    }
  } catch {
    // Proxies in front of the API answer with HTML or plain text.
  }
  return { text: body, code: null };
}

/** The machine that has the name, as the conflict tells it (fly-machines-api.md C1, F-02). */
function readHolder(text: string): string | null {
  return /machine ID ([0-9a-f]+) already exists/i.exec(text)?.[1] ?? null;
}

/** `2026-05-14T10:41:08Z`, or in older answers `2022-10-20 19:59:06 +0000 UTC` (fly-machines-api.md §4.12). */
function readLeaseEnd(text: string, nowMs: number): number | null {
  const [, day, time, zone] =
    /expires at (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)/i.exec(text) ?? [];
  if (day === undefined || time === undefined || zone === undefined) return null;
  const endsAt = Date.parse(`${day}T${time}${zone.replace(/(\d\d)(\d\d)$/, "$1:$2")}`);
  return Number.isNaN(endsAt) ? null : Math.min(Math.max(0, endsAt - nowMs), LEASE_PAUSE_MS_MAX);
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3), within bounds. */
function readRetryAfter(headers: Headers, nowMs: number): number {
  const given = headers.get("retry-after")?.trim() ?? "";
  const pauseMs = /^\d+$/.test(given) ? Number(given) * 1_000 : Date.parse(given) - nowMs;
  if (Number.isNaN(pauseMs)) return RATE_LIMIT_PAUSE_MS;
  return Math.min(Math.max(pauseMs, RATE_LIMIT_PAUSE_MS), RATE_LIMIT_PAUSE_MS_MAX);
}
