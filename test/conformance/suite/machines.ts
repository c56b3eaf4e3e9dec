import { describe, expect, it } from "vitest";
import { CheckedCloud, createBody, machines, type StartCloud } from "../cloud.ts";

export function describeMachines(start: StartCloud): void {
  describe("machines", () => {
    it("are created, start, stop, start again, and are destroyed", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create({ name: "one", env: { COLOR: "blue" } });
      expect(machine).toMatchObject({
        id: expect.stringMatching(/^[0-9a-f]{14}$/),
        name: "one",
        state: "created",
        region: "ams",
        host_status: "ok",
        version: machine.instance_id,
        config: { env: { COLOR: "blue" }, metadata: { owner: "u1" }, dns: {} },
        image_ref: { registry: "registry.fly.io", repository: "acme", digest: `sha256:${"0".repeat(64)}` },
        events: [{ type: "launch", status: "created", source: "user" }],
      });
      const path = `${machines}/${machine.id}`;
      await cloud.until(machine, "started");
      expect(await cloud.ok("POST", `${path}/stop`, { body: { signal: "SIGTERM", timeout: "5s" } })).toEqual({
        ok: true,
      });
      expect((await cloud.machine(machine.id)).state).toBe("stopping");
      await cloud.until(machine, "stopped");
      const [exit] = (await cloud.machine(machine.id)).events;
      expect(exit).toMatchObject({
        type: "exit",
        status: "stopped",
        source: "flyd",
        request: { exit_event: { requested_stop: true } },
      });
      expect(await cloud.ok("POST", `${path}/stop`)).toEqual({ ok: true });
      expect(await cloud.ok("POST", `${path}/start`)).toMatchObject({ previous_state: "stopped" });
      await cloud.until(machine, "started");
      expect(await cloud.ok("DELETE", path, { query: "?force=true" })).toEqual({ ok: true });
      expect((await cloud.machine(machine.id)).state).toBe("destroying");
      await cloud.until(machine, "destroyed");
    });

    it("are shown as destroyed for a while, and are then not found", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create();
      await cloud.destroyed(machine);
      const path = `${machines}/${machine.id}`;
      expect(await cloud.list()).toEqual([]);
      await cloud.eventually(
        "the machine is forgotten",
        async () => (await cloud.call("GET", path)).status === 404,
      );
      for (const [method, suffix] of [
        ["GET", ""],
        ["POST", "/start"],
        ["POST", "/stop"],
        ["DELETE", ""],
        ["GET", "/wait"],
      ] as const) {
        expect(await cloud.refusal(method, `${path}${suffix}`)).toEqual([
          404,
          expect.stringMatching(/^(?:not_found: )?machine not found$/),
        ]);
      }
    });

    it("share no name while they live, and the refusal names the holder", async () => {
      const cloud = await CheckedCloud.start(start);
      const holder = await cloud.create({ name: "one" });
      const taken = [
        409,
        `already_exists: unique machine name violation, machine ID ${holder.id} already exists with name "one"`,
      ];
      const again = { body: createBody({ name: "one" }) };
      expect(await cloud.refusal("POST", machines, again)).toEqual(taken);
      await cloud.ok("DELETE", `${machines}/${holder.id}`, { query: "?force=true" });
      expect(await cloud.refusal("POST", machines, again)).toEqual(taken);
      await cloud.until(holder, "destroyed");
      expect((await cloud.create({ name: "one" })).id).not.toBe(holder.id);
    });

    it("are listed by their metadata", async () => {
      const cloud = await CheckedCloud.start(start);
      const one = await cloud.create({ name: "one", metadata: { user: "1" } });
      await cloud.create({ name: "two", metadata: { user: "2" } });
      expect((await cloud.list("?metadata.user=1")).map(({ id }) => id)).toEqual([one.id]);
      expect((await cloud.list()).map(({ name }) => name).toSorted()).toEqual(["one", "two"]);
      expect(await cloud.list("?metadata.user=3")).toEqual([]);
    });

    it("that are not to be launched stay created", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create({ skip_launch: true });
      await cloud.served.advance(10 * 60_000);
      expect((await cloud.machine(machine.id)).state).toBe("created");
    });

    it("refuse to start while they are on their way, in words that say so", async () => {
      const cloud = await CheckedCloud.start(start);
      const machine = await cloud.create();
      const path = `${machines}/${machine.id}`;
      const startAgain = (): Promise<unknown> => cloud.refusal("POST", `${path}/start`);
      const cannot = "failed_precondition: unable to start machine from current state:";
      expect(await startAgain()).toEqual([412, `${cannot} 'created'`]);
      await cloud.until(machine, "started");
      expect(await cloud.ok("POST", `${path}/start`)).toMatchObject({ previous_state: "started" });
      await cloud.ok("POST", `${path}/stop`);
      expect(await startAgain()).toEqual([412, `${cannot} 'stopping'`]);
      await cloud.until(machine, "stopped");
      await cloud.ok("POST", `${path}/start`);
      expect(await startAgain()).toEqual([409, "aborted: machine still attempting to start"]);
      await cloud.ok("DELETE", path, { query: "?force=true" });
      expect(await startAgain()).toEqual([412, `${cannot} 'destroying'`]);
    });

    it("get a new version with the whole of a new configuration, and run again", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started({ env: { COLOR: "blue" }, metadata: { user: "1" } });
      const path = `${machines}/${machine.id}`;
      const body = createBody({ volume: volume.id, env: { SIZE: "large" } });
      const updated = await cloud.ok("POST", path, { body });
      expect(updated).toMatchObject({ id: machine.id, state: "replacing" });
      expect(updated).not.toMatchObject({ instance_id: machine.instance_id });
      expect(await cloud.refusal("POST", `${path}/start`)).toEqual([
        412,
        expect.stringMatching(
          /^failed_precondition: (?:unable to start machine from current state: 'replacing'|machine getting replaced, refusing to start)$/,
        ),
      ]);
      expect(await cloud.refusal("POST", path, { body })).toEqual([
        409,
        "aborted: machine update failed due to concurrent update",
      ]);
      await cloud.until(machine, "started");
      const { config } = await cloud.machine(machine.id);
      expect(config).toMatchObject({ env: { PORT: "8080", SIZE: "large" }, metadata: { owner: "u1" } });
      expect(JSON.stringify(config)).not.toContain("blue");
    });

    it("stay stopped when they are updated while they are", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      const path = `${machines}/${machine.id}`;
      await cloud.ok("POST", `${path}/stop`);
      await cloud.until(machine, "stopped");
      await cloud.ok("POST", path, { body: createBody({ volume: volume.id }) });
      await cloud.until(machine, "stopped");
      await cloud.served.advance(60_000);
      expect((await cloud.machine(machine.id)).state).toBe("stopped");
    });

    it("are not updated over a version that the caller does not know", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      const path = `${machines}/${machine.id}`;
      const body = { ...createBody({ volume: volume.id }), current_version: machine.instance_id };
      await cloud.ok("POST", path, { body });
      await cloud.until(machine, "started");
      expect([409, 412]).toContain((await cloud.call("POST", path, { body })).status);
    });

    it("that run are destroyed only by force", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      const path = `${machines}/${machine.id}`;
      expect(await cloud.refusal("DELETE", path)).toEqual([
        412,
        "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
      ]);
      await cloud.ok("POST", `${path}/stop`);
      await cloud.until(machine, "stopped");
      await cloud.ok("DELETE", path);
      await cloud.until(machine, "destroyed");
    });

    it("leased by somebody else refuse changes, and are stopped and destroyed when the lease is over", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine, volume } = await cloud.started();
      const path = `${machines}/${machine.id}`;
      const held = [
        409,
        expect.stringMatching(
          new RegExp(
            `^machine ID ${machine.id} lease currently held by \\S+@tokens\\.fly\\.io, expires at \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z$`,
          ),
        ),
      ];
      const lease = async (): Promise<number> => {
        await cloud.served.happen({ kind: "leased", machine: machine.id, forMs: 20_000 });
        return cloud.served.now() + 19_000;
      };
      let untilMs = await lease();
      expect(await cloud.refusal("POST", `${path}/start`)).toEqual(held);
      const body = createBody({ volume: volume.id });
      expect(await cloud.refusal("POST", path, { body })).toEqual(held);
      await cloud.meanwhile(cloud.ok("POST", `${path}/stop`));
      expect(cloud.served.now()).toBeGreaterThan(untilMs);
      await cloud.until(machine, "stopped");
      untilMs = await lease();
      await cloud.meanwhile(cloud.ok("DELETE", path));
      expect(cloud.served.now()).toBeGreaterThan(untilMs);
      await cloud.until(machine, "destroyed");
    });
  });
}
