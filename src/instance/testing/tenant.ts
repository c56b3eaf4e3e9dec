import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { sandboxIdOf } from "../../auth/sandbox-id.ts";
import { createFlyClient, type FlyClient } from "../../fly/client.ts";
import type { FlyMachine, FlyVolume } from "../../fly/schemas.ts";
import { DEFAULT_MACHINE_SIZE } from "../sizes.ts";
import { METADATA_USER, volumeNameOf } from "../names.ts";
import type { KiloClawInstance } from "../object.ts";
import type { StatusView } from "../operations.ts";
import { NO_SETTINGS } from "../settings.ts";
import type { InstanceState } from "../state.ts";
import { newState } from "../wishes.ts";
import { readState } from "../stored.ts";
import { callsIn, type GateCall, type Hold, hold, type Order } from "./gate.ts";

/** Straight to the local Fly, past the gate. */
export const fly: FlyClient = createFlyClient({
  baseUrl: inject("flyApiUrl"),
  token: env.FLY_API_TOKEN ?? "",
  rateLimits: false,
  onCall: () => undefined,
});

/** A user's instance in the real runtime, in an app of the test's own, so that its calls are told from those of others. */
export type Tenant = {
  userId: string;
  app: string;
  /** A stub of its own each time: one whose object crashed stays broken. */
  readonly instance: DurableObjectStub<KiloClawInstance>;
  view(): Promise<StatusView | null>;
  /** The record as it is stored; null where there is none. */
  stored(): Promise<InstanceState | null>;
  /** The instance's live machines and volumes at Fly. */
  machines(): Promise<FlyMachine[]>;
  volumes(): Promise<FlyVolume[]>;
  hold(order: Omit<Order, "app">): Promise<Hold>;
  calls(): Promise<GateCall[]>;
  /** Does something in the app at Fly that the instance knows nothing of. */
  atFly(method: string, path: string): Promise<void>;
  /** Everything that the log says of one kind, oldest first. */
  logged(kind: "operation" | "step" | "status" | "problem" | "warning"): Promise<string[]>;
  /** Ends the object in the middle of whatever it does; what it has stored stays. */
  crash(): Promise<void>;
  alarmAt(): Promise<number | null>;
};

/** Provisioned, with nothing at Fly. */
export async function tenant(userId: string, fields: Partial<InstanceState> = {}): Promise<Tenant> {
  const app = `kc-test-${userId}`;
  const made = await fly.createApp({ name: app, org_slug: "personal", network: app });
  if (!made.ok) throw new Error(made.error.message);
  const sandboxId = await sandboxIdOf(userId);
  const volumeName = await volumeNameOf(sandboxId);
  const wishes = {
    regions: ["ams", "fra"],
    machineSize: DEFAULT_MACHINE_SIZE,
    sizeWished: false,
    settings: NO_SETTINGS,
  };
  const state = newState(
    { userId, sandboxId, appName: app, ownApp: null, volumeName },
    { ...wishes, fingerprint: "" },
    Date.now(),
  );
  const instance = () => env.KILOCLAW_INSTANCE.getByName(userId);
  await runInDurableObject(instance(), (_object, { storage }) => {
    storage.kv.put("instance", { ...state, inventoryAt: null, ...fields });
  });
  return {
    userId,
    app,
    get instance() {
      return instance();
    },
    async view() {
      const result = await instance().status();
      return result.kind === "status" ? result.view : null;
    },
    async stored() {
      const raw = await runInDurableObject(instance(), (_object, { storage }) => storage.kv.get("instance"));
      const read = readState(raw);
      return read.kind === "readable" ? read.state : null;
    },
    async machines() {
      const found = await fly.findMachines(app, METADATA_USER, userId);
      if (!found.ok) throw new Error(found.error.message);
      return found.value.filter((machine) => machine.state !== "destroyed");
    },
    async volumes() {
      const found = await fly.findVolumes(app, volumeName);
      if (!found.ok) throw new Error(found.error.message);
      return found.value;
    },
    hold: (order) => hold({ app, ...order }),
    calls: () => callsIn(app),
    async atFly(method, path) {
      const url = new URL(`/v1/apps/${app}${path}`, inject("flyApiUrl"));
      const response = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${env.FLY_API_TOKEN}` },
      });
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}`);
    },
    async logged(kind) {
      const result = await instance().events(500);
      if (result.kind !== "events") return [];
      return result.events
        .filter((event) => event.kind === kind)
        .map(({ what }) => what)
        .toReversed();
    },
    async crash() {
      await runInDurableObject(instance(), (_object, state) => state.abort("crashed by the test")).catch(
        () => undefined,
      );
    },
    alarmAt: () => runInDurableObject(instance(), (_object, { storage }) => storage.getAlarm()),
  };
}
