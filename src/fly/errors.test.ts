import { describe, expect, it } from "vitest";
import { classifyFlyAnswer } from "./errors.ts";

const classify = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  classifyFlyAnswer(
    status,
    typeof error === "string" ? JSON.stringify({ error }) : JSON.stringify(error),
    new Headers(headers),
  );

describe("every text of the contract has one kind", () => {
  it.each([
    [401, "Authenticate: token validation error", "unauthorized"],
    [403, "unauthorized", "unauthorized"],
    [
      403,
      'organization "Kilo" is using 1970176 MB of memory in dfw which is over the allowed quota. please consider other regions',
      "quota",
    ],
    [422, "Your organization has reached its machine limit. Please contact billing@fly.io", "quota"],
    [422, "To create more than 1 machine per app please add a payment method.", "quota"],
    [404, "machine not found", "not_found"],
    [404, "not_found: machine not found", "not_found"],
    [404, "app not found", "app_missing"],
    [404, 'Could not find App "my-app"', "app_missing"],
    [404, "404 page not found", "unknown_outcome"],
    [
      412,
      "insufficient resources to create new machine with existing volume 'vol_4y5gkog8p5kj839r'",
      "no_capacity",
    ],
    [
      409,
      "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
      "no_capacity",
    ],
    [409, "aborted: insufficient IPs available to fulfill request", "no_capacity"],
    [409, "aborted: no capacity", "no_capacity"],
    [400, "no capacity", "no_capacity"],
    [404, "volume not found", "volume_missing"],
    [400, "volume does not exist", "volume_missing"],
    [422, "could not find volume vol_1", "volume_missing"],
    [412, "failed_precondition: volume already claimed by machine 2879325b42d318", "volume_bound"],
    [412, "failed_precondition: volume is currently bound to machine: 2879325b42d318", "volume_bound"],
    [412, "failed_precondition: unable to start machine from current state: 'created'", "not_in_state"],
    [412, "failed_precondition: machine getting replaced, refusing to start", "not_in_state"],
    [412, "failed_precondition: machine still active, refusing to start", "not_in_state"],
    [409, "aborted: machine still attempting to start", "not_in_state"],
    [
      412,
      "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
      "not_in_state",
    ],
    [412, "min_secrets_version 3 is not yet available on this app", "not_in_state"],
    [409, "aborted: machine update failed due to concurrent update", "conflict"],
    [
      408,
      "deadline_exceeded: machine failed to reach desired state, started, currently created",
      "unknown_outcome",
    ],
    [
      400,
      "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]",
      "invalid",
    ],
    [
      503,
      "unavailable: deploys to this host are temporarily disabled, please try again later",
      "unknown_outcome",
    ],
  ])("%i %s → %s", (status, text, kind) => {
    expect(classify(status, text).kind).toBe(kind);
  });

  it("takes the status field before the text", () => {
    expect(classify(422, { error: "something new", status: "insufficient_capacity" }).kind).toBe(
      "no_capacity",
    );
    expect(classify(412, { error: "something new", status: "volume_placement_capacity" }).kind).toBe(
      "no_capacity",
    );
  });

  it("reads the holder's id from a name conflict, quoted or not", () => {
    const text =
      'already_exists: unique machine name violation, machine ID 2879325b42d318 already exists with name "tenant-a"';
    expect(classify(409, text)).toMatchObject({ kind: "name_taken", machineId: "2879325b42d318" });
    expect(classify(422, text.replaceAll('"', ""))).toMatchObject({
      kind: "name_taken",
      machineId: "2879325b42d318",
    });
  });

  it("reads when a lease expires", () => {
    const text =
      "machine ID 2879325b42d318 lease currently held by 9af60c27-1@tokens.fly.io, expires at 2026-05-14T10:41:08Z";
    expect(classify(409, text)).toMatchObject({ kind: "leased", retryAfterMs: 0 });
    const leased = classify(
      409,
      text.replace("2026-05-14T10:41:08Z", new Date(Date.now() + 60_000).toISOString()),
    );
    expect(leased.kind === "leased" ? (leased.retryAfterMs ?? 0) : 0).toBeGreaterThan(50_000);
  });

  it("honours Retry-After within a bound", () => {
    expect(classify(429, "rate limit exceeded")).toMatchObject({ kind: "rate_limited", retryAfterMs: 1_000 });
    expect(classify(429, "rate limit exceeded", { "retry-after": "7" })).toMatchObject({
      retryAfterMs: 7_000,
    });
    expect(classify(429, "rate limit exceeded", { "retry-after": "86400" })).toMatchObject({
      retryAfterMs: 60_000,
    });
  });

  it("takes answers that are not JSON, and keeps Fly's request id", () => {
    const error = classifyFlyAnswer(
      502,
      "<html>Bad Gateway</html>",
      new Headers({ "fly-request-id": "01J-ams" }),
    );
    expect(error).toMatchObject({
      kind: "unknown_outcome",
      requestId: "01J-ams",
      message: "<html>Bad Gateway</html>",
    });
  });
});
