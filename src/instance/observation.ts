import type { ProblemCode } from "./state.ts";

/** Machine states of Fly (docs: machines/machine-states), folded into what `decide` tells apart. */
export type MachinePhase =
  | "launching"
  | "starting"
  | "up"
  | "stopping"
  | "replacing"
  | "down"
  | "failed"
  | "destroying";

export type ObservedMachine =
  /** No id is known and no create is open: there is nothing to ask about. */
  | { kind: "none" }
  /** `code` is what the user is told of it. */
  | { kind: "unknown"; code: ProblemCode; why: string }
  /** Fly said so, by id or, while a create is open, by name. */
  | { kind: "absent" }
  | {
      kind: "present";
      id: string;
      instanceId: string;
      phase: MachinePhase;
      /** Fly's own word for the state. */
      flyState: string;
      /** Whether its metadata names this tenant. A machine of which Fly does not tell that is `unknown`. */
      ours: boolean;
      /** Generation of the configuration it runs; null when it can't be told. */
      generation: number | null;
      /** Why it went down last, where Fly tells. */
      exit: string | null;
    };

export type ObservedVolume =
  /** Nothing in this pass depends on it. */
  | { kind: "none" }
  | { kind: "unknown"; code: ProblemCode; why: string }
  | { kind: "absent" }
  | { kind: "present"; id: string; region: string; attachedMachineId: string | null };

export type ObservedGateway =
  /** The machine is not up, or nobody wants it up. */
  | { kind: "none" }
  | { kind: "unknown"; why: string }
  | { kind: "starting"; stage: string }
  | { kind: "ready" }
  | { kind: "degraded"; stage: string };

/** What Fly and the controller said in one pass. */
export type Observation = { machine: ObservedMachine; volume: ObservedVolume; gateway: ObservedGateway };
