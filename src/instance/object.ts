import { DurableObject } from "cloudflare:workers";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { sandboxIdOf } from "../auth/sandbox-id.ts";
import { type Config, type Env, flyProxyUrl, readConfig } from "../config.ts";
import { createSecretBox } from "../crypto/secret-box.ts";
import { openFly } from "../fly/open.ts";
import type { MachineAddress } from "../gateway/ask.ts";
import { createControllerClient } from "../gateway/client.ts";
import { askHealth } from "../gateway/health.ts";
import { createLogger } from "../log.ts";
import { openRegistry } from "../registry/registry.ts";
import { ALARM_WAIT_MS } from "./bounds.ts";
import { createEnvSeal } from "./env-seal.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import { appNameOf, volumeNameOf } from "./names.ts";
import {
  type ConfigResult,
  configViewOf,
  errorViewOf,
  type EventsResult,
  type NamesResult,
  type OperationResult,
  type ProvisionRequest,
  type ProvisionResult,
  type Refusal,
  type RouteResult,
  type SettingsPatch,
  type SettingsResult,
  type StatusResult,
  statusViewOf,
} from "./operations.ts";
import type { InstanceState } from "./state.ts";
import { type Identity, newOwnApp } from "./wishes.ts";
import { createStore, type InstanceStore } from "./store.ts";

/**
 * One user's instance, the only writer of its machine and volume. A thin shell: an operation stores the intent and
 * runs the loop; every rule is in `decide`. Nothing is thrown on purpose across its RPC.
 */
export class KiloClawInstance extends DurableObject<Env> {
  readonly #store: InstanceStore;
  readonly #log = createLogger("instance");
  #keeper: Keeper | null = null;
  #restoreAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = createStore(ctx.storage);
  }

  async provision(request: ProvisionRequest): Promise<ProvisionResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : this.#noted(await opened.keeper.provision(request));
  }

  async configure(userId: string, patch: SettingsPatch): Promise<SettingsResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : this.#noted(await opened.keeper.configure(userId, patch));
  }

  async rotate(userId: string): Promise<SettingsResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : this.#noted(await opened.keeper.rotate(userId));
  }

  async start(userId: string): Promise<OperationResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : opened.keeper.start(userId);
  }

  async stop(userId: string): Promise<OperationResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : opened.keeper.stop(userId);
  }

  async restart(userId: string): Promise<OperationResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : opened.keeper.restart(userId);
  }

  async destroy(userId: string, options: { force: boolean }): Promise<OperationResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : opened.keeper.destroy(userId, options);
  }

  async repair(userId: string): Promise<OperationResult> {
    const opened = this.#open();
    return "kind" in opened ? opened : opened.keeper.repair(userId);
  }

  async doubt(): Promise<void> {
    const opened = this.#open();
    if (!("kind" in opened)) await opened.keeper.doubt();
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

  /** Where the user's requests go. */
  async resolveRoute(userId: string): Promise<RouteResult> {
    return this.#resolve(userId, ({ status }) => status === "running");
  }

  /** Where the controller is asked: also that of a gateway which can't start, for which it stays up. */
  async resolveController(userId: string): Promise<RouteResult> {
    return this.#resolve(userId, isControllerUp);
  }

  /** What is known of the instance whether it runs or not; a lost record is restored as for a request to it. */
  async resolveNames(userId: string): Promise<NamesResult> {
    const state = await this.#known(userId);
    if ("kind" in state) return state;
    const { sandboxId, appName, volume, recovery } = state;
    return {
      kind: "names",
      sandboxId,
      appName,
      volumeId: volume?.id ?? null,
      isRecovering: recovery !== null,
    };
  }

  /** Throws only when not even its successor can be armed: then the runtime is to ring again. */
  override async alarm(): Promise<void> {
    try {
      const opened = this.#open();
      // Configuration comes with a deployment, which starts the object anew; until then it is looked for now and then.
      if ("kind" in opened) await this.ctx.storage.setAlarm(Date.now() + ALARM_WAIT_MS);
      else await opened.keeper.alarm();
    } catch (cause) {
      this.#log.error("alarm_failed", { id: this.ctx.id.toString(), cause });
      await this.ctx.storage.setAlarm(Date.now() + ALARM_WAIT_MS);
    }
  }

  async #resolve(userId: string, isOpen: (state: InstanceState) => boolean): Promise<RouteResult> {
    const state = await this.#known(userId);
    if ("kind" in state) return state;
    const { status, lastError, machine, appName, sandboxId, epoch } = state;
    if (machine === null || !isOpen(state)) {
      return { kind: "not_running", status, lastError: errorViewOf(lastError) };
    }
    return { kind: "route", appName, machineId: machine.id, sandboxId, epoch };
  }

  /** A record that was lost is made anew from the registry, at most once a minute. */
  async #known(userId: string): Promise<InstanceState | Refusal> {
    const read = this.#store.read();
    if (read.kind === "unreadable") return this.#unreadable(read.issues);
    if (read.kind === "absent") await this.#restore(userId);
    return this.#store.load() ?? { kind: "not_provisioned" };
  }

  /** What only an operator can set right is in the log. */
  #noted<T extends { kind: string }>(result: T): T {
    if (result.kind === "no_secrets_key") {
      this.#log.error("misconfigured", {
        problems: ["AGENT_ENV_VARS_PRIVATE_KEY: is required for sealed values"],
      });
    }
    return result;
  }

  async #restore(userId: string): Promise<void> {
    const now = Date.now();
    if (now < this.#restoreAt) return;
    this.#restoreAt = now + RESTORE_PAUSE_MS;
    const opened = this.#open();
    if (!("kind" in opened)) await opened.keeper.restore(userId);
  }

  /** What the operations need, or why nothing may be done. */
  #open(): { keeper: Keeper } | Refusal {
    const read = readConfig(this.env);
    if (read.kind === "misconfigured") {
      this.#log.error("misconfigured", { problems: read.problems });
      return { kind: "misconfigured" };
    }
    const stored = this.#store.read();
    if (stored.kind === "unreadable") return this.#unreadable(stored.issues);
    this.#keeper ??= this.#createKeeper(read.config);
    return { keeper: this.#keeper };
  }

  #createKeeper({ fly, gatewayTokenSecret, machineDefaults, secretKeys }: Config): Keeper {
    const addressOf = (appName: string, machineId: string): MachineAddress => ({
      proxyUrl: flyProxyUrl(fly.proxyUrlPattern, appName),
      machineId,
    });
    return createKeeper({
      storage: this.#store,
      clock: { now: () => Date.now(), sleep },
      random: () => Math.random(),
      fly: openFly(fly, this.#log),
      health: (appName, machineId) => askHealth(addressOf(appName, machineId)),
      controller: (appName, machineId, gatewayToken) =>
        createControllerClient({ ...addressOf(appName, machineId), gatewayToken }),
      tokens: (sandboxId) => machineTokensOf(gatewayTokenSecret, sandboxId),
      envSeal: createEnvSeal(gatewayTokenSecret),
      secretBox: createSecretBox(secretKeys),
      machineDefaults,
      regions: fly.regions,
      registry: openRegistry(this.env.HYPERDRIVE),
      identify: (userId, sandboxId) => identify(userId, sandboxId, fly.app),
      warn: ({ what, why }, sandboxId) => this.#log.warn(what, { sandboxId, why }),
    });
  }

  #unreadable(issues: string): { kind: "state_unreadable" } {
    this.#log.error("state_unreadable", { id: this.ctx.id.toString(), issues });
    return { kind: "state_unreadable" };
  }
}

/** The machine is up by what the last look at it said, whatever its gateway does. */
function isControllerUp({ status, lastError }: InstanceState): boolean {
  const isHindered = lastError?.code === "gateway_degraded" || lastError?.code === "gateway_not_ready";
  return status === "running" || (isHindered && (status === "starting" || status === "recovering"));
}

/** A route that is asked for again and again is no reason to ask the registry each time. */
const RESTORE_PAUSE_MS = 60_000;

async function identify(
  userId: string,
  knownSandboxId: string | null,
  app: Config["fly"]["app"],
): Promise<Identity> {
  const sandboxId = knownSandboxId ?? (await sandboxIdOf(userId));
  const volumeName = await volumeNameOf(sandboxId);
  return app.kind === "shared"
    ? { userId, sandboxId, volumeName, appName: app.name, ownApp: null }
    : {
        userId,
        sandboxId,
        volumeName,
        appName: appNameOf(userId, 0),
        ownApp: newOwnApp(app.orgSlug),
      };
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
