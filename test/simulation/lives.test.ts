import { expect, it } from "vitest";
import { Life } from "./life.ts";

const LIVES = Number(process.env["LIVES"] ?? 400);
const MINUTE_MS = 60_000;

it.each([
  ["a cloud that behaves", 0],
  ["a network that loses one answer in ten", 0.1],
])(
  `${LIVES} random lives on %s end as their users wished`,
  async (_where, lostAnswers) => {
    for (let seed = 1; seed <= LIVES; seed += 1) {
      const life = new Life(seed, { lostAnswers });
      await live(life);
      expect(describeEnd(life), `seed ${seed}`).toEqual(wishedEnd(life));
    }
  },
  120_000,
);

/** A dozen things happen to an instance, at random instants; then it has an hour to come to rest. */
async function live(life: Life): Promise<void> {
  const { clock, random, cloud } = life;
  life.provision();
  for (let turn = 0; turn < 12; turn += 1) {
    await clock.run(clock.now() + random.between(0, random.chance(0.5) ? 5_000 : 5 * MINUTE_MS));
    const machine = cloud.alive()[0]?.id ?? "";
    random.pick([
      () => life.wish("running"),
      () => life.wish("running"),
      () => life.wish("stopped"),
      () => life.restart(),
      () => cloud.die(machine),
      () => cloud.lose(machine),
      () => life.evict(),
      () => {
        if (random.chance(0.3)) life.wish("destroyed");
      },
    ])();
    // In the middle of a call, so that its outcome is lost to the object.
    if (random.chance(0.3)) clock.at(random.between(0, 2_000), () => life.evict());
  }
  await clock.run(clock.now() + 70 * MINUTE_MS);
}

function describeEnd({ cloud, state }: Life) {
  return {
    status: state?.status ?? "destroyed",
    machines: cloud.alive().map((machine) => machine.state),
    volumes: cloud.keptVolumes().length,
    mostMachines: Math.max(1, cloud.mostMachines),
    error: state?.lastError?.code ?? null,
  };
}

function wishedEnd({ state, cloud }: Life) {
  const base = { mostMachines: 1, error: null };
  if (state === null) return { ...base, status: "destroyed", machines: [], volumes: 0 };
  switch (state.intent) {
    case "destroyed":
      return { ...base, status: "destroyed" };
    case "running":
      return { ...base, status: "running", machines: ["started"], volumes: 1 };
    case "stopped": {
      const machines = cloud.alive().length === 0 ? [] : ["stopped"];
      const status = state.lastStartedAt === null && machines.length === 0 ? "provisioned" : "stopped";
      return { ...base, status, machines, volumes: 1 };
    }
    default:
      return state.intent satisfies never;
  }
}
