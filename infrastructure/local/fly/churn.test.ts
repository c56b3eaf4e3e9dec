import { expect, it } from "vitest";
import { image, machinesIn, startFly, volumeIn, withApp, type TestFly } from "./testing/fly.ts";

const machines = "/apps/acme/machines";
const names = ["a", "b", "c", "d"];

it.each([1, 2, 3, 4])(
  "settles with one machine a name and its volume bound to it, whatever was asked in whatever order (seed %d)",
  async (seed) => {
    const random = generator(seed);
    const fly = await startFly({
      timings: {
        imagePullMs: 3,
        startMs: 3,
        stopMs: 3,
        replaceMs: 3,
        destroyMs: 3,
        suspendMs: 3,
        restartBackoffMs: 1,
      },
    });
    await withApp(fly);
    const volumes = new Map<string, string>();
    for (const name of names) {
      volumes.set(name, volumeIn(await fly.call("POST", "/apps/acme/volumes", { name: "data" })).id);
    }
    const callers = Array.from({ length: 6 }, async () => {
      for (let step = 0; step < 40; step += 1) await oneStep(fly, volumes, random);
    });
    await Promise.all(callers);

    const settled = new Set(["created", "started", "stopped", "suspended", "failed"]);
    const states = async (): Promise<string[]> =>
      machinesIn(await fly.call("GET", machines)).map(({ state }) => state);
    await expect.poll(states).toSatisfy((now: string[]) => now.every((state) => settled.has(state)));
    const live = machinesIn(await fly.call("GET", machines));
    const livingNames = live.map(({ name }) => name);
    expect(new Set(livingNames).size).toBe(livingNames.length);
    for (const [name, volume] of volumes) {
      const { attached_machine_id: holder } = volumeIn(await fly.call("GET", `/apps/acme/volumes/${volume}`));
      expect(holder).toBe(live.find((machine) => machine.name === name)?.id ?? null);
    }
    expect(fly.log.filter(({ kind }) => kind === "problem")).toEqual([]);
  },
);

async function oneStep(
  fly: TestFly,
  volumes: ReadonlyMap<string, string>,
  random: (below: number) => number,
): Promise<void> {
  const name = names[random(names.length)] ?? "a";
  const machine = machinesIn(await fly.call("GET", machines)).find((found) => found.name === name);
  const config = { image, mounts: [{ volume: volumes.get(name), path: "/root" }] };
  if (machine === undefined) {
    await allowed(fly.call("POST", machines, { name, config, skip_launch: random(4) === 0 }), [409, 412]);
    return;
  }
  const path = `${machines}/${machine.id}`;
  const refusals = [404, 409, 412];
  switch (random(8)) {
    case 0:
      return allowed(fly.call("DELETE", `${path}?force=true`), refusals);
    case 1:
    case 2:
      return allowed(fly.call("POST", `${path}/start`), refusals);
    case 3:
      return allowed(fly.call("POST", `${path}/stop`), refusals);
    case 4:
      return allowed(fly.call("POST", path, { config, skip_launch: random(2) === 0 }), refusals);
    case 5:
      return allowed(fly.call("POST", `${path}/suspend`), refusals);
    case 6:
      return allowed(fly.call("POST", `${path}/restart`), refusals);
    default:
      return allowed(fly.call("POST", `${path}/signal`, { signal: "SIGKILL" }), refusals);
  }
}

async function allowed(answer: ReturnType<TestFly["call"]>, refusals: readonly number[]): Promise<void> {
  const { status, body } = await answer;
  if (status === 200 || refusals.includes(status)) return;
  throw new Error(`Unexpected answer ${status}: ${JSON.stringify(body)}`);
}

/** Numbers below a bound, the same for the same seed (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
