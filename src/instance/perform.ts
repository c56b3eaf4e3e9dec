import type { MachineTokens } from "../auth/machine-tokens.ts";
import type { FlyClient, FlyResult } from "../fly/client.ts";
import type { FlyError, FlyErrorKind } from "../fly/errors.ts";
import type { MachineRequest } from "../fly/schemas.ts";
import type { ControllerAnswer, ControllerClient } from "../gateway/client.ts";
import type { EnvUpdate } from "../gateway/wire.ts";
import { digestOf } from "./drift.ts";
import {
  type BuiltRequest,
  ENV_KEY_SECRET,
  envUpdate,
  guestOf,
  type MachineDefaults,
  machineRequest,
  type Seals,
  type SetByHand,
  settingsFrom,
} from "./machine-request.ts";
import { GENERATION_RECOVERED_MAX, generationIn } from "./names.ts";
import type { Outcome } from "./outcome.ts";
import { sizeOf } from "./sizes.ts";
import type { InstanceState } from "./state.ts";
import type { Left, Step, VolumeSource } from "./step.ts";

export type PerformPorts = Seals & {
  fly: FlyClient;
  controller: ControllerPort;
  /** The tokens of this instance's machine. */
  tokens: (sandboxId: string) => Promise<MachineTokens>;
  machineDefaults: MachineDefaults;
};

/** The controller in a machine, which knows us by the machine's gateway token. */
export type ControllerPort = (
  appName: string,
  machineId: string,
  gatewayToken: string,
) => Pick<ControllerClient, "version" | "updateEnv">;

/** Makes the step's one call to Fly or to the controller, and says what came of it. A newer wish, of which the signal tells, waits for no controller. */
export type Perform = (signal: AbortSignal) => Promise<Outcome>;

/**
 * All that a step needs besides its one call, so that nothing comes in between when the call is to be made. No meaningful choice is
 * made here.
 */
export async function prepare(state: InstanceState, step: Step, ports: PerformPorts): Promise<Perform> {
  const { fly } = ports;
  const app = state.appName;
  switch (step.kind) {
    case "create_app":
      return () => createApp(state, step.name, fly);
    case "assign_address":
      return () => assignAddress(app, step.type, fly);
    case "set_secret": {
      const secret = await ports.envSeal.appSecret(state.sandboxId, state.ownApp?.keyVersion ?? 1);
      return () => setSecret(app, secret, fly);
    }
    case "delete_app":
      return async () => goneIsDone(await fly.deleteApp(app));
    case "recover":
      return () => recover(state, step.machineId, ports);
    case "create_volume":
    case "create_candidate":
      return () => createVolume(state, step, fly);
    case "create_machine": {
      const built = await requestFor(state, step.volumeId, ports);
      if (built.kind === "secrets_unreadable") return async () => unreadable(built.names);
      return () => createMachine(app, { name: step.name, region: step.region, ...built.request }, fly);
    }
    case "update_machine": {
      if (state.volume === null) return async () => NO_VOLUME;
      const sized = { ...state, machineSize: step.size };
      const built = await requestFor(sized, state.volume.id, ports, step);
      if (built.kind === "secrets_unreadable") return async () => unreadable(built.names);
      return async () => simple(await fly.updateMachine(app, step.id, built.request));
    }
    case "ask_version": {
      const { gatewayToken } = await ports.tokens(state.sandboxId);
      return () => askVersion(ports.controller(app, step.id, gatewayToken), ports.machineDefaults);
    }
    case "apply_settings": {
      const { gatewayToken } = await ports.tokens(state.sandboxId);
      const built = await envUpdate(state, ports);
      if (built.kind === "secrets_unreadable") return async () => unreadable(built.names);
      const controller = ports.controller(app, step.id, gatewayToken);
      return (signal) => applySettings(controller, built.update, signal);
    }
    case "start_machine":
      return async () => simple(await fly.startMachine(app, step.id));
    case "stop_machine":
      return async () => simple(await fly.stopMachine(app, step.id));
    case "destroy_machine":
      return async () => goneIsDone(await fly.destroyMachine(app, step.id));
    case "delete_volume":
      return async () => goneIsDone(await fly.deleteVolume(app, step.id));
    case "delete_leftover":
      return () => deleteLeftover(app, step.left, fly);
    case "adopt_app":
    case "rename_app":
    case "rekey":
    case "renew_generation":
    case "adopt_volume":
    case "adopt_candidate":
    case "drop_candidate":
    case "adopt_machine":
    case "note_machine":
    case "forget_machine":
    case "give_up_machine":
    case "note_leftovers":
    case "note_found":
    case "postpone_inventory":
    case "postpone_leftover":
    case "forget_leftover":
    case "clear_create":
    case "mark_down":
    case "erase":
      return async () => ({ kind: "done" });
    default:
      return step satisfies never;
  }
}

const NO_VOLUME: Outcome = {
  kind: "failed",
  code: "volume_missing",
  message: "No volume is known.",
  retryAfterMs: null,
};

/** No machine is made or changed without all that it is to have; whatever there is stays. */
function unreadable(names: string[]): Outcome {
  const message = `These values can't be opened, since they are sealed for a key that the Worker does not have: ${listed(names)}.`;
  return { kind: "failed", code: "secrets_unreadable", message, retryAfterMs: null };
}

function listed(names: string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.length > NAMES_SHOWN_MAX ? `${shown} and ${names.length - NAMES_SHOWN_MAX} more` : shown;
}

/** A sentence that a person reads. */
const NAMES_SHOWN_MAX = 10;

/** One that the app has already is as good (fly-machines-api.md §2.6). */
async function assignAddress(app: string, type: "shared_v4" | "v6", fly: FlyClient): Promise<Outcome> {
  const result = await fly.assignAddress(app, type);
  return !result.ok && result.error.kind === "conflict" ? { kind: "done" } : simple(result);
}

async function setSecret(app: string, secret: string, fly: FlyClient): Promise<Outcome> {
  const result = await fly.setSecret(app, ENV_KEY_SECRET, secret);
  return result.ok ? { kind: "secret_set", version: result.value.version } : outcomeOf(result.error);
}

async function createVolume(
  state: InstanceState,
  step: Extract<Step, { kind: "create_volume" | "create_candidate" }>,
  fly: FlyClient,
): Promise<Outcome> {
  const result = await fly.createVolume(state.appName, {
    name: step.name,
    region: step.region,
    size_gb: step.sizeGb,
    compute: guestOf(state.machineSize),
    ...sourceField(step.source),
  });
  if (!result.ok) return outcomeOf(result.error);
  return { kind: "volume_created", id: result.value.id, region: result.value.region ?? step.region };
}

async function deleteLeftover(app: string, { kind, id }: Left, fly: FlyClient): Promise<Outcome> {
  return goneIsDone(await (kind === "machine" ? fly.destroyMachine(app, id) : fly.deleteVolume(app, id)));
}

async function createApp({ ownApp }: InstanceState, name: string, fly: FlyClient): Promise<Outcome> {
  if (ownApp === null) throw new Error("an app is only made for a tenant with one of its own");
  const result = await fly.createApp({ name, org_slug: ownApp.orgSlug, network: name });
  if (!result.ok && result.error.kind === "app_name_taken") return { kind: "app_taken" };
  return simple(result);
}

async function createMachine(app: string, request: MachineRequest, fly: FlyClient): Promise<Outcome> {
  const result = await fly.createMachine(app, request);
  if (result.ok) return { kind: "machine_created", id: result.value.id };
  if (result.error.kind !== "name_taken") return outcomeOf(result.error);
  const { machineId } = result.error;
  return machineId === null ? { kind: "name_conflict" } : { kind: "name_taken", machineId };
}

/** What the machine that was found tells of the record that was lost. */
async function recover(
  state: InstanceState,
  machineId: string | null,
  ports: PerformPorts,
): Promise<Outcome> {
  if (machineId === null) {
    return { kind: "recovered", settings: null, keyVersion: null, size: null, generation: null };
  }
  const machine = await ports.fly.getMachine(state.appName, machineId);
  if (!machine.ok) return outcomeOf(machine.error);
  const config = machine.value.config ?? machine.value.incomplete_config;
  const env = config?.env ?? null;
  const found = env === null ? null : await settingsFrom(env, state, ports);
  return {
    kind: "recovered",
    settings: found?.settings ?? null,
    keyVersion: found?.keyVersion ?? null,
    size: sizeOf(config?.guest),
    generation: generationIn(config?.metadata, GENERATION_RECOVERED_MAX),
  };
}

async function askVersion(
  controller: Pick<ControllerClient, "version">,
  { image }: MachineDefaults,
): Promise<Outcome> {
  const answer = await controller.version();
  if (answer.kind !== "answered") return { kind: "unanswered", message: explainAnswer(answer) };
  const { controller: version, openclaw, capabilities, imageDigest } = answer.value;
  const orderedDigest = digestOf(image);
  return {
    kind: "version_told",
    version: { controller: version, openclaw, capabilities, imageDigest, orderedDigest },
  };
}

/** What is refused for what the controller is in the middle of may be taken when it is asked again. */
async function applySettings(
  controller: Pick<ControllerClient, "updateEnv">,
  update: EnvUpdate,
  signal: AbortSignal,
): Promise<Outcome> {
  const answer = await controller.updateEnv(update, signal);
  switch (answer.kind) {
    case "answered": {
      const { generation, how, inEffect } = answer.value;
      if (generation === update.generation) return { kind: "settings_taken", how, isInEffect: inEffect };
      return { kind: "unanswered", message: "the controller answered for another generation" };
    }
    case "refused": {
      const mayChange = answer.status >= 500 || answer.status === 408 || answer.status === 429;
      return { kind: mayChange ? "unanswered" : "settings_refused", message: explainAnswer(answer) };
    }
    case "unknown_route":
      return { kind: "settings_refused", message: explainAnswer(answer) };
    case "silent":
    case "unreadable":
      if (signal.aborted) return { kind: "interrupted" };
      return { kind: "unanswered", message: explainAnswer(answer) };
    default:
      return answer satisfies never;
  }
}

/** Why a controller did not do what it was asked for, in nobody's words but ours. */
function explainAnswer(answer: Exclude<ControllerAnswer<unknown>, { kind: "answered" }>): string {
  switch (answer.kind) {
    case "refused":
      return `the controller refused it: ${answer.code} (${answer.status})`;
    case "unknown_route":
      return "the controller is an older one, which can't do that";
    case "silent":
      return `the controller did not answer: ${answer.why}`;
    case "unreadable":
      return "the controller's answer could not be read";
    default:
      return answer satisfies never;
  }
}

function sourceField(source: VolumeSource): { source_volume_id?: string; snapshot_id?: string } {
  switch (source.kind) {
    case "empty":
      return {};
    case "fork":
      return { source_volume_id: source.volumeId };
    case "snapshot":
      return { snapshot_id: source.snapshotId };
    default:
      return source satisfies never;
  }
}

async function requestFor(
  state: InstanceState,
  volumeId: string,
  ports: PerformPorts,
  setByHand?: SetByHand,
): Promise<BuiltRequest> {
  const own = await ports.tokens(state.sandboxId);
  return machineRequest(state, volumeId, own, ports.machineDefaults, ports, setByHand);
}

function simple(result: FlyResult<unknown>): Outcome {
  return result.ok ? { kind: "done" } : outcomeOf(result.error);
}

function goneIsDone(result: FlyResult<unknown>): Outcome {
  const isGone = !result.ok && (result.error.kind === "not_found" || result.error.kind === "app_missing");
  return isGone ? { kind: "done" } : simple(result);
}

function outcomeOf(error: FlyError): Outcome {
  const message = explain(error);
  switch (error.kind) {
    case "unknown_outcome":
      return { kind: "outcome_unknown", message };
    case "no_capacity":
    case "quota":
      return { kind: "no_capacity", message };
    case "limit":
      return { kind: "failed", code: "fly_limit", message, retryAfterMs: LIMIT_PAUSE_MS };
    case "unauthorized":
      return { kind: "failed", code: "fly_unauthorized", message, retryAfterMs: null };
    case "leased":
      return { kind: "failed", code: "machine_leased", message, retryAfterMs: error.retryAfterMs };
    case "rate_limited":
      return { kind: "failed", code: "fly_busy", message, retryAfterMs: error.retryAfterMs };
    case "host_disabled":
      return { kind: "failed", code: "fly_busy", message, retryAfterMs: LIMIT_PAUSE_MS };
    case "not_in_state":
    case "conflict":
      return { kind: "failed", code: "machine_busy", message, retryAfterMs: null };
    case "volume_bound":
      return { kind: "failed", code: "volume_busy", message, retryAfterMs: null };
    case "volume_missing":
      return { kind: "failed", code: "volume_missing", message, retryAfterMs: null };
    case "image_missing":
      return { kind: "failed", code: "image_missing", message, retryAfterMs: null };
    case "app_missing":
      return { kind: "app_missing", message };
    case "not_found":
    case "app_name_taken":
    case "name_taken":
    case "invalid":
      return { kind: "failed", code: "fly_refused", message, retryAfterMs: null };
    default:
      return error satisfies never;
  }
}

/** What no repetition changes soon is not asked for again at once. */
const LIMIT_PAUSE_MS = 60_000;

/**
 * What the user may read of it. Fly's own words stay in the operator's log: they name organisations, other holders of a lease,
 * and at times what was sent.
 */
function explain({ kind, status }: FlyError): string {
  return `${EXPLANATIONS[kind]}${status === null ? "" : ` (${status})`}.`;
}

const EXPLANATIONS: Record<FlyErrorKind, string> = {
  unknown_outcome: "Fly did not answer, or not in a way that tells what happened",
  no_capacity: "Fly has no room for it there",
  quota: "A quota at Fly is used up",
  limit: "The Fly organization may have no more machines",
  host_disabled: "Fly takes no machines on that host for now",
  unauthorized: "Fly refused the Worker's token",
  rate_limited: "Fly asks for fewer calls",
  leased: "The machine is held by another operation",
  not_in_state: "The machine is not in a state that allows it",
  volume_bound: "The volume is still bound to another machine",
  conflict: "Another operation was faster",
  volume_missing: "Fly does not know the volume",
  image_missing: "Fly can't fetch the machine's image",
  not_found: "Fly does not know the machine",
  app_missing: "Fly does not know the app",
  app_name_taken: "The app's name is taken",
  name_taken: "The machine's name is taken",
  invalid: "Fly refused the request",
};
