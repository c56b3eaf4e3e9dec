import type { KeeperPorts } from "../../src/instance/keeper.ts";
import type { Rules } from "../../src/instance/loop.ts";
import type { Observation } from "../../src/instance/observation.ts";
import type { InstanceState } from "../../src/instance/state.ts";
import { RULES } from "./life/traced.ts";

/** A bug that somebody could make, and what it does to lives. */
export type Bug = { name: string; plant: (ports: KeeperPorts) => KeeperPorts; caughtBy: RegExp };

const withRules =
  (rules: Partial<Rules>) =>
  (ports: KeeperPorts): KeeperPorts => ({ ...ports, rules: { ...RULES, ...rules } });

/** Decides by what was changed about the record or about what was seen. */
const deciding = (
  change: (state: InstanceState, seen: Observation) => { state?: InstanceState; seen?: Observation },
) =>
  withRules({
    decide: (state, seen, now) => {
      const changed = change(state, seen);
      return RULES.decide(changed.state ?? state, changed.seen ?? seen, now);
    },
  });

export const BUGS: readonly Bug[] = [
  {
    name: "forgets that a create is open",
    plant: withRules({ beginStep: (state) => state }),
    caughtBy: /does not know|two machines|nobody knows|before the/,
  },
  {
    name: "takes a lost answer to a create for a refusal",
    plant: withRules({
      applyOutcome: (state, step, outcome, now) =>
        outcome.kind === "outcome_unknown"
          ? RULES.applyOutcome(
              state,
              step,
              { kind: "failed", code: "fly_refused", message: outcome.message, retryAfterMs: null },
              now,
            )
          : RULES.applyOutcome(state, step, outcome, now),
    }),
    caughtBy: /does not know|two machines|nobody knows|before the/,
  },
  {
    name: "takes a call that failed for an absence",
    plant: deciding((_state, seen) =>
      seen.machine.kind === "unknown" ? { seen: { ...seen, machine: { kind: "absent" } } } : {},
    ),
    caughtBy: /does not know|two machines|nobody knows|before the/,
  },
  {
    name: "believes an empty list at once",
    plant: deciding((state, seen) => {
      const { creating } = state;
      if (creating === null || seen[creating.kind].kind !== "absent") return {};
      return {
        state: { ...state, creating: { ...creating, empty: { looks: 99, since: 0, at: 3_600_000 } } },
      };
    }),
    caughtBy: /does not know|two machines|nobody knows|before the/,
  },
  {
    name: "starts what is to be stopped",
    plant: deciding((state) =>
      state.intent === "stopped" && state.machine !== null ? { state: { ...state, intent: "running" } } : {},
    ),
    caughtBy: /was sent while the intent was stopped/,
  },
  {
    name: "erases the record once the machine is gone",
    plant: withRules({
      decide: (state, seen, now) => {
        const decision = RULES.decide(state, seen, now);
        if (decision.kind !== "step" || decision.step.kind !== "delete_volume") return decision;
        return { ...decision, step: { kind: "erase" } };
      },
    }),
    caughtBy: /erased before the volume/,
  },
  {
    name: "deletes the old volume as soon as there is a copy",
    plant: withRules({
      decide: (state, seen, now) => {
        const decision = RULES.decide(state, seen, now);
        if (state.candidate === null || state.volume === null || state.intent === "destroyed")
          return decision;
        if (decision.kind !== "step" || decision.step.kind !== "create_machine") return decision;
        return { ...decision, step: { kind: "delete_volume", id: state.volume.id } };
      },
    }),
    caughtBy: /deleted with the only copy/,
  },
  {
    name: "writes the record of before a step over a newer wish",
    plant: (ports) => {
      let before: InstanceState | null = null;
      return withRules({
        beginStep: (state, step, now) => {
          before = RULES.beginStep(state, step, now);
          return before;
        },
        applyOutcome: (state, step, outcome, now) => RULES.applyOutcome(before ?? state, step, outcome, now),
      })(ports);
    },
    caughtBy: /came back|intent was/,
  },
  {
    name: "gives the app another key than the one that the environment is sealed with",
    plant: (ports) => ({
      ...ports,
      envSeal: { ...ports.envSeal, appSecret: (sandboxId) => ports.envSeal.appSecret(sandboxId, 1) },
    }),
    caughtBy: /a problem stands: gateway_degraded/,
  },
  {
    name: "sets no alarm",
    plant: (ports) => ({
      ...ports,
      storage: {
        read: () => ports.storage.read(),
        load: () => ports.storage.load(),
        save: (state) => ports.storage.save(state),
        append: (event) => ports.storage.append(event),
        erase: () => ports.storage.erase(),
        setAlarm: () => Promise.resolve(),
      },
    }),
    caughtBy: /without an alarm/,
  },
  {
    name: "does not say what a destroy by force leaves",
    plant: (ports) => ({
      ...ports,
      warn: (warning, sandboxId) => ports.warn({ ...warning, why: "Fly may keep something." }, sandboxId),
    }),
    caughtBy: /did not name it/,
  },
  {
    name: "gives each machine a name of its own",
    plant: (ports) => ({
      ...ports,
      fly: {
        ...ports.fly,
        createMachine: (app, request) =>
          ports.fly.createMachine(app, { ...request, name: `m-${ports.clock.now()}` }),
      },
    }),
    caughtBy: /two machines|does not know|before the/,
  },
  {
    name: "takes everybody's volumes for its own",
    plant: (ports) => ({
      ...ports,
      fly: {
        ...ports.fly,
        findVolumes: async (app, name) => {
          const ours = await ports.fly.findVolumes(app, name);
          const theirs = await ports.fly.findVolumes(app, name.slice(0, -1));
          return ours.ok && theirs.ok ? { ok: true, value: [...ours.value, ...theirs.value] } : ours;
        },
      },
    }),
    caughtBy: /another tenant's|another volume|does not know/,
  },
  {
    name: "does not wait between its tries",
    plant: withRules({
      decide: (state, seen, now) => {
        const decision = RULES.decide({ ...state, retryAt: null }, seen, now);
        return decision.kind === "wait"
          ? { ...decision, on: "time", until: now, problem: null, failed: false }
          : decision;
      },
    }),
    caughtBy: /hot loop/,
  },
  {
    name: "tells nobody that data was lost",
    plant: (ports) => ({
      ...ports,
      storage: {
        read: () => ports.storage.read(),
        load: () => ports.storage.load(),
        save: (state) => ports.storage.save(state),
        append: (event) => {
          if (event.kind !== "warning") ports.storage.append(event);
        },
        erase: () => ports.storage.erase(),
        setAlarm: (at) => ports.storage.setAlarm(at),
      },
    }),
    caughtBy: /nobody was told/,
  },
  {
    name: "takes settings for kept, whatever became of the machine since",
    plant: deciding((state) =>
      state.applied === null ? {} : { state: { ...state, applied: { ...state.applied, isConfirmed: true } } },
    ),
    caughtBy: /other settings than the newest/,
  },
  {
    name: "takes settings for used that nobody said were",
    plant: withRules({
      applyOutcome: (state, step, outcome, now) =>
        step.kind === "apply_settings" && outcome.kind !== "interrupted"
          ? RULES.applyOutcome(state, step, { kind: "settings_taken", how: "hot", isInEffect: true }, now)
          : RULES.applyOutcome(state, step, outcome, now),
    }),
    caughtBy: /other settings than the newest/,
  },
  {
    name: "counts the generations of a record that was lost from the beginning",
    plant: (ports) => {
      const { storage } = ports;
      const anew = (state: InstanceState): InstanceState => ({ ...state, generationBase: 0 });
      return {
        ...ports,
        storage: {
          read: () => storage.read(),
          load: () => storage.load(),
          save: (state) => storage.save(anew(state)),
          append: (event) => storage.append(event),
          erase: () => storage.erase(),
          setAlarm: (at) => storage.setAlarm(at),
        },
      };
    },
    caughtBy: /other settings than the newest/,
  },
  {
    name: "ends a destroy without looking for what it does not know of",
    plant: deciding((state, seen) =>
      state.intent === "destroyed"
        ? {
            state: { ...state, creating: null },
            seen: { ...seen, inventory: { kind: "seen", machines: [], volumes: [] } },
          }
        : {},
    ),
    caughtBy: /before the|nobody knows/,
  },
];
