import type { MountOptions, PresentMachine } from "./observation.ts";
import type { Intent, MachineSize, ProblemCode, Status } from "./state.ts";

/** What a new volume begins with. */
export type VolumeSource = { kind: "empty" } | { kind: "fork"; volumeId: string } | SnapshotSource;
type SnapshotSource = { kind: "snapshot"; snapshotId: string; createdAt: string };

/** One effect that brings the world, or our record of it, nearer to the intent. */
export type Step =
  | { kind: "create_app"; name: string }
  | { kind: "adopt_app" }
  /** The name is a stranger's: the next one is taken. */
  | { kind: "rename_app"; renames: number; name: string; isSearched: boolean }
  /** The machine can't open its environment: the key is set again, for a new generation. */
  | { kind: "rekey" }
  | { kind: "assign_address"; type: "shared_v4" | "v6" }
  | { kind: "set_secret" }
  | { kind: "delete_app" }
  /** The lost ids, as they were found again. */
  | {
      kind: "recover";
      machineId: string | null;
      volume: KnownVolume | null;
      intent: Intent | null;
      others: Left[];
    }
  | (NewVolume & { kind: "create_volume"; isReplacement: boolean })
  | {
      kind: "adopt_volume";
      id: string;
      region: string;
      sizeGb: number;
      hasData: boolean;
      replacesLost: boolean;
    }
  | (NewVolume & { kind: "create_candidate" })
  | { kind: "adopt_candidate"; id: string; region: string; sizeGb: number }
  | { kind: "drop_candidate" }
  | { kind: "create_machine"; name: string; region: string; volumeId: string }
  /** Ours by metadata and mount; it keeps the size that it has. */
  | {
      kind: "adopt_machine";
      id: string;
      instanceId: string;
      generation: number | null;
      volumeId: string;
      size: MachineSize | null;
    }
  /** A machine that holds our volume: its id is stored, so that it is looked at. */
  | { kind: "note_machine"; id: string }
  /** Forgets a machine that was destroyed on purpose, and is gone. */
  | { kind: "forget_machine" }
  /** The whole configuration; `metadata` is what else the machine had of it. */
  | {
      kind: "update_machine";
      id: string;
      generation: number;
      size: MachineSize;
      metadata: Record<string, string>;
      mountOptions: MountOptions;
      remounts: boolean;
    }
  | { kind: "start_machine"; id: string }
  /** Of the machine in its present run, as Fly told it: what runs in it is the controller's to say. */
  | ({ kind: "ask_version"; id: string } & Run)
  /** Gives the newest settings to the controller of a machine that runs. */
  | { kind: "apply_settings"; id: string; instanceId: string; generation: number }
  /** A new generation without anything new, so that the machine takes over all that it should have. */
  | { kind: "renew_generation" }
  | { kind: "stop_machine"; id: string }
  | { kind: "destroy_machine"; id: string }
  /** Fly can't destroy it for now: it is left to be destroyed later, and the next one gets another name. */
  | { kind: "give_up_machine"; id: string }
  | { kind: "delete_volume"; id: string }
  | { kind: "note_leftovers"; found: Left[] }
  | { kind: "delete_leftover"; left: Left }
  | { kind: "postpone_leftover"; left: Left }
  | { kind: "forget_leftover"; left: Left }
  /** What was found beside what the instance needs: reported, and kept as long as the instance. */
  | { kind: "note_found"; found: Left[] }
  | { kind: "postpone_inventory" }
  /** A create that was sent and left nothing behind. */
  | { kind: "clear_create" }
  /** The machine went down on its own: say so before it is brought back. */
  | { kind: "mark_down"; forgetId: boolean; code: ProblemCode; message: string }
  | { kind: "erase" };

/** A machine from one start to the next, with what Fly says of it. */
export type Run = Pick<PresentMachine, "instanceId" | "startedAt" | "generation" | "imageDigest">;

type NewVolume = { name: string; region: string; sizeGb: number; source: VolumeSource };
export type KnownVolume = { id: string; region: string; hasData: boolean };
export type Left = { kind: "machine" | "volume"; id: string };

/** What a wait ends on, besides its deadline and a newer intent. */
export type Awaited = "time" | "machine" | "gateway";

export type Problem = { code: ProblemCode; message: string };

/** The three ways to end a pass, and no fourth. Each carries what the user is to be told meanwhile. */
export type Decision =
  | { kind: "step"; step: Step; reason: string; status: Status; problem: Problem | null }
  | {
      kind: "wait";
      on: Awaited;
      until: number;
      reason: string;
      status: Status;
      problem: Problem | null;
      /** Fly could not be asked: counts as a failed step, so that the pauses grow. */
      failed: boolean;
    }
  | {
      kind: "settled";
      status: Status;
      reason: string;
      problem: null;
      /** When something of little weight is to be looked at again, before the usual time. */
      againAt: number | null;
    };
