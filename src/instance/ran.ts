import type { ObservedMachine, PresentMachine } from "./observation.ts";
import type { InstanceState } from "./state.ts";
import type { Step } from "./step.ts";

/** Between two questions that got no answer: it doubles from the first to the last of these. */
const ASK_AGAIN_MS_MIN = 10_000;
const ASK_AGAIN_MS_MAX = 3_600_000;

type OfRun = Pick<InstanceState, "ran" | "unanswered" | "applied">;

/** Of a machine that was not asked yet, and that has what it was made or updated with. */
export const NOTHING_RAN: OfRun = { ran: null, unanswered: null, applied: null };

/** What the controller says that runs, and what would be ordered for the machine by now. */
export type ToldVersion = {
  controller: string;
  openclaw: string | null;
  capabilities: string[];
  imageDigest: string | null;
  orderedDigest: string | null;
};

/** What was learnt of one run of the machine tells nothing of the next, which begins when it is not up, or came up again. */
export function noteRun({ ran, unanswered, applied }: InstanceState, machine: ObservedMachine): OfRun {
  if (machine.kind !== "present") return { ran, unanswered, applied };
  if (machine.phase === "up" && (ran === null || isSameRun(ran, machine))) {
    return { ran, unanswered, applied: noteApplied(applied, machine, ran !== null) };
  }
  return { ...NOTHING_RAN, applied: noteApplied(applied, machine, false) };
}

/**
 * What the machine was given while it ran outlives that it restarts in its place, and that Fly moves it, if its controller keeps
 * it; but not that it gets another configuration, which has all of it.
 */
function noteApplied(
  applied: InstanceState["applied"],
  { instanceId, generation }: PresentMachine,
  isSame: boolean,
): InstanceState["applied"] {
  if (applied === null) return null;
  if (applied.instanceId !== instanceId) {
    const hasAll = generation !== null && generation >= applied.generation;
    return applied.isConfirmed && hasAll ? null : { ...applied, instanceId, isConfirmed: false };
  }
  return isSame || !applied.isConfirmed ? applied : { ...applied, isConfirmed: false };
}

/** An instant that Fly does not tell is no other one. */
function isSameRun(
  known: Pick<PresentMachine, "instanceId" | "startedAt">,
  { instanceId, startedAt }: PresentMachine,
): boolean {
  return (
    known.instanceId === instanceId &&
    (known.startedAt === null || startedAt === null || known.startedAt === startedAt)
  );
}

/** The controller is about to be asked; should no answer come, it is asked again after a pause that grows. */
export function withQuestion(state: InstanceState, now: number): InstanceState {
  const before = state.unanswered?.questions ?? 0;
  const pause = Math.min(ASK_AGAIN_MS_MIN * 2 ** Math.min(before, 10), ASK_AGAIN_MS_MAX);
  return { ...state, unanswered: { questions: before + 1, againAt: now + pause } };
}

/**
 * The controller said what runs. A machine is hostile: one that claims another image than Fly runs it from is believed nothing.
 * What it says of an image of which Fly tells nothing is neither right nor wrong.
 */
export function withRan(
  state: InstanceState,
  { id, instanceId, startedAt, generation, imageDigest: running }: Extract<Step, { kind: "ask_version" }>,
  { controller, openclaw, capabilities, imageDigest: reported, orderedDigest: ordered }: ToldVersion,
  now: number,
): InstanceState {
  if (state.machine?.id !== id) return state;
  const isDenied = reported !== null && running !== null && reported !== running;
  return {
    ...state,
    unanswered: null,
    ran: {
      instanceId,
      startedAt,
      generation,
      said: isDenied ? null : { controller, openclaw, capabilities },
      image: { running, reported, ordered },
      at: now,
    },
  };
}

/** Whether the machine's controller takes settings while the gateway runs. */
export function takesSettings({ ran }: InstanceState): boolean {
  return ran?.said?.capabilities.includes("env") === true;
}

/** What would be ordered changes with a deployment, while the machine runs on. */
export function noteOrdered(state: InstanceState, ordered: string | null): InstanceState {
  const { ran } = state;
  if (ran === null || ran.image.ordered === ordered) return state;
  return { ...state, ran: { ...ran, image: { ...ran.image, ordered } } };
}
