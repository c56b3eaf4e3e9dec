import { expect, it } from "vitest";
import { image, machinesIn, volumeIn } from "../testing/fly.ts";
import { startFaultyFly } from "../testing/faulty-fly.ts";

const machines = "/apps/acme/machines";
const volumes = "/apps/acme/volumes";
const settled = new Set(["created", "started", "stopped", "failed"]);

it.each([1, 2, 3, 4, 5, 6])(
  "is in order again, whatever went wrong, when all faults are taken back (seed %d)",
  async (seed) => {
    const fly = await startFaultyFly();
    const attempt = (method: string, path: string, body?: unknown): Promise<unknown> =>
      // Every second answer is an error or none at all, and says nothing.
      fly.call(method, path, body).catch(() => undefined);
    const ids = ["one", "two"].map(async (name) => {
      const volume = volumeIn(await fly.call("POST", volumes, { name: "data" })).id;
      return { name, volume };
    });
    const tenants = await Promise.all(ids);
    // Without delays, for which somebody would have to let time go by.
    const kinds = ["error", "error_after", "lost_before", "lost_after", "lost_late", "rate_limited", "stale"];
    const others = ["empty", "hidden", "wedge", "claimed", "no_capacity"];
    await fly.test("POST", "/faults", { seed, rate: 0.5, kinds: [...kinds, ...others] });
    const random = generator(seed);
    for (let step = 0; step < 60; step += 1) {
      const { name, volume } = tenants[random(tenants.length)] ?? { name: "one", volume: "" };
      const config = { image, mounts: [{ volume, path: "/root" }], metadata: { name } };
      const list = fly.call("GET", `${machines}?metadata.name=${name}`).then(machinesIn);
      const known = await list.catch(() => []);
      const path = `${machines}/${known[0]?.id ?? "0123456789abcd"}`;
      await [
        () => attempt("POST", machines, { name, config }),
        () => attempt("POST", machines, { name, config }),
        () => attempt("POST", `${path}/start`),
        () => attempt("POST", `${path}/stop`),
        () => attempt("POST", path, { config }),
        () => attempt("DELETE", `${path}?force=true`),
        () => attempt("POST", volumes, { name: "copy", source_volume_id: volume }),
        () => attempt("GET", `${path}/events`),
      ][random(8)]?.();
      await fly.clock.advance(random(20_000));
    }

    await fly.test("DELETE", "/faults");
    await fly.happen({ kind: "healed" });
    await fly.clock.advance(3600_000);
    const live = machinesIn(await fly.call("GET", machines));
    expect(live.every(({ state }) => settled.has(state))).toBe(true);
    expect(new Set(live.map(({ name }) => name)).size).toBe(live.length);
    for (const { name, volume } of tenants) {
      const holder = live.find((machine) => machine.name === name)?.id ?? null;
      expect(volumeIn(await fly.call("GET", `${volumes}/${volume}`)).attached_machine_id).toBe(holder);
      const config = { image, mounts: [{ volume, path: "/root" }] };
      expect((await fly.call("POST", machines, { name, config })).status).toBe(holder === null ? 200 : 409);
    }
    expect(fly.log.filter(({ kind }) => kind === "problem")).toEqual([]);
  },
);

/** Numbers below a bound, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
