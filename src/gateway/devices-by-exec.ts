import type { FlyExec } from "../fly/client.ts";
import { type ByExec, outcome, unfinished } from "./approve-by-cli.ts";
import { devicesIn, type Grant, grantIn } from "./cli-output.ts";
import { type ExecPlace, failed, runOne } from "./exec.ts";
import type { Approval, ApproveDevice, DevicePairing, DeviceRequest } from "./wire.ts";

/** Devices of a machine with an older controller (openclaw-gateway.md §4.1). */
export function createDevicesByExec(
  fly: FlyExec,
  place: ExecPlace,
): { list(): Promise<ByExec<DevicePairing>>; approve(request: ApproveDevice): Promise<ByExec<Approval>> } {
  const list = async (): Promise<ByExec<DevicePairing>> => {
    const refreshedAt = new Date().toISOString();
    const listed = await runOne(fly, place, ["devices", "list", "--json"]);
    if (listed.kind === "failed") return listed;
    if (listed.run.exitCode !== 0) return unfinished(listed.run);
    const requests = await devicesIn(listed.run.stdout);
    if (requests === null) return failed("cli_unreadable");
    return { kind: "answered", value: { refreshedAt, stale: false, requests } };
  };

  const isGone = async (requestId: string): Promise<boolean> => {
    const listed = await list();
    return listed.kind === "answered" && requestIn(listed.value, requestId) === undefined;
  };

  return {
    list,
    async approve({ requestId, fingerprint }) {
      // What is approved is compared with what is asked for now.
      const listed = await list();
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
      if (grant === null || isWithin(grant, asked)) return outcome("approved");
      await runOne(fly, place, ["devices", "remove", grant.deviceId, "--json"]);
      return failed("granted_too_much");
    },
  };
}

function requestIn({ requests }: DevicePairing, requestId: string): DeviceRequest | undefined {
  return requests.find((request) => request.requestId === requestId);
}

/** A device gets no role and no scope that it did not ask for (M06). */
function isWithin({ role, scopes }: Grant, asked: DeviceRequest): boolean {
  return role === asked.role && scopes.every((scope) => asked.scopes.includes(scope));
}
