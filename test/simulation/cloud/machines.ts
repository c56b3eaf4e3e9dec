import { type Answer, type Handled, ok, type Refusal, REFUSALS } from "./answers.ts";
import { type Cloud, shownAt } from "./cloud.ts";
import { STREAM } from "./streams.ts";
import { type App, isGone, type Machine, type MachineBody, type Volume } from "./model.ts";
import { boot, type EnvManner, ODD_MANNERS } from "./program.ts";
import { type MachineView, viewOfMachine } from "./views.ts";

/** GET /v1/apps/{app}/machines/{id} (fly-machines-api.md §4.3). */
export function getMachine(cloud: Cloud, appName: string, id: string): Answer<MachineView> {
  const machine = cloud.app(appName)?.machines.get(id);
  if (cloud.app(appName) === null) return REFUSALS.appMissing();
  if (machine === undefined || cloud.now < machine.visibleAt || isForgotten(cloud, machine)) {
    return REFUSALS.machineMissing();
  }
  return ok(viewOfMachine(machine, machine.state));
}

/** GET /v1/apps/{app}/machines?metadata.{key}={value} (§4.13): eventually consistent, destroyed ones left out. */
export function listMachines(
  cloud: Cloud,
  appName: string,
  filter: { key: string; value: string } | null,
): Answer<MachineView[]> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  if (cloud.areListsEmpty) return ok([]);
  const at = cloud.now - cloud.listLagMs;
  const found: MachineView[] = [];
  for (const machine of app.machines.values()) {
    if (cloud.now < machine.listedAt) continue;
    if (filter !== null && machine.config.metadata?.[filter.key] !== filter.value) continue;
    const state = shownAt(machine.shown, at);
    if (state !== null && state !== "destroyed") found.push(viewOfMachine(machine, state));
  }
  return ok(found);
}

/** POST /v1/apps/{app}/machines (§4.1, §4.2). */
export function createMachine(
  cloud: Cloud,
  appName: string,
  body: MachineBody,
  ours: boolean,
): Answer<MachineView> {
  const app = cloud.app(appName);
  if (app === null) return REFUSALS.appMissing();
  const name = body.name ?? `aged-thunder-${app.machines.size}`;
  const refusal = refuseName(cloud, app, name) ?? refuseSecrets(cloud, app, body);
  if (refusal !== null) return refusal;
  const mount = body.config.mounts?.[0];
  const volume = mount === undefined ? null : (app.volumes.get(mount.volume) ?? null);
  if (mount !== undefined && (volume === null || isGone(volume))) return REFUSALS.mountMissing();
  const region = body.region ?? volume?.region ?? "ams";
  if (cloud.quotaRegions.has(region)) return REFUSALS.quota(region);
  const unusable = volume === null ? null : refuseMount(cloud, volume, region);
  if (unusable !== null) return unusable;
  const host = volume?.host ?? cloud.pickHost(region, null);
  if (host === null) return REFUSALS.noHost();
  const { now } = cloud;
  const machine: Machine = {
    id: cloud.newId(),
    app,
    name,
    region,
    host,
    volume,
    config: body.config,
    state: "created",
    shown: [],
    instanceId: cloud.newVersion(),
    createdAt: now,
    updatedAt: now,
    ...cloud.visibility(),
    forgottenAt: Number.POSITIVE_INFINITY,
    events: [],
    lease: null,
    stuck: "no",
    change: () => undefined,
    held: null,
    readyAt: Number.POSITIVE_INFINITY,
    controller: { kind: "normal" },
    isOpened: true,
    program: { manner: drawManner(cloud), told: null, inUse: null },
    ours,
    forgotten: false,
  };
  app.machines.set(machine.id, machine);
  if (volume !== null) volume.machine = machine;
  cloud.become(machine, "created", "launch", "user");
  if (body.skip_launch !== true) {
    cloud.later(machine, cloud.between(STREAM.pull, cloud.world.pull), () => comeUp(cloud, machine, "flyd"));
  }
  return ok(viewOfMachine(machine, machine.state));
}

function refuseName(cloud: Cloud, app: App, name: string): Refusal | null {
  for (const machine of app.machines.values()) {
    if (machine.name !== name || machine.state === "destroyed") continue;
    return cloud.chance(STREAM.unreadable, cloud.world.unreadableShare)
      ? REFUSALS.nameTakenUnreadably()
      : REFUSALS.nameTaken(machine.id, name);
  }
  return null;
}

function refuseSecrets(cloud: Cloud, app: App, { min_secrets_version: wanted }: MachineBody): Refusal | null {
  if (wanted === undefined) return null;
  return wanted > app.secretsVersion || cloud.now < app.secretsSeenAt
    ? REFUSALS.secretsNotSeen(wanted)
    : null;
}

function refuseMount(cloud: Cloud, volume: Volume, region: string): Refusal | null {
  if (volume.region !== region) return REFUSALS.wrongRegion(volume.id, volume.region, region);
  const holder = cloud.holderOf(volume);
  if (holder !== null) return REFUSALS.volumeClaimed(holder);
  if (volume.host.status !== "ok" || volume.host.full) return REFUSALS.volumeHostFull(volume.id);
  return null;
}

/** POST /v1/apps/{app}/machines/{id} (§4.4): the whole configuration is replaced. */
export function updateMachine(
  cloud: Cloud,
  appName: string,
  id: string,
  body: MachineBody,
): Answer<MachineView> {
  const found = reach(cloud, appName, id);
  if (!found.ok) return found;
  const machine = found.body;
  const leased = refuseLease(cloud, machine);
  if (leased !== null) return leased;
  if (body.current_version !== undefined && body.current_version !== machine.instanceId) {
    return REFUSALS.concurrentUpdate();
  }
  const secrets = refuseSecrets(cloud, machine.app, body);
  if (secrets !== null) return secrets;
  if (machine.state === "destroying") return REFUSALS.machineMissing();
  if (machine.state === "replacing" || machine.state === "stopping" || machine.stuck !== "no") {
    return REFUSALS.concurrentUpdate();
  }
  if (machine.host.full && machine.state !== "started") return REFUSALS.hostFull();
  const mount = remount(cloud, machine, body);
  if (mount !== null) return mount;
  const comesUp = machine.state !== "stopped" && machine.state !== "failed" && body.skip_launch !== true;
  machine.config = body.config;
  machine.instanceId = cloud.newVersion();
  if (machine.state === "started" && machine.volume !== null) cloud.write(machine.volume);
  cloud.become(machine, "replacing", "update", "user");
  cloud.later(machine, cloud.between(STREAM.replace, cloud.world.replace), () => {
    if (comesUp) comeUp(cloud, machine, "flyd");
    else cloud.become(machine, "stopped", "exit");
  });
  return ok(viewOfMachine(machine, machine.state));
}

/** An update that names another volume: taken over by a machine that is down, if the volume is one that it can have. */
function remount(cloud: Cloud, machine: Machine, { config }: MachineBody): Refusal | null {
  const mount = config.mounts?.[0];
  if ((mount?.volume ?? null) === (machine.volume?.id ?? null)) return null;
  const volume = mount === undefined ? null : (machine.app.volumes.get(mount.volume) ?? null);
  if (volume === null || isGone(volume)) return REFUSALS.mountMissing();
  const refusal = refuseMount(cloud, volume, machine.region);
  if (refusal !== null) return refusal;
  if (machine.volume !== null) machine.volume.machine = null;
  machine.volume = volume;
  volume.machine = machine;
  return null;
}

/** POST /v1/apps/{app}/machines/{id}/start (§4.5). */
export function startMachine(cloud: Cloud, appName: string, id: string): Answer<object> {
  const found = reach(cloud, appName, id);
  if (!found.ok) return found;
  const machine = found.body;
  const leased = refuseLease(cloud, machine);
  if (leased !== null) return leased;
  const previous = machine.state;
  switch (previous) {
    case "started":
      break;
    case "starting":
      return REFUSALS.stillStarting();
    case "replacing":
      return REFUSALS.gettingReplaced();
    case "created":
    case "stopping":
    case "destroying":
    case "destroyed":
      return REFUSALS.cannotStart(previous);
    case "stopped":
    case "failed":
      // Reads as stopped, and is not (F-08, F-10).
      if (machine.stuck !== "no") return REFUSALS.stillActive();
      if (machine.volume !== null && isGone(machine.volume)) return REFUSALS.mountMissing();
      if (machine.host.full) return REFUSALS.hostFull();
      comeUp(cloud, machine, "user");
      break;
    default:
      return previous satisfies never;
  }
  return ok({ previous_state: previous, migrated: false, new_host: "" });
}

/** POST /v1/apps/{app}/machines/{id}/stop (§4.6): somebody else's lease makes it wait (§4.11). */
export function stopMachine(cloud: Cloud, appName: string, id: string): Handled<object> {
  const found = reach(cloud, appName, id);
  if (!found.ok) return found;
  return afterLease(cloud, found.body, (machine) => {
    if (machine.state === "destroyed") return REFUSALS.machineMissing();
    const isDown = machine.state === "stopped" || machine.state === "stopping" || machine.state === "failed";
    if (isDown || machine.state === "destroying" || machine.stuck !== "no") return ok({ ok: true });
    if (machine.state === "started" && machine.volume !== null) cloud.write(machine.volume);
    cloud.become(machine, "stopping", "stop", "user");
    cloud.later(machine, cloud.between(STREAM.stop, cloud.world.stop), () =>
      cloud.become(machine, "stopped", "exit", "flyd", exitOf(0, true)),
    );
    return ok({ ok: true });
  });
}

/** DELETE /v1/apps/{app}/machines/{id} (§4.11). */
export function destroyMachine(cloud: Cloud, appName: string, id: string, force: boolean): Handled<object> {
  const machine = cloud.app(appName)?.machines.get(id);
  if (cloud.app(appName) === null) return REFUSALS.appMissing();
  if (machine === undefined || isForgotten(cloud, machine)) return REFUSALS.machineMissing();
  return afterLease(cloud, machine, () => {
    if (machine.state === "destroyed" || machine.state === "destroying") return ok({ ok: true });
    const isUp = machine.state !== "stopped" && machine.state !== "failed" && machine.state !== "created";
    if (!force && isUp) return REFUSALS.notStopped();
    if (machine.state === "started" && machine.volume !== null && machine.host.status === "ok") {
      cloud.write(machine.volume);
    }
    if (machine.stuck === "soft") machine.stuck = "no";
    cloud.become(machine, "destroying", "destroy", "user");
    cloud.later(machine, cloud.between(STREAM.destroy, cloud.world.destroy), () => cloud.destroyed(machine));
    if (machine.host.status !== "ok" && cloud.chance(STREAM.away, 0.5)) return REFUSALS.hostAway();
    return ok({ ok: true });
  });
}

function drawManner(cloud: Cloud): EnvManner {
  if (!cloud.chance(STREAM.program, cloud.world.oddProgramShare)) return "takes";
  return ODD_MANNERS[Math.floor(cloud.draw(STREAM.program) * ODD_MANNERS.length)] ?? "takes";
}

/** The machine boots, and its program with it. */
export function comeUp(cloud: Cloud, machine: Machine, source: "user" | "flyd"): void {
  cloud.become(machine, "starting", "start", source);
  cloud.later(machine, cloud.between(STREAM.start, cloud.world.start), () => {
    machine.readyAt = cloud.now + cloud.between(STREAM.ready, cloud.world.ready);
    machine.isOpened = hasKey(machine);
    cloud.become(machine, "started", "start");
    if (machine.volume !== null) cloud.write(machine.volume);
    boot(machine);
    if (machine.controller.kind !== "crashing") return;
    cloud.later(machine, cloud.between(STREAM.ready, cloud.world.ready), () =>
      cloud.become(machine, "stopped", "exit", "flyd", exitOf(1, false)),
    );
  });
}

/** The version of the key that an environment is sealed with; the simulated seal tells it, and the app's secret lists those it has. */
export const SEALED_WITH = "KILOCLAW_SEALED_WITH";

function hasKey({ config, app }: Machine): boolean {
  const version = config.env?.[SEALED_WITH];
  if (version === undefined) return true;
  return [...app.secrets.values()].some((keys) => keys.split(",").includes(version));
}

/** §4.14. */
export function exitOf(code: number, requested: boolean): object {
  return {
    exit_event: {
      requested_stop: requested,
      restarting: false,
      guest_exit_code: code,
      guest_signal: -1,
      exit_code: code,
      signal: -1,
      oom_killed: false,
    },
    restart_count: 0,
  };
}

/** A machine on which something can be done: there, and on a host that answers (§5.2). */
function reach(cloud: Cloud, appName: string, id: string): Answer<Machine> {
  const machine = cloud.app(appName)?.machines.get(id);
  if (cloud.app(appName) === null) return REFUSALS.appMissing();
  if (machine === undefined || machine.state === "destroyed") return REFUSALS.machineMissing();
  if (machine.host.status === "ok") return ok(machine);
  return cloud.chance(STREAM.away, 0.5) ? REFUSALS.hostAway() : REFUSALS.hostUnavailable();
}

function refuseLease(cloud: Cloud, { id, lease }: Machine): Refusal | null {
  if (lease === null || cloud.now >= lease.until) return null;
  return REFUSALS.leased(id, lease.holder, lease.until);
}

/** Stop and destroy don't refuse under somebody else's lease: they wait until it is over. */
function afterLease<T>(cloud: Cloud, machine: Machine, act: (machine: Machine) => Answer<T>): Handled<T> {
  const { lease, host } = machine;
  if (lease === null || cloud.now >= lease.until || host.status !== "ok") return act(machine);
  return (reply) => {
    cloud.clock.at(lease.until - cloud.now, () => {
      reply(act(machine));
      cloud.onChange();
    });
    // Whoever goes away does not take the call back: it is with Fly.
    return () => undefined;
  };
}

/** Whether not even its id is known any more. */
export function isForgotten(cloud: Cloud, machine: Machine): boolean {
  return cloud.now >= machine.forgottenAt;
}
