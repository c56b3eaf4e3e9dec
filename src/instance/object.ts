import { DurableObject } from "cloudflare:workers";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { sandboxIdOf } from "../auth/sandbox-id.ts";
import {
  ALARM_AFTER_OPERATION_MS,
  ALARM_WAIT_MS,
  type Config,
  DOUBT_WAIT_MS,
  type Env,
  flyProxyUrl,
  OPERATION_WAIT_MS,
  readConfig,
} from "../config.ts";
import { createFlyClient } from "../fly/client.ts";
import { askHealth } from "../gateway/health.ts";
import { createLogger } from "../log.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { createReconciler, type Reconciler, type Verdict } from "./loop.ts";
import { DEFAULT_MACHINE_SIZE } from "./machine-request.ts";
import { volumeNameOf } from "./names.ts";
import {
  type ConfigResult,
  configViewOf,
  errorViewOf,
  type EventsResult,
  type OperationResult,
  operationResultOf,
  type ProvisionRequest,
  type ProvisionResult,
  type Refusal,
  type RouteResult,
  type StatusResult,
  statusViewOf,
} from "./operations.ts";
import { nextAlarmAt } from "./schedule.ts";
import {
  type InstanceState,
  type Intent,
  newState,
  type Settings,
  withIntent,
  withNewGeneration,
  withStatus,
} from "./state.ts";
import { createStore, type InstanceStore } from "./store.ts";

/**
 * One user's instance, the only writer of its machine and volume. A thin shell: an operation stores the intent and
 * runs the loop; every rule is in `decide`. Nothing is thrown on purpose across its RPC.
 */
export class KiloClawInstance extends DurableObject<Env> {
  readonly #store: InstanceStore;
  readonly #log = createLogger("instance");
  #reconciler: Reconciler | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = createStore(ctx.storage);
  }

  /** Makes the instance known, or takes over changed settings. Idempotent; refused while it is being destroyed. */
  async provision(request: ProvisionRequest): Promise<ProvisionResult> {
    const opened = this.#open();
    if ("kind" in opened) return opened;
    const { config } = opened;
    const sandboxId = await sandboxIdOf(request.userId);
    const volumeName = await volumeNameOf(sandboxId);
    // From here to the write nothing is awaited, so that no other operation comes in between.
    const current = this.#store.load();
    if (current?.intent === "destroyed") return { kind: "destroying" };
    const settings = mergeSettings(current?.settings ?? NO_SETTINGS, request);
    const machineSize = request.machineSize ?? current?.machineSize ?? DEFAULT_MACHINE_SIZE;
    const fingerprint = fingerprintOf(config.machineDefaults, machineSize, settings);
    const now = Date.now();
    const next =
      current === null
        ? newState(
            { userId: request.userId, sandboxId, appName: config.fly.appName, volumeName },
            { regions: regionsOf(config, request.region), machineSize, settings, fingerprint },
            now,
          )
        : takeOver(current, machineSize, settings, fingerprint, now);
    await this.#operate("provision", next);
    return { kind: "provisioned", sandboxId, status: this.#store.load()?.status ?? next.status };
  }

  /** Brings the instance up with the newest configuration; one that runs is left alone. */
  async start(): Promise<OperationResult> {
    return this.#wish("start", "running", (asked, fingerprint, before) =>
      before.status === "running" || before.fingerprint === fingerprint
        ? asked
        : withNewGeneration(asked, fingerprint),
    );
  }

  async stop(): Promise<OperationResult> {
    return this.#wish("stop", "stopped", (asked) => asked);
  }

  /** Replaces the running machine's configuration by the newest one, which restarts it. */
  async restart(): Promise<OperationResult> {
    return this.#wish("restart", "running", (asked, fingerprint) =>
      withStatus(withNewGeneration(asked, fingerprint), "starting", Date.now()),
    );
  }

  /** Deletes machine, volume and record, in that order. */
  async destroy(): Promise<OperationResult> {
    return this.#wish("destroy", "destroyed", (asked) => asked);
  }

  /** The same wish again: compares with reality at once, for somebody who waits, and so without any cooldown. */
  async repair(): Promise<OperationResult> {
    const opened = this.#open();
    if ("kind" in opened) return opened;
    if (opened.state === null) return { kind: "not_provisioned" };
    const { intent } = opened.state;
    if (intent === "destroyed") return this.#operate("repair", { ...opened.state, retryAt: null });
    return this.#operate("repair", withIntent(opened.state, intent, Date.now()));
  }

  /** One pass for a request that found the machine silent. Doubts are no wish: cooldowns hold. */
  async doubt(): Promise<void> {
    const opened = this.#open();
    if ("kind" in opened || opened.state === null) return;
    await this.#run(opened.config, Date.now() + DOUBT_WAIT_MS);
  }

  async status(): Promise<StatusResult> {
    const read = this.#store.read();
    if (read.kind === "unreadable") return this.#unreadable(read.issues);
    return { kind: "status", view: statusViewOf(read.kind === "readable" ? read.state : null) };
  }

  async config(): Promise<ConfigResult> {
    const read = this.#store.read();
    if (read.kind === "unreadable") return this.#unreadable(read.issues);
    if (read.kind === "absent") return { kind: "not_provisioned" };
    return { kind: "config", view: configViewOf(read.state) };
  }

  /** The newest `limit` lines of the instance's log, newest first. */
  async events(limit: number): Promise<EventsResult> {
    const read = this.#store.read();
    if (read.kind === "unreadable") return this.#unreadable(read.issues);
    return { kind: "events", events: this.#store.events(limit) };
  }

  async resolveRoute(): Promise<RouteResult> {
    const read = this.#store.read();
    if (read.kind === "unreadable") return this.#unreadable(read.issues);
    if (read.kind === "absent") return { kind: "not_provisioned" };
    const { status, lastError, machine, appName, sandboxId, epoch } = read.state;
    if (status !== "running" || machine === null) {
      return { kind: "not_running", status, lastError: errorViewOf(lastError) };
    }
    return { kind: "route", appName, machineId: machine.id, sandboxId, epoch };
  }

  /** Arms its successor before anything else, and never throws: a lost alarm would leave a machine unwatched. */
  override async alarm(): Promise<void> {
    const stored = this.#store.read();
    if (stored.kind === "unreadable") this.#unreadable(stored.issues);
    if (stored.kind !== "readable") return;
    const { state } = stored;
    await this.ctx.storage.setAlarm(
      this.#nextAlarm(state, { kind: "pending", nextAt: Date.now() + ALARM_WAIT_MS }),
    );
    try {
      const read = readConfig(this.env);
      if (read.kind === "misconfigured") {
        this.#log.error("misconfigured", { problems: read.problems });
        return;
      }
      await this.#run(read.config, Date.now() + ALARM_WAIT_MS);
    } catch (cause) {
      this.#log.error("alarm_failed", { sandboxId: state.sandboxId, cause });
    }
  }

  async #wish(
    name: string,
    intent: Intent,
    adjust: (asked: InstanceState, fingerprint: string, before: InstanceState) => InstanceState,
  ): Promise<OperationResult> {
    const opened = this.#open();
    if ("kind" in opened) return opened;
    const { config, state } = opened;
    if (state === null) return { kind: "not_provisioned" };
    const fingerprint = fingerprintOf(config.machineDefaults, state.machineSize, state.settings);
    if (state.intent === "destroyed" && intent !== "destroyed") return { kind: "destroying" };
    return this.#operate(name, adjust(withIntent(state, intent, Date.now()), fingerprint, state));
  }

  /** The two things that every operation does: it writes the intent, and it runs the loop. */
  async #operate(name: string, next: InstanceState): Promise<OperationResult> {
    const opened = this.#open();
    if ("kind" in opened) return opened;
    const now = Date.now();
    this.#store.save(next);
    this.#store.append({
      at: now,
      kind: "operation",
      what: name,
      why: `the intent is ${next.intent}`,
      outcome: null,
      durationMs: null,
    });
    await this.ctx.storage.setAlarm(now + ALARM_AFTER_OPERATION_MS);
    this.#reconciler?.nudge();
    const verdict = await this.#run(opened.config, now + OPERATION_WAIT_MS);
    const after = this.#store.load();
    // The record goes with the last step of a destroy.
    if (after === null) return { kind: "settled", status: "destroying" };
    return operationResultOf(after, verdict.kind === "settled");
  }

  /** Runs or joins the effort, and arms the alarm by how it ended. */
  async #run(config: Config, until: number): Promise<Verdict> {
    this.#reconciler ??= this.#createReconciler(config);
    const verdict = await this.#reconciler.run(until);
    const state = this.#store.load();
    if (state !== null) await this.ctx.storage.setAlarm(this.#nextAlarm(state, verdict));
    return verdict;
  }

  #nextAlarm(state: InstanceState, verdict: Verdict): number {
    return nextAlarmAt(state.status, state.statusSince, verdict, Date.now(), Math.random());
  }

  #createReconciler(config: Config): Reconciler {
    const { fly, gatewayTokenSecret, machineDefaults } = config;
    return createReconciler({
      storage: this.#store,
      clock: { now: () => Date.now(), sleep },
      fly: createFlyClient({
        baseUrl: fly.apiBaseUrl,
        token: fly.apiToken,
        onCall: (call) => this.#log[call.refusal === null ? "debug" : "warn"]("fly_call", call),
      }),
      health: (appName, machineId) =>
        askHealth({ proxyUrl: flyProxyUrl(fly.proxyUrlPattern, appName), machineId }),
      tokens: (sandboxId) => machineTokensOf(gatewayTokenSecret, sandboxId),
      machineDefaults,
    });
  }

  /** Configuration and record, or why neither may be acted on. */
  #open(): { config: Config; state: InstanceState | null } | Refusal {
    const read = readConfig(this.env);
    if (read.kind === "misconfigured") {
      this.#log.error("misconfigured", { problems: read.problems });
      return { kind: "misconfigured" };
    }
    const stored = this.#store.read();
    if (stored.kind === "unreadable") return this.#unreadable(stored.issues);
    return { config: read.config, state: stored.kind === "readable" ? stored.state : null };
  }

  #unreadable(issues: string): { kind: "state_unreadable" } {
    this.#log.error("state_unreadable", { id: this.ctx.id.toString(), issues });
    return { kind: "state_unreadable" };
  }
}

const NO_SETTINGS: Settings = {
  envVars: {},
  kilocodeApiKey: null,
  kilocodeDefaultModel: null,
  channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
};

/** Absent keeps, null removes, a value sets. Environment variables are given as a whole. */
function mergeSettings(known: Settings, request: ProvisionRequest): Settings {
  const { envVars, kilocodeApiKey, kilocodeDefaultModel, channels = {} } = request;
  return {
    // In the order of their names, so that equal settings are equal texts.
    envVars: sortByName(envVars ?? known.envVars),
    kilocodeApiKey: kilocodeApiKey === undefined ? known.kilocodeApiKey : kilocodeApiKey,
    kilocodeDefaultModel:
      kilocodeDefaultModel === undefined ? known.kilocodeDefaultModel : kilocodeDefaultModel,
    channels: { ...known.channels, ...channels },
  };
}

/** Changed settings make a new generation, which a running machine takes over by an update, and comes up with. */
function takeOver(
  state: InstanceState,
  machineSize: InstanceState["machineSize"],
  settings: Settings,
  fingerprint: string,
  now: number,
): InstanceState {
  const unchanged =
    JSON.stringify([state.machineSize, state.settings]) === JSON.stringify([machineSize, settings]);
  if (unchanged) return state;
  const changed = withNewGeneration({ ...state, machineSize, settings }, fingerprint);
  return state.status === "running" ? withStatus(changed, "starting", now) : changed;
}

function sortByName<T>(entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function regionsOf(config: Config, wished: string | undefined): string[] {
  const { regions } = config.fly;
  return wished === undefined ? regions : [wished, ...regions.filter((region) => region !== wished)];
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
  });
}
