import { describe, expect, it } from "vitest";
import { classifyFlyAnswer, type FlyErrorKind } from "./errors.ts";

const ID = "2879325b42d318";
const NOW = Date.parse("2026-11-02T10:00:00Z");

const classify = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  classifyFlyAnswer(
    status,
    JSON.stringify(typeof error === "string" ? { error } : error),
    new Headers(headers),
    { nowMs: NOW },
  );

type Row = [status: number, error: unknown, kind: FlyErrorKind];

/** Every error text of fly-machines-api.md that a call of the Machines API may be answered with. */
const TEXTS: Record<string, Row[]> = {
  "§1.2 authentication": [
    [401, "Authenticate: token validation error", "unauthorized"],
    [401, "invalid token", "unauthorized"],
    [403, "unauthorized", "unauthorized"],
    [400, "authorization: request doesn't contain org_slug", "invalid"],
  ],
  "§1.4 prefixes and envelopes": [
    [400, "invalid_argument: something", "invalid"],
    [404, "not_found: something", "unknown_outcome"],
    [408, "deadline_exceeded: something", "unknown_outcome"],
    [409, "already_exists: something", "name_taken"],
    [409, "aborted: something", "conflict"],
    [412, "failed_precondition: something", "conflict"],
    [503, "unavailable: something", "unknown_outcome"],
    [422, "something new", "invalid"],
    [400, "json: cannot unmarshal array into Go value of type main.stopRequest", "invalid"],
    [400, "EOF", "invalid"],
    [400, "http: request body too large", "invalid"],
    [413, "http: request body too large", "invalid"],
    [500, "internal server error", "unknown_outcome"],
    [500, { error: "something", status: "unknown" }, "unknown_outcome"],
    [422, { message: "something" }, "invalid"],
    [422, { error: "something new", status: "insufficient_capacity" }, "no_capacity"],
    [412, { error: "something new", status: "volume_placement_capacity" }, "no_capacity"],
    [422, { error: "something new", status: "name_taken" }, "app_name_taken"],
    [422, { error: "something new", status: "a_status_of_tomorrow" }, "invalid"],
  ],
  "§1.5 rates": [[429, "rate limit exceeded", "rate_limited"]],
  "§2 apps, addresses and secrets": [
    [
      422,
      { error: "Validation failed: Name has already been taken", status: "name_taken" },
      "app_name_taken",
    ],
    [422, "Validation failed: Name has already been taken", "app_name_taken"],
    [422, "uniqueness constraint violated", "app_name_taken"],
    [422, "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes", "invalid"],
    [404, "app not found", "app_missing"],
    [404, 'Could not find App "my-app-name"', "app_missing"],
    [500, "You hit a Fly API error with request ID: 01J8X", "unknown_outcome"],
    [412, "min_secrets_version 3 is not yet available on this app", "not_in_state"],
  ],
  "§4.1, §4.2 creating a machine": [
    [
      409,
      `already_exists: unique machine name violation, machine ID ${ID} already exists with name "tenant-a"`,
      "name_taken",
    ],
    [
      422,
      `already_exists: unique machine name violation, machine ID ${ID} already exists with name tenant-a`,
      "name_taken",
    ],
    [422, { error: "could not find a candidate host", status: "insufficient_capacity" }, "no_capacity"],
    [422, "could not find a candidate host", "no_capacity"],
    [
      412,
      "insufficient resources to create new machine with existing volume 'vol_4y5gkog8p5kj839r'",
      "no_capacity",
    ],
    [
      412,
      {
        error: "insufficient resources to create new machine with existing volume 'vol_4y5gkog8p5kj839r'",
        status: "volume_placement_capacity",
      },
      "no_capacity",
    ],
    [
      409,
      "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
      "no_capacity",
    ],
    [
      409,
      "aborted: could not reserve resource for machine: insufficient CPUs available to fulfill request",
      "no_capacity",
    ],
    [
      409,
      "aborted: could not reserve resource for machine: insufficient memory available on the current host",
      "no_capacity",
    ],
    [
      409,
      "aborted: insufficient resources available to fulfill request: insufficient memory available to fulfill request",
      "no_capacity",
    ],
    [409, "aborted: insufficient IPs available to fulfill request", "no_capacity"],
    [409, "aborted: no capacity", "no_capacity"],
    [422, "not enough capacity in region ams", "no_capacity"],
    [422, "unable to find a host", "no_capacity"],
    [
      503,
      "unavailable: deploys to this host are temporarily disabled, please try again later or check the status page: https://status.flyio.net/",
      "host_disabled",
    ],
    [
      403,
      'organization "Kilo" is using 1970176 MB of memory in dfw which is over the allowed quota. please consider other regions',
      "quota",
    ],
    [422, "Your organization has reached its machine limit. Please contact billing@fly.io", "limit"],
    [422, "To create more than 1 machine per app please add a payment method.", "limit"],
    [400, "volume does not exist", "volume_missing"],
    [404, "volume not found", "volume_missing"],
    [422, "could not find volume vol_1", "volume_missing"],
    [412, `failed_precondition: volume already claimed by machine ${ID}`, "volume_bound"],
    [412, `failed_precondition: volume already claimed by machine ${"\0".repeat(14)}`, "volume_bound"],
    [400, "invalid_argument: invalid config", "invalid"],
    [422, "performance-8x requires at least 16384 MB of memory", "invalid"],
    [
      400,
      "failed to get manifest registry.fly.io/app:tag: GET https://registry.fly.io/v2/app/manifests/tag: unauthorized",
      "image_missing",
    ],
    [
      422,
      "failed to get manifest registry.fly.io/app:tag: request failed: manifest unknown [http 404]",
      "image_missing",
    ],
    [404, "MANIFEST_UNKNOWN: manifest unknown", "image_missing"],
    [422, "governor policy blocked start", "limit"],
    [408, "deadline_exceeded: context deadline exceeded", "unknown_outcome"],
    [408, "deadline_exceeded: insufficient memory", "unknown_outcome"],
    [503, { error: "out of capacity", status: "insufficient_capacity" }, "no_capacity"],
    [503, "out of capacity", "no_capacity"],
    [422, "target region xyz not found", "no_capacity"],
    [422, 'Mounts source volume "vol_jn924okpd12v03lq" is in the wrong region ("ord" != "mia")', "invalid"],
  ],
  "§4.3, §4.4 reading and updating a machine": [
    [404, "machine not found", "not_found"],
    [404, "not_found: machine not found", "not_found"],
    [404, "invalid machine ID, '5683d707f16058'", "not_found"],
    [409, "precondition failed: current_version does not match", "conflict"],
    [412, "precondition failed: current_version does not match", "conflict"],
    [412, "machine_version mismatch: expected 5, got 4", "conflict"],
    [409, "aborted: machine update failed due to concurrent update", "conflict"],
  ],
  "§4.5, §4.6, §4.8 starting, stopping and restarting": [
    ...["created", "replacing", "updating", "stopping", "destroyed"].map((state): Row => [
      412,
      `failed_precondition: unable to start machine from current state: '${state}'`,
      "not_in_state",
    ]),
    [409, "aborted: machine still attempting to start", "not_in_state"],
    [412, "failed_precondition: machine getting replaced, refusing to start", "not_in_state"],
    [412, "machine still stopping", "not_in_state"],
    [412, "failed_precondition: machine still active, refusing to start", "not_in_state"],
    [409, "unable to stop machine, not currently started", "not_in_state"],
    [400, "invalid_argument: invalid signal", "invalid"],
  ],
  "§4.10 waiting": [
    [
      408,
      "deadline_exceeded: machine failed to reach desired state, started, currently created",
      "unknown_outcome",
    ],
    [408, "machine failed to reach desired state, started, currently replaced", "unknown_outcome"],
    [
      400,
      "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]",
      "invalid",
    ],
    [400, "instance_id required when waiting for stopped machine", "invalid"],
  ],
  "§4.11 destroying": [
    [
      412,
      "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
      "not_in_state",
    ],
    [409, "unable to destroy machine, not currently stopped", "not_in_state"],
  ],
  "§4.12 leases": [
    [
      409,
      `machine ID ${ID} lease currently held by 9af60c27@tokens.fly.io, expires at 2026-05-14T10:41:08Z`,
      "leased",
    ],
    [
      409,
      {
        status: "error",
        message: `machine ID ${ID} lease currently held by hello@fly.io, expires at 2022-10-20 19:59:06 +0000 UTC`,
        code: "invalid",
      },
      "leased",
    ],
    [409, `failed to exec: machine ID ${ID} lease currently held by hello@fly.io`, "leased"],
    [404, " lease not found", "conflict"],
    [404, "failed to release lease: invalid machine ID", "not_found"],
  ],
  "§4.15 exec": [
    [
      408,
      'deadline_exceeded: Post "http://unix/v1/exec": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
      "unknown_outcome",
    ],
    [
      500,
      "exec output exceeds the maximum allowed response size after JSON encoding (10485760 byte limit)",
      "unknown_outcome",
    ],
  ],
  "§6 volumes and snapshots": [
    [412, `failed_precondition: volume is currently bound to machine: ${ID}`, "volume_bound"],
    [400, "no capacity", "no_capacity"],
    [422, "no capacity available in ams region", "no_capacity"],
    [412, "insufficient resources available", "no_capacity"],
    [
      403,
      'organization "Kilo" is using 5000 GB of storage in dfw which is over the allowed quota. please consider other regions',
      "quota",
    ],
    [404, "not_found: volume not found", "volume_missing"],
    [422, "Name may only contain numbers, lowercase letters and dashes", "invalid"],
    [412, "failed_precondition: snapshot is already scheduled at 2026-11-01T00:00:00Z", "conflict"],
    [404, "snapshot not found", "invalid"],
    [422, "snapshot vs_1 has expired", "invalid"],
  ],
  "§7.4 images": [[422, "unable to pull image, not found, canceling deploy", "image_missing"]],
};

describe.each(Object.entries(TEXTS))("%s", (_section, rows) => {
  it.each(rows)("%i %j → %s", (status, error, kind) => {
    expect(classify(status, error).kind).toBe(kind);
  });
});

describe("an answer that is not of Fly's making", () => {
  it.each<[number, string, FlyErrorKind]>([
    [404, "404 page not found\n", "unknown_outcome"],
    [404, "", "unknown_outcome"],
    [500, "", "unknown_outcome"],
    [502, "<html>Bad Gateway</html>", "unknown_outcome"],
    [503, "<html>Service Unavailable</html>", "unknown_outcome"],
    [504, "upstream request timeout", "unknown_outcome"],
    [302, "", "invalid"],
  ])("%i %j → %s", (status, body, kind) => {
    const headers = new Headers({ "fly-request-id": "01J-ams" });
    expect(classifyFlyAnswer(status, body, headers)).toMatchObject({
      kind,
      status,
      message: body,
      requestId: "01J-ams",
    });
  });
});

it("reads the holder's id from a name conflict, quoted or not, and tells when it can't", () => {
  const text = `already_exists: unique machine name violation, machine ID ${ID} already exists with name "a"`;
  expect(classify(409, text)).toMatchObject({ kind: "name_taken", machineId: ID });
  expect(classify(422, text.replaceAll('"', ""))).toMatchObject({ kind: "name_taken", machineId: ID });
  for (const other of [
    "already_exists: unique machine name violation",
    "already_exists: the machine exists",
    {
      error: "already_exists: unique machine name violation, machine ID ? already exists",
      status: "name_taken",
    },
  ]) {
    expect(classify(409, other)).toMatchObject({ kind: "name_taken", machineId: null });
  }
});

it.each([
  ["2026-11-02T10:00:30Z", 30_000],
  ["2026-11-02T10:00:30.25Z", 30_000],
  ["2026-11-02T12:00:30+02:00", 30_000],
  ["2026-11-02 10:00:30 +0000 UTC", 30_000],
  ["2026-11-02 10:00:30.123456 +0000 UTC", 30_000],
  ["2026-11-02T09:00:00Z", 0],
  ["2036-11-02T10:00:00Z", 600_000],
  ["tomorrow", null],
  ["2026-13-42T10:00:00Z", null],
])("reads that a lease expires at %s", (instant, retryAfterMs) => {
  const text = `machine ID ${ID} lease currently held by a@tokens.fly.io, expires at ${instant}`;
  expect(classify(409, text)).toMatchObject({ kind: "leased", retryAfterMs });
});

it.each([
  [undefined, 1_000],
  ["7", 7_000],
  ["0", 1_000],
  ["86400", 60_000],
  ["Mon, 02 Nov 2026 10:00:20 GMT", 20_000],
  ["Mon, 02 Nov 2026 09:00:00 GMT", 1_000],
  ["Tue, 03 Nov 2026 10:00:00 GMT", 60_000],
  ["soon", 1_000],
])("waits after a 429 with Retry-After %s", (header, retryAfterMs) => {
  const headers: Record<string, string> = header === undefined ? {} : { "retry-after": header };
  expect(classify(429, "rate limit exceeded", headers)).toMatchObject({ kind: "rate_limited", retryAfterMs });
});

it("masks before it cuts, so that no part of a secret is left at the end", () => {
  const secret = "s3cret-value";
  const text = `${"x".repeat(595)}${secret}`;
  const mask = (said: string): string => said.replaceAll(secret, "[redacted]");
  const { message } = classifyFlyAnswer(422, JSON.stringify({ error: text }), new Headers(), { mask });
  expect(message).toHaveLength(600);
  expect(message).not.toContain("s3c");
});
