import type { ProblemCode, Status } from "./state.ts";

/** One effect that brings the world, or our record of it, nearer to the intent. */
export type Step =
  | { kind: "create_volume"; name: string; region: string }
  | { kind: "adopt_volume"; id: string; region: string }
  | { kind: "create_machine"; name: string; region: string; volumeId: string }
  | { kind: "adopt_machine"; id: string }
  | { kind: "update_machine"; id: string; generation: number }
  | { kind: "start_machine"; id: string }
  | { kind: "stop_machine"; id: string }
  | { kind: "destroy_machine"; id: string }
  | { kind: "delete_volume"; id: string }
  /** A create that was sent and left nothing behind. */
  | { kind: "clear_create" }
  /** The machine went down on its own: say so before it is brought back. */
  | { kind: "mark_down"; forgetId: boolean; code: ProblemCode; message: string }
  | { kind: "erase" };

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
  | { kind: "settled"; status: Status; reason: string; problem: Problem | null };
