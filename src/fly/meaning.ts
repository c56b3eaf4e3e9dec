import type { FlyError } from "./errors.ts";

/** The calls in whose answers an error means something else than in others; named as the client's methods. */
export type MeaningfulCall = keyof typeof MEANINGS;

/** What an error means as the answer to just this call, where that is not what it means elsewhere. */
export function asAnswerTo(call: MeaningfulCall, error: FlyError): FlyError {
  const kind = MEANINGS[call](error);
  if (kind === null) return error;
  const { message, status, requestId } = error;
  return { message, status, requestId, ...kind };
}

type Meaning =
  | { kind: "not_in_state" }
  | { kind: "not_found" }
  | { kind: "app_name_taken" }
  | { kind: "conflict" }
  | { kind: "name_taken"; machineId: null };

/** The same words that tell a create that its volume is missing, tell a call about the volume that there is none. */
const ofVolume = ({ kind }: FlyError): Meaning | null =>
  kind === "volume_missing" ? { kind: "not_found" } : null;

const MEANINGS = {
  createMachine: ({ kind }) => (kind === "app_name_taken" ? { kind: "name_taken", machineId: null } : null),
  // Nothing of a version is compared here: the machine is just not one in which commands can run (§4.15).
  execInMachine: ({ kind }) => (kind === "conflict" ? { kind: "not_in_state" } : null),
  getVolume: ofVolume,
  deleteVolume: ofVolume,
  listSnapshots: ofVolume,
  // A token that is not valid answers 401; 403 is for the app of another organization (fly-machines-api.md §1.2).
  getApp: ({ status }) => (status === 403 ? { kind: "app_name_taken" } : null),
  createApp: ({ status }) => (status === 409 ? { kind: "app_name_taken" } : null),
  // The text of "already there" varies, and so does its status (fly-machines-api.md §2.6).
  assignAddress: ({ status, message }) =>
    status === 409 || (status === 422 && /already/i.test(message)) ? { kind: "conflict" } : null,
} satisfies Record<string, (error: FlyError) => Meaning | null>;
