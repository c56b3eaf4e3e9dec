import { ALARM_AFTER_OPERATION_MS, ALARM_WAIT_MS, DOUBT_WAIT_MS, OPERATION_WAIT_MS } from "./bounds.ts";
import { fingerprintOf, isMadeSo } from "./fingerprint.ts";
import { APP_RENAMES_MAX, appNameOf, METADATA_SANDBOX } from "./names.ts";
import { createReconciler, type LoopPorts, type StoragePort, type Verdict } from "./loop.ts";
import { DEFAULT_MACHINE_SIZE } from "./sizes.ts";
import {
  type OperationResult,
  operationResultOf,
  type ProvisionRequest,
  type ProvisionResult,
} from "./operations.ts";
import { admitSecrets, withSeals } from "./secrets.ts";
import { nextAlarmAt } from "./schedule.ts";
import { createSettingsOperations, type Lost, type SettingsOperations } from "./settings-operations.ts";
import { givenIn, isTooLarge, mergeSettings, NO_SETTINGS, takeOver } from "./settings.ts";
import type { InstanceState, Intent } from "./state.ts";
import { type Identity, newState, withIntent, withNewGeneration, withStatus } from "./wishes.ts";
import type { ReadState } from "./stored.ts";

export type KeeperPorts = Omit<LoopPorts, "storage" | "onWork"> & {
  storage: KeeperStorage;
  /** In [0, 1). */
  random: () => number;
  /** The names of an instance and of what it consists of. */
  identify: (userId: string, sandboxId: string | null) => Promise<Identity>;
  /** Regions by priority. */
  regions: string[];
  registry: RegistryPort;
};

export type KeeperStorage = StoragePort & {
  read(): ReadState;
  setAlarm(at: number): Promise<void>;
};

/** What the registry knows of a user's instance; asked only when the object has no record. */
export type RegistryPort = {
  findActiveInstance(
    userId: string,
  ): Promise<
    | { kind: "found"; instance: { sandboxId: string; createdAt: Date } }
    | { kind: "absent" }
    | { kind: "unavailable" }
  >;
};

/**
 * The operations of one instance and its alarm, free of the Workers API: each writes the intent and runs the loop, and every rule
 * is in `decide`. Nothing is thrown on purpose. The caller has made sure that a record that is there can be read.
 */
export type Keeper = SettingsOperations & {
  /** Makes the instance known, or takes over changed settings. Idempotent; refused while it is being destroyed. */
  provision(request: ProvisionRequest): Promise<ProvisionResult>;
  /** Brings the instance up with the newest configuration; one that runs is left alone. */
  start(userId: string): Promise<OperationResult>;
  stop(userId: string): Promise<OperationResult>;
  /** Replaces the running machine's configuration by the newest one, which restarts it. */
  restart(userId: string): Promise<OperationResult>;
  /** Deletes everything and then the record. By force, a destroy that is under way forgets what Fly keeps. */
  destroy(userId: string, options?: { force: boolean }): Promise<OperationResult>;
  /** The same wish again: compares with reality at once, for somebody who waits, and so without any cooldown. */
  repair(userId: string): Promise<OperationResult>;
  /** One pass for a request that found the machine silent. Doubts are no wish: cooldowns hold. */
  doubt(): Promise<void>;
  /** Makes the record of an instance that the registry knows and the object has lost; looks for it in the background. */
  restore(userId: string): Promise<void>;
  /** Arms its successor before anything else. */
  alarm(): Promise<void>;
};

/** A registry row that is younger may have been written for the very provision that asks. */
const FRESH_ROW_MS = 120_000;

/** What a restored instance is to do, where a user says so, and where nobody does. */
const WISHED = { adoptsIntent: false, mayEnd: false };
const UNWISHED = { adoptsIntent: true, mayEnd: true };

/** The keeper of one instance over its ports. Instants and pauses are milliseconds. */
export function createKeeper(ports: KeeperPorts): Keeper {
  const { storage, clock } = ports;
  /** An alarm found the instance at rest and armed no earlier one. */
  let isResting = false;
  const reconciler = createReconciler({
    ...ports,
    async onWork() {
      if (!isResting) return;
      isResting = false;
      // Should the object end in the middle of it, the work is taken up soon.
      await storage.setAlarm(clock.now() + ALARM_WAIT_MS);
    },
  });

  /** Runs or joins the effort, and arms the alarm by how it ended. */
  const run = async (until: number): Promise<Verdict> => {
    const verdict = await reconciler.run(until);
    const state = storage.load();
    if (state !== null) await storage.setAlarm(alarmAt(state, verdict));
    return verdict;
  };

  const alarmAt = (state: InstanceState, verdict: Verdict): number =>
    nextAlarmAt(state.status, state.statusSince, verdict, clock.now(), ports.random());

  /** The two things that every operation does: it writes the intent, and it runs the loop. */
  const operate = async (name: string, next: InstanceState): Promise<OperationResult> => {
    const now = clock.now();
    isResting = false;
    storage.save(next);
    // Armed with the record, so that none stands without an alarm, whatever becomes of the line in the log.
    const armed = storage.setAlarm(now + ALARM_AFTER_OPERATION_MS);
    storage.append({
      at: now,
      kind: "operation",
      what: name,
      why: `the intent is ${next.intent}`,
      outcome: null,
      durationMs: null,
    });
    await armed;
    reconciler.nudge();
    const verdict = await run(now + OPERATION_WAIT_MS);
    const after = storage.load();
    // The record goes with the last step of a destroy.
    if (after === null) return { kind: "settled", status: "destroying" };
    return operationResultOf(after, verdict.kind === "settled");
  };

  const fresh = (identity: Identity, regions: string[]): InstanceState => {
    const wishes = { regions, machineSize: DEFAULT_MACHINE_SIZE, sizeWished: false, settings: NO_SETTINGS };
    const fingerprint = fingerprintOf(ports.machineDefaults, wishes.machineSize, wishes.settings);
    return newState(identity, { ...wishes, fingerprint }, clock.now());
  };

  /** The record of an instance that the registry knows; its ids are to be found before anything else. */
  const lost = async (
    userId: string,
    {
      adoptsIntent,
      mayEnd,
      rowAgeMsMin = 0,
    }: { adoptsIntent: boolean; mayEnd: boolean; rowAgeMsMin?: number },
  ): Promise<Lost> => {
    const answer = await ports.registry.findActiveInstance(userId);
    if (answer.kind === "unavailable") return { kind: "registry_unreachable" };
    if (answer.kind === "absent") return { kind: "not_provisioned" };
    const now = clock.now();
    const { sandboxId, createdAt } = answer.instance;
    if (now - createdAt.getTime() < rowAgeMsMin) return { kind: "not_provisioned" };
    const state = fresh(await ports.identify(userId, sandboxId), ports.regions);
    const recovery = { since: now, empty: null, adoptsIntent, appSearched: false, mayEnd };
    return { kind: "lost", state: { ...state, status: "recovering", recovery } };
  };

  const wish = async (
    userId: string,
    name: string,
    intent: Intent,
    adjust: (asked: InstanceState, fingerprint: string, before: InstanceState) => InstanceState,
  ): Promise<OperationResult> => {
    const found: Lost | null = storage.load() === null ? await lost(userId, WISHED) : null;
    // Another operation may have made the record meanwhile.
    const state = storage.load() ?? (found?.kind === "lost" ? found.state : null);
    if (state === null) return found?.kind === "registry_unreachable" ? found : { kind: "not_provisioned" };
    if (state.intent === "destroyed" && intent !== "destroyed") return { kind: "destroying" };
    const fingerprint = fingerprintOf(ports.machineDefaults, state.machineSize, state.settings);
    return operate(name, adjust(withIntent(state, intent, clock.now()), fingerprint, state));
  };

  const provision = async (request: ProvisionRequest): Promise<ProvisionResult> => {
    const { userId, region } = request;
    const admission = await admitSecrets(request, storage.load()?.settings ?? null, userId, ports.secretBox);
    if (admission.kind !== "admitted") return admission;
    const identity = await ports.identify(userId, null);
    // An instance that the registry has known for a while is not made anew beside what it has at Fly.
    const found: Lost | null =
      storage.load() === null
        ? await lost(userId, { adoptsIntent: true, mayEnd: false, rowAgeMsMin: FRESH_ROW_MS })
        : null;
    if (found?.kind === "registry_unreachable" && storage.load() === null) return found;
    // From here to the write nothing is awaited, so that no other operation comes in between.
    const current = storage.load() ?? (found?.kind === "lost" ? found.state : null);
    if (current?.intent === "destroyed") return { kind: "destroying" };
    const settings = withSeals(mergeSettings(current?.settings ?? NO_SETTINGS, request), admission.seals);
    if (isTooLarge(settings)) return { kind: "settings_too_large" };
    const machineSize = request.machineSize ?? current?.machineSize ?? DEFAULT_MACHINE_SIZE;
    const fingerprint = fingerprintOf(ports.machineDefaults, machineSize, settings);
    const base = current ?? fresh(identity, preferring(ports.regions, region));
    const next =
      current === null
        ? { ...base, machineSize, sizeWished: request.machineSize !== undefined, settings, fingerprint }
        : takeOver(
            found?.kind === "lost" ? { ...current, regions: preferring(ports.regions, region) } : current,
            {
              machineSize,
              sizeWished: request.machineSize !== undefined,
              settings,
              given: givenIn(request),
              fingerprint,
              isCurrent: isMadeSo(ports.machineDefaults, current),
            },
            clock.now(),
          );
    await operate("provision", next);
    return { kind: "provisioned", sandboxId: next.sandboxId, status: storage.load()?.status ?? next.status };
  };

  const settingsOperations = createSettingsOperations(ports, {
    operate,
    find: (userId) => lost(userId, { adoptsIntent: true, mayEnd: false }),
  });

  return {
    provision,
    ...settingsOperations,
    start: (userId) =>
      wish(userId, "start", "running", (asked, fingerprint, before) =>
        before.status === "running" || isUnread(before) || before.fingerprint === fingerprint
          ? asked
          : withNewGeneration(asked, fingerprint),
      ),
    stop: (userId) => wish(userId, "stop", "stopped", (asked) => asked),
    restart: (userId) =>
      wish(userId, "restart", "running", (asked, fingerprint) =>
        withStatus(
          // A machine whose settings nobody knows is not given others.
          asked.settingsLost ? asked : withNewGeneration(asked, fingerprint),
          "starting",
          clock.now(),
        ),
      ),
    async destroy(userId, { force } = { force: false }) {
      const state = storage.load();
      if (!force || state?.intent !== "destroyed")
        return wish(userId, "destroy", "destroyed", (asked) => asked);
      ports.warn(
        { what: "forgotten", why: `By force, though Fly may keep ${remainsOf(state)}.` },
        state.sandboxId,
      );
      await storage.erase();
      reconciler.nudge();
      return { kind: "settled", status: "destroying" };
    },
    async repair(userId) {
      const state = storage.load();
      if (state === null) {
        const found = await lost(userId, UNWISHED);
        if (storage.load() === null) return found.kind === "lost" ? operate("repair", found.state) : found;
      }
      const current = storage.load();
      if (current === null) return { kind: "not_provisioned" };
      if (current.intent === "destroyed") return operate("repair", { ...current, retryAt: null });
      // A repair wishes for nothing: where nobody knows what was wished, it stays to be seen.
      const { recovery } = current;
      return operate("repair", { ...withIntent(current, current.intent, clock.now()), recovery });
    },
    async doubt() {
      if (storage.load() !== null) await run(clock.now() + DOUBT_WAIT_MS);
    },
    async restore(userId) {
      const found = await lost(userId, UNWISHED);
      if (found.kind !== "lost" || storage.load() !== null) return;
      storage.save(found.state);
      await storage.setAlarm(clock.now());
    },
    async alarm() {
      const state = storage.load();
      if (state === null) return;
      const until = clock.now() + ALARM_WAIT_MS;
      if (!isAtRest(state)) {
        await storage.setAlarm(alarmAt(state, { kind: "pending", nextAt: until }));
        await run(until);
        return;
      }
      // Most alarms find nothing to do, and so this one is the only write; work that turns up has its own (see `onWork`).
      const armedAt = alarmAt(state, SETTLED);
      await storage.setAlarm(armedAt);
      isResting = true;
      const verdict = await reconciler.run(until);
      const after = storage.load();
      if (after === null) return;
      const isStill = isResting && verdict.kind === "settled" && (verdict.againAt ?? armedAt) >= armedAt;
      if (!isStill || after.status !== state.status) await storage.setAlarm(alarmAt(after, verdict));
    },
  };
}

/** Whether its settings are still to be found, or could not be. */
function isUnread({ recovery, settingsLost }: InstanceState): boolean {
  return recovery !== null || settingsLost;
}

function isAtRest({ status, lastError, creating }: InstanceState): boolean {
  const rests = status === "running" || status === "stopped" || status === "provisioned";
  return rests && lastError === null && creating === null;
}

const SETTLED: Verdict = { kind: "settled", againAt: null };

function preferring(regions: string[], wished: string | undefined): string[] {
  return wished === undefined ? regions : [wished, ...regions.filter((region) => region !== wished)];
}

/** An app that was not found may have one of its later names. */
function laterNames({ userId, ownApp }: InstanceState): string {
  if (ownApp?.stage !== "wanted") return "";
  const names = Array.from({ length: APP_RENAMES_MAX + 1 }, (_, renames) => appNameOf(userId, renames));
  return ` under one of the names ${names.join(", ")}`;
}

/** The ids and names by which an operator finds what was left at Fly; ids that were lost are found by the names. */
function remainsOf(state: InstanceState): string {
  const { machine, volume, candidate, leftovers, appName, ownApp, sandboxId, volumeName } = state;
  const ids = [
    machine?.id ?? state.pendingDestroyMachineId,
    volume?.id ?? state.pendingDestroyVolumeId,
    candidate?.id ?? null,
    state.creating?.name ?? null,
    ...leftovers.map(({ id }) => id),
  ].filter((id) => id !== null);
  const named = `in the app ${appName} machines of ${METADATA_SANDBOX} ${sandboxId} and volumes named ${volumeName}`;
  const app = ownApp === null ? "" : `, and the app itself${laterNames(state)}`;
  return ids.length === 0 ? `${named}${app}` : `${ids.join(", ")}, ${named}${app}`;
}
