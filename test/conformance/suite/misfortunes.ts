import { describe, expect, it } from "vitest";
import { CheckedCloud, createBody, machines, volumes, type StartCloud } from "../cloud.ts";

export function describeMisfortunes(start: StartCloud): void {
  describe("without room", () => {
    it("in a region, nothing new gets in, and elsewhere it does", async () => {
      const cloud = await CheckedCloud.start(start);
      await cloud.served.happen({ kind: "region_full", region: "ams", why: "capacity" });
      const noHost = [422, "could not find a candidate host", "insufficient_capacity"];
      expect(await cloud.refusal("POST", machines, { body: createBody({}) })).toEqual(noHost);
      const body = { name: "data", region: "ams", size_gb: 3 };
      expect([noHost, [400, "no capacity"]]).toContainEqual(await cloud.refusal("POST", volumes, { body }));
      expect((await cloud.createVolume({ region: "fra" })).region).toBe("fra");
    });

    it("under the organization's quota, the region is named", async () => {
      const cloud = await CheckedCloud.start(start);
      await cloud.served.happen({ kind: "region_full", region: "dfw", why: "quota" });
      const body = { name: "data", region: "dfw", size_gb: 3 };
      expect(await cloud.refusal("POST", volumes, { body })).toEqual([
        403,
        expect.stringMatching(
          /^organization "\w+" is using \d+ MB of memory in dfw which is over the allowed quota\. please consider other regions$/,
        ),
      ]);
    });

    it("on its volume's host, a machine cannot be made, nor started when it is stopped", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      await cloud.ok("POST", `${machines}/${machine.id}/stop`);
      await cloud.until(machine, "stopped");
      await cloud.served.happen({ kind: "host_full", volume: volume.id });
      expect(await cloud.refusal("POST", `${machines}/${machine.id}/start`)).toEqual([
        409,
        "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
      ]);
      await cloud.destroyed(machine);
      await cloud.eventually("the volume is free", async () => {
        const refusal = await cloud.refusal("POST", machines, { body: createBody({ volume: volume.id }) });
        expect(refusal[0]).toBe(412);
        if (/claimed/.test(refusal[1] ?? "")) return false;
        expect(refusal).toEqual([
          412,
          `insufficient resources to create new machine with existing volume '${volume.id}'`,
          "volume_placement_capacity",
        ]);
        return true;
      });
    });
  });

  describe("when something breaks", () => {
    it("a machine whose program ends is stopped", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      await cloud.served.happen({ kind: "machine_dies", machine: machine.id });
      await cloud.until(machine, "stopped");
      const [exit] = (await cloud.machine(machine.id)).events;
      expect(exit).toMatchObject({ type: "exit", source: "flyd" });
    });

    it("a lost machine is not found, and its name is free", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      await cloud.served.happen({ kind: "machine_lost", machine: machine.id });
      expect((await cloud.call("GET", `${machines}/${machine.id}`)).status).toBe(404);
      expect(await cloud.list()).toEqual([]);
      expect((await cloud.create({ name: "one" })).id).not.toBe(machine.id);
    });

    it("a lost volume is not found, and its snapshots are", async () => {
      const cloud = await CheckedCloud.start(start);
      const { volume } = await cloud.started();
      await cloud.ok("POST", `${volumes}/${volume.id}/snapshots`);
      const isMade = async (): Promise<boolean> =>
        (await cloud.snapshots(volume.id))[0]?.status === "created";
      await cloud.eventually("the snapshot is made", isMade);
      await cloud.served.happen({ kind: "volume_lost", volume: volume.id });
      expect(await cloud.refusal("GET", `${volumes}/${volume.id}`)).toEqual([404, "volume not found"]);
      expect(await cloud.listVolumes()).toEqual([]);
      expect(await cloud.snapshots(volume.id)).toHaveLength(1);
    });

    it("what is on a dead host is shown as last known, takes no change, and is destroyed when the host is back", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      await cloud.served.happen({ kind: "host_down", machine: machine.id });
      const path = `${machines}/${machine.id}`;
      const seen = await cloud.machine(machine.id);
      expect(seen).toMatchObject({ state: "started", host_status: "unreachable" });
      expect(seen.config).toBeUndefined();
      expect(await cloud.volume(volume.id)).toMatchObject({ host_status: "unreachable" });
      for (const call of ["stop", "start", ""]) {
        const body = call === "" ? { body: createBody({ volume: volume.id }) } : {};
        const answer = await cloud.call("POST", `${path}/${call}`.replace(/\/$/, ""), body);
        // Stop may also be taken down, to be done later.
        expect([408, 503, ...(call === "stop" ? [200] : [])]).toContain(answer.status);
      }
      expect([200, 408]).toContain((await cloud.call("DELETE", path, { query: "?force=true" })).status);
      await cloud.served.advance(3600_000);
      expect((await cloud.machine(machine.id)).state).toBe("destroying");
      await cloud.served.happen({ kind: "host_up", machine: machine.id });
      await cloud.until(machine, "destroyed");
    });

    it("lists are behind, while what is asked for by its id is up to date", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      await cloud.served.advance(60_000);
      await cloud.served.happen({ kind: "lists_behind", byMs: 20_000 });
      await cloud.ok("DELETE", `${machines}/${machine.id}`, { query: "?force=true" });
      await cloud.create({ name: "two" });
      await cloud.createVolume();
      expect((await cloud.machine(machine.id)).state).toBe("destroying");
      expect(await cloud.list()).toMatchObject([{ name: "one", state: "started" }]);
      expect(await cloud.listVolumes()).toHaveLength(1);
      await cloud.served.advance(40_000);
      expect(await cloud.list()).toMatchObject([{ name: "two", state: "started" }]);
      expect(await cloud.listVolumes()).toHaveLength(2);
    });

    it("a wedged machine is not stopped when it is told to, and goes when it is destroyed by force", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      await cloud.served.happen({ kind: "wedged", machine: machine.id });
      expect(await cloud.ok("POST", `${machines}/${machine.id}/stop`)).toEqual({ ok: true });
      await cloud.served.advance(3600_000);
      expect((await cloud.machine(machine.id)).state).not.toBe("stopped");
      await cloud.destroyed(machine);
    });
  });
}
