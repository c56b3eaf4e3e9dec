import { machineId, machineName, privateIp, ulid } from "../ids.ts";
import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { MachineConfig } from "../state/config.ts";
import type { App, Lease, Machine, Volume } from "../state/model.ts";
import { inApp, namedInApp, withMetadata } from "../state/store.ts";
import type { Cloud } from "./cloud.ts";
import { withEvent } from "./events.ts";
import { isForgotten } from "./find.ts";
import { gates } from "./gates.ts";
import { guestOf, refuseGuest } from "./guest.ts";
import { resolveImage } from "./image.ts";
import { refuseLeased, takeLease } from "./leases.ts";
import { candidateRegions } from "./regions.ts";
import { stopSettings } from "./stop-settings.ts";
import { chooseVolume, volumeAfterUpdate } from "./mounts.ts";

export interface LaunchRequest {
  name?: string | undefined;
  region?: string | undefined;
  config: MachineConfig;
  skipLaunch: boolean;
  skipServiceRegistration: boolean;
  skipSecrets: boolean;
  minSecretsVersion?: number | undefined;
  leaseTtlSeconds?: number | undefined;
}

export interface UpdateRequest extends LaunchRequest {
  /** The version that the caller believes is the current one. */
  currentVersion?: string | undefined;
}

/** A machine, with the lease that its maker asked for. */
export interface Launched {
  machine: Machine;
  lease?: Lease;
}

/** Versions kept for `GET …/versions`. */
const versionsMax = 20;

/** Makes a machine in state `created` and sends it on its way (contracts/fly-machines-api §4.1, §4.2). */
export function createMachine(cloud: Cloud, app: App, request: LaunchRequest): Outcome<Launched> {
  const refused =
    refuseConfig(request.config) ?? refuseName(cloud, app, request.name) ?? refuseSecrets(app, request);
  if (refused !== undefined) return refused;
  const candidates = candidateRegions(request.region, cloud.rules.nearestRegion);
  if (candidates instanceof Refusal) return candidates;
  const volume = chooseVolume(cloud, app, request, candidates);
  if (volume instanceof Refusal) return volume;

  const nowMs = cloud.clock.now();
  const id = machineId();
  const version = ulid(nowMs);
  const config = normalise(request.config, volume);
  const machine = withEvent(
    {
      id,
      app: app.name,
      name: request.name ?? machineName(),
      region: volume?.region ?? candidates[0] ?? cloud.rules.nearestRegion,
      state: "created",
      target: request.skipLaunch ? "created" : "started",
      prepared: false,
      instanceId: version,
      imageRef: resolveImage(config.image ?? ""),
      privateIp: privateIp(app.network),
      createdAt: nowMs,
      updatedAt: nowMs,
      config,
      secrets: request.skipSecrets ? {} : secretValues(app),
      cordoned: request.skipServiceRegistration,
      events: [],
      versions: [{ version, config }],
      restarts: [],
    },
    nowMs,
    { type: "launch", status: "created", source: "user" },
  );
  cloud.store.machines.put(machine);
  if (volume !== undefined) cloud.store.volumes.put({ ...volume, attachedMachineId: id });
  cloud.lifecycle.launch(id);
  return withLease(cloud, machine, request.leaseTtlSeconds);
}

/** Puts a new version in place of the old one; the config is replaced as a whole (§4.4). */
export function updateMachine(
  cloud: Cloud,
  app: App,
  machine: Machine,
  nonce: string | undefined,
  request: UpdateRequest,
): Outcome<Launched> {
  const refused =
    gates.update(machine) ??
    refuseLeased(cloud, machine, nonce) ??
    refuseVersion(machine, request.currentVersion) ??
    refuseConfig(request.config) ??
    refuseFixed(machine, request) ??
    refuseSecrets(app, request);
  if (refused !== undefined) return refused;

  const volume = volumeAfterUpdate(cloud, app, machine, request);
  if (volume instanceof Refusal) return volume;

  const nowMs = cloud.clock.now();
  const version = ulid(nowMs);
  const config = normalise(request.config, volume);
  const imageIsSame = config.image === machine.config.image;
  const before = machine.state;
  const updated = withEvent(
    {
      ...machine,
      state: "replacing",
      target: targetAfterUpdate(machine, request.skipLaunch),
      instanceId: version,
      imageRef: imageIsSame ? machine.imageRef : resolveImage(config.image ?? ""),
      config,
      secrets: request.skipSecrets ? {} : secretValues(app),
      versions: [{ version, config }, ...machine.versions].slice(0, versionsMax),
      restarts: [],
    },
    nowMs,
    { type: "update", status: "replacing", source: "user" },
  );
  cloud.store.machines.put(updated);
  if (volume !== undefined) cloud.store.volumes.put({ ...volume, attachedMachineId: machine.id });
  // A suspended machine has nobody awake to hear a signal, and its memory is discarded.
  const isAsleep = before === "suspended" || before === "suspending";
  cloud.lifecycle.replace(machine.id, stopSettings(machine, isAsleep ? { signal: "SIGKILL" } : {}));
  return withLease(cloud, updated, request.leaseTtlSeconds);
}

export interface ListFilter {
  includeDeleted: boolean;
  regions: readonly string[];
  states: readonly string[];
  metadata: ReadonlyMap<string, string>;
}

/** The app's machines that pass every filter, the oldest first. */
export function listMachines(cloud: Cloud, app: App, filter: ListFilter): Machine[] {
  const [entry] = [...filter.metadata].map(([key, value]) => withMetadata(app.name, key, value));
  return cloud.store.machines.find(entry ?? inApp(app.name)).filter((machine) => {
    if (isForgotten(cloud, machine)) return false;
    if (machine.state === "destroyed" && !filter.includeDeleted) return false;
    if (filter.regions.length > 0 && !filter.regions.includes(machine.region)) return false;
    if (filter.states.length > 0 && !filter.states.includes(machine.state)) return false;
    return [...filter.metadata].every(([key, value]) => machine.config.metadata?.[key] === value);
  });
}

function withLease(cloud: Cloud, machine: Machine, ttlSeconds: number | undefined): Outcome<Launched> {
  if (ttlSeconds === undefined || ttlSeconds <= 0) return { machine };
  const lease = takeLease(cloud, machine, machine.lease?.nonce, { ttlSeconds });
  return lease instanceof Refusal ? lease : { machine, lease };
}

function secretValues(app: App): Record<string, string> {
  return Object.fromEntries(Object.entries(app.secrets).map(([name, { value }]) => [name, value]));
}

/** The config as Fly shows it: with defaults, and with what it knows of the mounted volume. */
function normalise(config: MachineConfig, volume: Volume | undefined): MachineConfig {
  return {
    ...config,
    init: config.init ?? {},
    dns: config.dns ?? {},
    guest: guestOf(config),
    ...(config.mounts === undefined
      ? {}
      : {
          mounts: config.mounts.map((mount) => ({
            ...mount,
            ...(volume === undefined
              ? {}
              : {
                  volume: volume.id,
                  name: volume.name,
                  size_gb: volume.sizeGb,
                  encrypted: volume.encrypted,
                }),
          })),
        }),
  };
}

function targetAfterUpdate(machine: Machine, skipLaunch: boolean): Machine["target"] {
  if (machine.target === "created") return skipLaunch ? "created" : "stopped";
  return machine.target === "started" && !skipLaunch ? "started" : "stopped";
}

function refuseName(cloud: Cloud, app: App, name: string | undefined): Refusal | undefined {
  if (name === undefined) return undefined;
  if (name.length > 63) return refusals.invalidArgument("machine name must be at most 63 characters");
  const [holder] = cloud.store.machines.find(namedInApp(app.name, name));
  if (holder === undefined) return undefined;
  return new Refusal(
    409,
    `already_exists: unique machine name violation, machine ID ${holder.id} already exists with name "${name}"`,
  );
}

function refuseConfig(config: MachineConfig): Refusal | undefined {
  if (config.image === undefined || config.image === "") {
    return refusals.invalidArgument("config.image is required");
  }
  if ((config.mounts?.length ?? 0) > 1) {
    return refusals.invalidArgument("machines may have at most one mount");
  }
  if (config.mounts?.some((mount) => mount.path === undefined || !mount.path.startsWith("/")) === true) {
    return refusals.invalidArgument("config.mounts.path must be an absolute path");
  }
  return refuseGuest(guestOf(config));
}

function refuseSecrets(app: App, request: LaunchRequest): Refusal | undefined {
  const wanted = request.minSecretsVersion;
  if (wanted === undefined || wanted <= app.secretsVersion) return undefined;
  return new Refusal(
    412,
    `failed_precondition: min_secrets_version ${wanted} is not yet available on this app`,
  );
}

function refuseVersion(machine: Machine, currentVersion: string | undefined): Refusal | undefined {
  if (currentVersion === undefined || currentVersion === machine.instanceId) return undefined;
  return new Refusal(409, "aborted: current_version does not match the machine's current version");
}

/** Name and region are a machine's for life; to repeat them is allowed. */
function refuseFixed(machine: Machine, request: UpdateRequest): Refusal | undefined {
  if (request.name !== undefined && request.name !== machine.name) {
    return refusals.invalidArgument("machine name cannot be changed");
  }
  if (request.region !== undefined && request.region !== machine.region) {
    return refusals.invalidArgument("machine region cannot be changed");
  }
  return undefined;
}
