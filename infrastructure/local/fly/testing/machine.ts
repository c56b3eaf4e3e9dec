import type { Machine } from "../state/model.ts";

/** A started machine, but for what a test says. */
export function machineWith(change: Partial<Machine>): Machine {
  return {
    id: "0123456789abcd",
    app: "acme",
    name: "one",
    region: "ams",
    state: "started",
    target: "started",
    prepared: true,
    instanceId: "01",
    imageRef: { registry: "r", repository: "i", digest: "sha256:0" },
    privateIp: "fdaa::1",
    createdAt: 0,
    updatedAt: 0,
    config: {},
    secrets: {},
    cordoned: false,
    events: [],
    versions: [],
    restarts: [],
    ...change,
  };
}
