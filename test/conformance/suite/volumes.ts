import { describe, expect, it } from "vitest";
import { CheckedCloud, createBody, machines, volumes, type StartCloud } from "../cloud.ts";

/** States of a volume that is on its way out. */
const goneStates = ["pending_destroy", "scheduling_destroy", "destroying", "destroyed"];

export function describeVolumes(start: StartCloud): void {
  describe("volumes", () => {
    it("are created, and have no numbers before a machine ran on them", async () => {
      const cloud = await CheckedCloud.start(start);
      const volume = await cloud.createVolume({ name: "data", region: "fra", size_gb: 10 });
      expect(volume).toMatchObject({
        id: expect.stringMatching(/^vol_[0-9a-z]{16}$/),
        name: "data",
        state: "created",
        region: "fra",
        size_gb: 10,
        zone: expect.stringMatching(/^[0-9a-f]{4}$/),
        encrypted: true,
        attached_machine_id: null,
        blocks: 0,
        bytes_used: 0,
        host_status: "ok",
      });
      expect(await cloud.volume(volume.id)).toEqual(volume);
      expect(await cloud.listVolumes()).toEqual([volume]);
      const machine = await cloud.create({ region: "fra", volume: volume.id });
      await cloud.until(machine, "started");
      const mounted = await cloud.volume(volume.id);
      expect(mounted).toMatchObject({ attached_machine_id: machine.id, block_size: 4096 });
      expect(mounted["blocks"]).toBeGreaterThan(0);
      expect(mounted["bytes_used"]).toBeGreaterThan(0);
    });

    it("have names of up to 30 small letters, digits and underscores", async () => {
      const cloud = await CheckedCloud.start(start);
      for (const name of ["with-dash", "Upper", "x".repeat(31), ""]) {
        const body = { name, region: "ams", size_gb: 3 };
        expect([400, 422]).toContain((await cloud.call("POST", volumes, { body })).status);
      }
      // They need not be unique.
      const name = "kc_0123456789abcdefghijklmnop1";
      for (const time of [1, 2]) {
        await cloud.createVolume({ name });
        expect(await cloud.listVolumes()).toHaveLength(time);
      }
    });

    it("are not found when they are not there", async () => {
      const cloud = await CheckedCloud.start(start);
      const path = `${volumes}/vol_4y5gkog8p5kj839r`;
      expect(await cloud.refusal("GET", path)).toEqual([404, "volume not found"]);
      expect(await cloud.refusal("DELETE", path)).toEqual([404, "volume not found"]);
    });

    it("serve one machine at a time, in their own region", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      expect(await cloud.refusal("POST", machines, { body: createBody({ volume: volume.id }) })).toEqual([
        412,
        `failed_precondition: volume already claimed by machine ${machine.id}`,
      ]);
      const other = await cloud.createVolume();
      const wrong = await cloud.refusal("POST", machines, {
        body: createBody({ region: "fra", volume: other.id }),
      });
      expect([400, 422]).toContain(wrong[0]);
      expect(wrong[1]).toBe(`Mounts source volume "${other.id}" is in the wrong region ("ams" != "fra")`);
    });

    it("are deleted when no machine has them, and cannot be mounted any more", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      const path = `${volumes}/${volume.id}`;
      expect(await cloud.refusal("DELETE", path)).toEqual([
        412,
        `failed_precondition: volume is currently bound to machine: ${machine.id}`,
      ]);
      await cloud.destroyed(machine);
      // It may count as bound for a while.
      await cloud.eventually("the volume is deleted", async () => {
        const { status } = await cloud.call("DELETE", path);
        expect([200, 412]).toContain(status);
        return status === 200;
      });
      expect(goneStates).toContain((await cloud.volume(volume.id)).state);
      expect((await cloud.listVolumes()).every(({ state }) => goneStates.includes(state))).toBe(true);
      expect((await cloud.call("DELETE", path)).status).toBe(200);
      const [status, error] = await cloud.refusal("POST", machines, {
        body: createBody({ volume: volume.id }),
      });
      expect([400, 404, 422]).toContain(status);
      expect(error).toMatch(/volume does not exist|volume not found|could not find volume/);
    });

    it("are forked into another region while a machine runs on them", async () => {
      const cloud = await CheckedCloud.start(start);
      const { volume } = await cloud.started();
      const fork = await cloud.createVolume({ region: "fra", source_volume_id: volume.id });
      expect(fork).toMatchObject({ region: "fra", attached_machine_id: null });
      expect(["creating", "enabling_remote_export", "hydrating"]).toContain(fork.state);
      // It can be mounted at once.
      const machine = await cloud.create({ name: "copy", region: "fra", volume: fork.id });
      await cloud.until(machine, "started");
      await cloud.eventually(
        "the fork is whole",
        async () => (await cloud.volume(fork.id)).state === "created",
      );
      expect((await cloud.volume(volume.id)).state).toBe("created");
    });

    it("are restored from snapshots, which outlive them", async () => {
      const cloud = await CheckedCloud.start(start);
      const volume = await cloud.createVolume();
      expect((await cloud.call("POST", `${volumes}/${volume.id}/snapshots`)).status).toBe(200);
      const isMade = async (): Promise<boolean> =>
        (await cloud.snapshots(volume.id))[0]?.status === "created";
      await cloud.eventually("the snapshot is made", isMade);
      await cloud.ok("DELETE", `${volumes}/${volume.id}`);
      await cloud.served.advance(25 * 3600_000);
      const [snapshot] = await cloud.snapshots(volume.id);
      const restored = await cloud.createVolume({ region: "cdg", snapshot_id: snapshot?.id });
      expect(restored).toMatchObject({ region: "cdg", size_gb: 3 });
      await cloud.eventually(
        "the volume is restored",
        async () => (await cloud.volume(restored.id)).state === "created",
      );
    });

    it("are not made of what is not there", async () => {
      const cloud = await CheckedCloud.start(start);
      const body = { name: "data", region: "ams", size_gb: 3 };
      for (const source of [{ source_volume_id: "vol_4y5gkog8p5kj839r" }, { snapshot_id: "vs_none" }]) {
        const { status } = await cloud.call("POST", volumes, { body: { ...body, ...source } });
        expect([404, 422]).toContain(status);
      }
      expect(await cloud.listVolumes()).toEqual([]);
    });
  });
}
