import { existsSync, readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { z } from "zod";
import type { Method } from "./stand-in-protocol.ts";

const deviceSchema = z.looseObject({
  requestId: z.string(),
  deviceId: z.string(),
  role: z.string(),
  scopes: z.array(z.string()),
});
const requestSchema = z.looseObject({ requestId: z.string(), channel: z.string() });
const stateSchema = z.object({
  devices: z.array(z.union([deviceSchema, z.unknown()])).default([]),
  channels: z.array(z.string()).default([]),
  requests: z.array(z.union([requestSchema, z.unknown()])).default([]),
  /** A device is granted these instead of what it asked for. */
  grants: z.array(z.string()).optional(),
  /** Devices that were let in before. */
  paired: z.array(z.unknown()).default([]),
});
export type StandInPairing = z.input<typeof stateSchema>;

/**
 * Who waits to be let in, as a file says that tests write: a request in it that was not there before is an event, as with the
 * real gateway. Approved ones are gone until the file changes.
 */
export function createStandInPairing(
  file: string,
  emit: (event: string, payload: unknown) => void,
): Readonly<Record<string, Method>> {
  let state = stateSchema.parse({});
  const load = (): void => {
    if (!existsSync(file)) return;
    const known = new Set(state.devices.map((device) => JSON.stringify(device)));
    state = stateSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    for (const device of state.devices) {
      if (!known.has(JSON.stringify(device))) emit("device.pair.requested", device);
    }
  };
  load();
  watch(dirname(file), (_, name) => {
    if (name === basename(file)) load();
  });
  const idOf = (item: unknown): unknown =>
    z.looseObject({ requestId: z.string() }).safeParse(item).data?.requestId;
  return {
    "device.pair.list": () => ({ pending: state.devices, paired: state.paired }),
    "device.pair.approve": ({ requestId }) => {
      const found = deviceSchema.safeParse(state.devices.find((device) => idOf(device) === requestId));
      if (!found.success) throw new Error("unknown requestId");
      state = { ...state, devices: state.devices.filter((device) => idOf(device) !== requestId) };
      console.log(`stand-in approved ${String(requestId)}`);
      const { deviceId, role, scopes } = found.data;
      return { requestId, device: { deviceId, role, scopes: state.grants ?? scopes } };
    },
    "device.pair.remove": ({ deviceId }) => {
      console.log(`stand-in removed ${String(deviceId)}`);
      return {};
    },
    "channels.pairing.list": () => ({
      accounts: state.channels.map((channel) => ({ channel, accountId: "default" })),
      requests: state.requests,
    }),
    "channels.pairing.approve": ({ requestId }) => {
      if (!state.requests.some((request) => idOf(request) === requestId))
        throw new Error("request not found");
      state = { ...state, requests: state.requests.filter((request) => idOf(request) !== requestId) };
      console.log(`stand-in approved ${String(requestId)}`);
      return { requestId };
    },
  };
}
