import { describe, expect, it } from "vitest";
import { CheckedCloud, createBody, machines, type StartCloud } from "../cloud.ts";

export function describeWaits(start: StartCloud): void {
  describe("waiting for a machine", () => {
    it("ends when it is in the state", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create({ skip_launch: false });
      const wait = `${machines}/${machine.id}/wait`;
      // Longer than one wait may take, as with a large image.
      await cloud.eventually("the wait is answered", async () => {
        const answer = cloud.call("GET", wait, { query: "?state=started&timeout=60" });
        return (await cloud.meanwhile(answer)).status === 200;
      });
      expect(await cloud.ok("GET", wait)).toMatchObject({ ok: true, state: "started" });
      await cloud.ok("POST", `${machines}/${machine.id}/stop`);
      const stopped = `?state=stopped&timeout=60&version=${machine.instance_id}`;
      expect(await cloud.meanwhile(cloud.ok("GET", wait, { query: stopped }))).toMatchObject({
        ok: true,
        state: "stopped",
      });
      await cloud.ok("DELETE", `${machines}/${machine.id}`);
      const destroyed = cloud.call("GET", wait, { query: "?state=destroyed&timeout=60" });
      expect(await cloud.meanwhile(destroyed)).toMatchObject({ status: 200, body: { ok: true } });
    });

    it("is over after its time, and says what the machine is instead", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create({ skip_launch: true });
      const begunMs = cloud.served.now();
      const wait = cloud.refusal("GET", `${machines}/${machine.id}/wait`, {
        query: "?state=started&timeout=5",
      });
      expect(await cloud.meanwhile(wait)).toEqual([
        408,
        "deadline_exceeded: machine failed to reach desired state, started, currently created",
      ]);
      expect(cloud.served.now() - begunMs).toBeGreaterThanOrEqual(5000);
    });

    it("for an old version tells that it is replaced", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      await cloud.ok("POST", `${machines}/${machine.id}`, { body: createBody({ volume: volume.id }) });
      await cloud.until(machine, "started");
      const wait = cloud.refusal("GET", `${machines}/${machine.id}/wait`, {
        query: `?state=started&timeout=2&version=${machine.instance_id}`,
      });
      expect(await cloud.meanwhile(wait)).toEqual([
        408,
        "deadline_exceeded: machine failed to reach desired state, started, currently replaced",
      ]);
    });

    it("takes between a second and a minute, and for a stop a version", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create();
      const refusal = (query: string) => cloud.refusal("GET", `${machines}/${machine.id}/wait`, { query });
      const range =
        "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]";
      for (const timeout of [0, 61]) {
        expect(await refusal(`?state=started&timeout=${timeout}`)).toEqual([400, range]);
      }
      expect(await refusal("?state=stopped&timeout=5")).toEqual([
        400,
        "instance_id required when waiting for stopped machine",
      ]);
    });
  });
}
