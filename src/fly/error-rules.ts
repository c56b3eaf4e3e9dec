import type { FlyErrorKind } from "./errors.ts";

/** What one rule looks at: Fly's HTTP status, the text of its envelope, and the envelope's `status` field. */
type Answer = { status: number; text: string; code: string | null };

type Rule = {
  kind: FlyErrorKind;
  on: (status: number) => boolean;
  text?: RegExp;
  codes?: readonly string[];
};

/** The kind of an answer that is not 2xx. The first rule that fits decides; every status has one. */
export function kindOf(answer: Answer): FlyErrorKind {
  return (
    RULES.find((rule) => fits(rule, answer))?.kind ?? (answer.status >= 500 ? "unknown_outcome" : "invalid")
  );
}

function fits({ on, text, codes }: Rule, answer: Answer): boolean {
  if (!on(answer.status)) return false;
  if (text === undefined && codes === undefined) return true;
  const fitsCode = codes !== undefined && answer.code !== null && codes.includes(answer.code);
  return fitsCode || text?.test(answer.text) === true;
}

const is =
  (...statuses: number[]) =>
  (status: number): boolean =>
    statuses.includes(status);
/** Fly said no, and did nothing; after a 408 it may still. */
const refused = (status: number): boolean => status >= 400 && status < 500;
/** Also in a 5xx the text is Fly's own scheduler's, which placed nothing. */
const any = (): boolean => true;

/**
 * Texts, statuses and codes are those of fly-machines-api.md §1.2–§1.5, §2, §4, §6.5, §7.4 and §9. What Fly is sure of stands before
 * what its status alone may mean, and a text of the one meaning before another that it contains.
 */
const RULES: readonly Rule[] = [
  // Fly's own deadline: whatever the text, the call may still take effect (§1.6).
  { kind: "unknown_outcome", on: is(408) },
  { kind: "rate_limited", on: is(429) },
  { kind: "no_capacity", on: any, codes: ["insufficient_capacity", "volume_placement_capacity"] },

  { kind: "name_taken", on: refused, text: /^already_exists\b|unique machine name violation/i },
  {
    kind: "app_name_taken",
    on: refused,
    text: /name has already been taken|uniqueness constraint violated/i,
    codes: ["name_taken"],
  },
  { kind: "leased", on: refused, text: /lease currently held/i },
  // These two are no matter of capacity, although their statuses are among those of capacity (§4.2).
  { kind: "not_in_state", on: is(409, 412, 422), text: /min_secrets_version/i },
  { kind: "conflict", on: is(409, 412), text: /current_version|machine_version|concurrent update/i },

  { kind: "host_disabled", on: any, text: /deploys to this host are temporarily disabled/i },
  {
    kind: "limit",
    on: refused,
    text: /has reached its machine limit|add a payment method|governor policy blocked/i,
  },
  { kind: "quota", on: refused, text: /over the allowed quota/i },
  {
    kind: "image_missing",
    on: refused,
    text: /failed to get manifest|manifest[ _]unknown|unable to pull image/i,
  },
  { kind: "unauthorized", on: is(401) },
  { kind: "volume_missing", on: refused, text: /volume (?:does not exist|not found)|could not find volume/i },
  {
    kind: "volume_bound",
    on: refused,
    text: /volume is currently bound to machine|volume already claimed by machine/i,
  },
  {
    kind: "no_capacity",
    on: any,
    text: /insufficient (?:resources|memory|CPUs|IPs)|could not reserve resource|could not find a candidate host|(?:no|out of|not enough) capacity|unable to find a host/i,
  },
  // A region that Fly no longer has is one without room.
  { kind: "no_capacity", on: refused, text: /target region .*not found/i },
  {
    kind: "not_in_state",
    on: refused,
    text: /from current state|still attempting to start|machine getting replaced|machine still (?:active|stopping)|unable to (?:destroy|stop) machine/i,
  },

  { kind: "unauthorized", on: is(403) },
  { kind: "app_missing", on: is(404), text: /app not found|could not find app/i },
  { kind: "not_found", on: is(404), text: /(?:machine|volume) not found|invalid machine id/i },
  // The machine may well be there without its lease.
  { kind: "conflict", on: is(404), text: /lease not found/i },
  { kind: "invalid", on: is(404), text: /snapshot.*(?:not found|does not exist|expired)/i },
  // Of a proxy, or of a path that the API does not have: it says nothing about a machine or a volume.
  { kind: "unknown_outcome", on: is(404) },
  { kind: "conflict", on: is(409, 412) },
];
