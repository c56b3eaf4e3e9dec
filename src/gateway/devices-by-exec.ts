import type { FlyExec } from "../fly/client.ts";
import { type ByExec, outcome, unfinished } from "./approve-by-cli.ts";
import { type Devices, devicesIn, type Grant, grantIn } from "./cli-output.ts";
import { type ExecPlace, failed, runOne } from "./exec.ts";
import type { Approval, ApproveDevice, DevicePairing, DeviceRequest } from "./wire.ts";

/** Devices of a machine with an older controller (openclaw-gateway.md §4.1). */
export function createDevicesByExec(
  fly: FlyExec,
  place: ExecPlace,
): { list(): Promise<ByExec<DevicePairing>>; approve(request: ApproveDevice): Promise<ByExec<Approval>> } {
  const look = async (): Promise<ByExec<Devices>> => {
    const listed = await runOne(fly, place, ["devices", "list", "--json"]);
    if (listed.kind === "failed") return listed;
    if (listed.run.exitCode !== 0) return unfinished(listed.run);
    const devices = await devicesIn(listed.run.stdout);
    return devices === null ? failed("cli_unreadable") : { kind: "answered", value: devices };
  };

  const isGone = async (requestId: string): Promise<boolean> => {
    const listed = await look();
    return listed.kind === "answered" && requestIn(listed.value, requestId) === undefined;
  };

  return {
    async list() {
      const refreshedAt = new Date().toISOString();
      const listed = await look();
      if (listed.kind === "failed") return listed;
      return { kind: "answered", value: { refreshedAt, stale: false, requests: listed.value.requests } };
    },
    async approve({ requestId, fingerprint }) {
      // What is approved is compared with what is asked for now.
      const listed = await look();
      if (listed.kind === "failed") return listed;
      const asked = requestIn(listed.value, requestId);
      if (asked === undefined) return outcome("not_pending");
      if (fingerprint !== undefined && fingerprint !== asked.fingerprint) return outcome("changed");
      const approved = await runOne(fly, place, ["devices", "approve", requestId, "--json"]);
      if (approved.kind === "failed") return approved;
      // One that was given up may have been carried out: a request that is gone by then is not told as another's approval.
      if (approved.run.timedOut || approved.run.exitCode === null) return unfinished(approved.run);
      if (approved.run.exitCode !== 0) {
        // Of one that somebody else approved meanwhile it is told in many words, and some are about something else.
        return (await isGone(requestId)) ? outcome("not_pending") : unfinished(approved.run);
      }
      const grant = grantIn(approved.run.stdout);
      if (grant === null || isWithin(grant, asked, listed.value)) return outcome("approved");
      const removed = await runOne(fly, place, ["devices", "remove", grant.deviceId, "--json"]);
      const isRemoved = removed.kind === "ran" && removed.run.exitCode === 0;
      return failed(isRemoved ? "granted_too_much" : "granted_too_much_still");
    },
  };
}

function requestIn({ requests }: Devices, requestId: string): DeviceRequest | undefined {
  return requests.find((request) => request.requestId === requestId);
}

/**
 * A device gets no role and no scope that it neither asked for nor had before (M06): 2026.2.26 adds what a known device asks for to
 * what it has, and answers with both.
 */
function isWithin({ deviceId, role, scopes }: Grant, asked: DeviceRequest, { paired }: Devices): boolean {
  if (deviceId !== asked.deviceId) return false;
  const had = paired.filter((device) => device.deviceId === deviceId);
  const roles = new Set([...asked.role.split(","), ...had.flatMap((device) => device.roles)]);
  const allowed = new Set([...asked.scopes, ...had.flatMap((device) => device.scopes)]);
  return roles.has(role) && scopes.every((scope) => allowed.has(scope));
}
