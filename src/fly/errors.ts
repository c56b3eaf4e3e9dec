import { flyErrorSchema } from "./schemas.ts";

/**
 * What an answer of Fly means to us. The kinds tell what to do next, not what happened inside Fly:
 * `unknown_outcome` is the only one after which a create may have taken effect.
 */
export type FlyError = { message: string; status: number | null; requestId: string | null } & (
  | { kind: "not_found" }
  | { kind: "app_missing" }
  | { kind: "unauthorized" }
  | { kind: "name_taken"; machineId: string | null }
  | { kind: "no_capacity" }
  | { kind: "quota" }
  | { kind: "leased"; retryAfterMs: number | null }
  | { kind: "not_in_state" }
  | { kind: "volume_bound" }
  | { kind: "volume_missing" }
  | { kind: "rate_limited"; retryAfterMs: number }
  | { kind: "conflict" }
  | { kind: "invalid" }
  | { kind: "unknown_outcome" }
);

export type FlyErrorKind = FlyError["kind"];

/** Without a `Retry-After`, Fly's bucket of one request a second has room again after this (docs: machines/api). */
const RATE_LIMIT_PAUSE_MS = 1_000;
const MESSAGE_CHARS_MAX = 600;

type Rule = {
  kind: Exclude<FlyErrorKind, "name_taken" | "leased" | "rate_limited">;
  statuses?: number[];
  text?: RegExp;
};

/** First match wins. Texts and statuses are those of fly-machines-api.md §1.4, §2, §4.2, §4.5, §4.11, §6.5. */
const RULES: readonly Rule[] = [
  { kind: "unauthorized", statuses: [401] },
  { kind: "quota", text: /over the allowed quota|has reached its machine limit|add a payment method/i },
  { kind: "volume_missing", text: /volume (?:does not exist|not found)|could not find volume/i },
  { kind: "volume_bound", text: /volume is currently bound to machine|volume already claimed by machine/i },
  {
    kind: "no_capacity",
    text: /insufficient (?:resources|memory|CPUs|IPs)|could not reserve resource|could not find a candidate host|(?:no|out of|not enough) capacity|unable to find a host/i,
  },
  { kind: "unauthorized", statuses: [403] },
  { kind: "app_missing", statuses: [404], text: /app not found|could not find app/i },
  { kind: "not_found", statuses: [404], text: /(?:machine|volume) not found|invalid machine id/i },
  // Of a proxy, or of a path that the API does not have: it says nothing about a machine or a volume.
  { kind: "unknown_outcome", statuses: [404] },
  {
    kind: "not_in_state",
    text: /from current state|still attempting to start|machine getting replaced|still active|still stopping|unable to destroy machine|unable to stop machine|current_version|min_secrets_version/i,
  },
  { kind: "unknown_outcome", statuses: [408] },
  { kind: "conflict", statuses: [409, 412] },
  { kind: "invalid", statuses: [400, 422] },
];

/** Sorts an answer that is not 2xx. `headers` are asked for `retry-after` and `fly-request-id`. */
export function classifyFlyAnswer(status: number, body: string, headers: Headers): FlyError {
  const { text, code } = readEnvelope(body);
  const base = {
    status,
    requestId: headers.get("fly-request-id"),
    message: text.slice(0, MESSAGE_CHARS_MAX),
  };
  const taken = /already_exists: .*machine name/i.test(text);
  if (taken && (status === 409 || status === 422)) {
    return {
      ...base,
      kind: "name_taken",
      machineId: /machine ID ([0-9a-f]+) already exists/i.exec(text)?.[1] ?? null,
    };
  }
  if (status === 409 && /lease currently held/i.test(text)) {
    const expiresInMs = Date.parse(/expires at (\S+)/i.exec(text)?.[1] ?? "") - Date.now();
    return {
      ...base,
      kind: "leased",
      retryAfterMs: Number.isNaN(expiresInMs) ? null : Math.max(0, expiresInMs),
    };
  }
  if (status === 429) return { ...base, kind: "rate_limited", retryAfterMs: readRetryAfterMs(headers) };
  if (code === "insufficient_capacity" || code === "volume_placement_capacity")
    return { ...base, kind: "no_capacity" };
  for (const rule of RULES) {
    if (rule.statuses !== undefined && !rule.statuses.includes(status)) continue;
    if (rule.text !== undefined && !rule.text.test(text)) continue;
    return { ...base, kind: rule.kind };
  }
  return { ...base, kind: status >= 500 ? "unknown_outcome" : "invalid" };
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

function readRetryAfterMs(headers: Headers): number {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1_000 : RATE_LIMIT_PAUSE_MS;
}
