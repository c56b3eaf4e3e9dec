import type { InstanceState } from "./state.ts";
import type { Step } from "./step.ts";

/** Tries to give one generation's settings to a running machine, after which it is updated, which restarts it. */
export const APPLY_TRIES_MAX = 2;

type ApplySettings = Extract<Step, { kind: "apply_settings" }>;

/** The settings are about to be sent; should nobody live to see the answer, the try counts. */
export function withTry(state: InstanceState, { generation }: ApplySettings): InstanceState {
  return { ...state, applying: { generation, tries: triesOf(state, generation) + 1 } };
}

/** The try was ended by a newer wish, and says nothing about the controller. */
export function withoutTry(state: InstanceState, { generation }: ApplySettings): InstanceState {
  const tries = triesOf(state, generation) - 1;
  return tries < 0 ? state : { ...state, applying: { generation, tries } };
}

/** How often these settings were sent to no effect. */
export function triesOf({ applying }: InstanceState, generation: number): number {
  return applying?.generation === generation ? applying.tries : 0;
}

/** The gateway was seen to use the settings of the step's generation, which is not the newest any more if a wish came meanwhile. */
export function withApplied(
  state: InstanceState,
  { id, instanceId, generation }: ApplySettings,
): InstanceState {
  if (state.machine?.id !== id) return state;
  const applying = state.applying?.generation === generation ? null : state.applying;
  return { ...state, applying, applied: { generation, instanceId, isConfirmed: true } };
}

/** It does not take them, or not without a restart, and that is not tried again. */
export function withNotApplied(state: InstanceState, { generation }: ApplySettings): InstanceState {
  if (state.applying !== null && state.applying.generation !== generation) return state;
  return { ...state, applying: { generation, tries: APPLY_TRIES_MAX } };
}

/** What the machine has can't be told apart from what it should have: it is made to take over all of it. */
export function withRenewedGeneration(state: InstanceState): InstanceState {
  const generation = state.generation + 1;
  return { ...state, generation, settingsOnlySince: generation, applied: null };
}
