import { describe, expect, it } from "vitest";
import {
  approvalSchema,
  controllerVersionSchema,
  devicePairingSchema,
  doctorSchema,
  gatewayLogSchema,
  type DeviceRequest,
} from "../../src/gateway/wire.ts";
import type { Device } from "./openclaw-client.ts";
import { createDevice } from "./openclaw-client.ts";
import type { Stage, Version } from "./openclaw-stage.ts";

/** A doctor or a restart of the real OpenClaw takes up to a quarter of a minute, and several times that beside other tests. */
const TIMEOUT_MS = 180_000;
const PATIENCE = { timeout: TIMEOUT_MS, interval: 50 };

/** The tests of how the controller looks after a real gateway, which every version passes. */
export function describeCare({ controller, throughController }: Stage, version: Version): void {
  const devices = async (): Promise<readonly DeviceRequest[]> =>
    devicePairingSchema.parse(await (await controller().kilo("/pairing/devices")).json()).requests;
  const requestOf = async (device: Device): Promise<DeviceRequest | null> =>
    (await devices()).find(({ deviceId }) => deviceId === device.id) ?? null;
  const approve = async (body: unknown): Promise<string> =>
    approvalSchema.parse(await (await controller().kilo("/pairing/devices/approve", { body })).json())
      .outcome;

  const letIn = async (options: Parameters<typeof throughController>[0]): Promise<void> => {
    const connection = await throughController(options);
    expect(JSON.stringify(connection)).toContain(`"kind":"connected"`);
    if (connection.kind === "connected") connection.close();
  };

  describe("the controller", { timeout: 2 * TIMEOUT_MS }, () => {
    it("shows a device that waits, approves it for what it asked for, and it is let in", async () => {
      const device = createDevice();
      const foreign = { client: { id: "cli", mode: "cli" }, device };
      expect(await throughController(foreign)).toMatchObject({ kind: "refused", code: "PAIRING_REQUIRED" });
      await expect
        .poll(() => requestOf(device), PATIENCE)
        .toMatchObject({ clientId: "cli", role: "operator" });
      const request = await requestOf(device);
      const approval = { requestId: request?.requestId, fingerprint: request?.fingerprint };
      expect(await approve({ ...approval, fingerprint: "0".repeat(64) })).toBe("changed");
      expect(await throughController(foreign)).toMatchObject({ kind: "refused" });
      expect(await approve(approval)).toBe("approved");
      expect(await requestOf(device)).toBeNull();
      expect(await approve(approval)).toBe("already_approved");
      await letIn(foreign);

      // The same device asks for another role, and is approved for that too: the gateway's answer names both.
      const asNode = { client: { id: "node-host", mode: "node" }, role: "node", device } as const;
      expect(await throughController(asNode)).toMatchObject({ kind: "refused", code: "PAIRING_REQUIRED" });
      await expect
        .poll(() => requestOf(device), PATIENCE)
        .toMatchObject({ role: expect.stringContaining("node") });
      const second = await requestOf(device);
      expect(await approve({ requestId: second?.requestId, fingerprint: second?.fingerprint })).toBe(
        "approved",
      );
      await letIn(asNode);
    });

    it("asks the process for its version, and shows its output, memory and restarts", async () => {
      const told = async () =>
        controllerVersionSchema.parse(await (await controller().kilo("/version")).json()).openclaw;
      await expect.poll(told, PATIENCE).toBe(version);
      const { lines } = gatewayLogSchema.parse(await (await controller().kilo("/gateway/logs")).json());
      expect(lines.map(({ text }) => text).join("\n")).toMatch(/listening on ws|http server listening/);
      const status = await controller().gateway("status");
      expect(status).toMatchObject({ state: "running", restarts: 0, failure: null, reason: null });
      expect(status.memoryBytes).toBeGreaterThan(100_000_000);
    });

    it("runs the version's doctor to its end while the gateway runs, and another that is cancelled", async () => {
      const status = async () => doctorSchema.parse(await (await controller().kilo("/doctor")).json());
      expect((await controller().kilo("/doctor", { body: {} })).status).toBe(202);
      await expect.poll(async () => (await status()).state, PATIENCE).toBe("done");
      expect((await status()).output).toMatch(/doctor/i);
      await controller().kilo("/doctor", { body: {} });
      await controller().kilo("/doctor", { method: "DELETE" });
      await expect.poll(async () => (await status()).state, PATIENCE).toBe("cancelled");
      expect(await controller().gateway("status")).toMatchObject({ state: "running" });
    });
  });
}
