import type { FlyClient, FlyResult } from "../../src/fly/client.ts";
import { classifyFlyAnswer } from "../../src/fly/errors.ts";
import type { FlyMachine, FlyVolume, MachineRequest } from "../../src/fly/schemas.ts";
import type { Health } from "../../src/gateway/health.ts";
import type { VirtualClock } from "./clock.ts";
import type { Random } from "./random.ts";

type Machine = {
  id: string;
  name: string;
  state: string;
  instanceId: string;
  config: MachineRequest["config"];
  region: string;
  readyAt: number;
  change: () => void;
};
type Volume = { id: string; name: string; region: string; createdAt: number; state: string };

/**
 * A Fly that behaves, on virtual time: what it is asked for takes effect, after a while, and it answers truthfully.
 * It stands where the client of the real one would, and speaks with Fly's own texts.
 */
export class SimulatedCloud implements FlyClient {
  readonly machines = new Map<string, Machine>();
  readonly volumes = new Map<string, Volume>();
  /** The most machines that were alive at the same time. */
  mostMachines = 0;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #waiters = new Set<() => void>();
  #ids = 0;

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The controller's word: ready some seconds after its machine came up. */
  async health(_app: string, machineId: string): Promise<Health> {
    await this.#latency();
    const machine = this.machines.get(machineId);
    if (machine?.state !== "started") return { kind: "silent", why: "the controller could not be reached" };
    const state = this.#clock.now() >= machine.readyAt ? "ready" : "starting";
    return { kind: "answered", state, stage: "gateway" };
  }

  /** The process in the machine ends on its own. */
  die(machineId: string): void {
    const machine = this.machines.get(machineId);
    if (machine?.state === "started") this.#become(machine, "stopped");
  }

  /** The host is gone, and the machine with it. */
  lose(machineId: string): void {
    const machine = this.machines.get(machineId);
    if (machine === undefined) return;
    machine.change();
    this.#become(machine, "destroyed");
  }

  alive(): Machine[] {
    return [...this.machines.values()].filter(({ state }) => state !== "destroyed");
  }

  keptVolumes(): Volume[] {
    return [...this.volumes.values()].filter(({ state }) => state === "created");
  }

  async getMachine(_app: string, id: string): Promise<FlyResult<FlyMachine>> {
    await this.#latency();
    const machine = this.machines.get(id);
    return machine === undefined ? refuse(404, "machine not found") : { ok: true, value: viewOf(machine) };
  }

  async findMachines(_app: string, key: string, value: string): Promise<FlyResult<FlyMachine[]>> {
    await this.#latency();
    return {
      ok: true,
      value: this.alive()
        .filter((m) => m.config.metadata[key] === value)
        .map(viewOf),
    };
  }

  async createMachine(_app: string, request: MachineRequest): Promise<FlyResult<FlyMachine>> {
    await this.#latency();
    const name = request.name ?? "unnamed";
    const holder = this.alive().find((machine) => machine.name === name);
    if (holder !== undefined) {
      const text = `already_exists: unique machine name violation, machine ID ${holder.id} already exists with name "${name}"`;
      return refuse(409, text);
    }
    const volumeId = request.config.mounts[0]?.volume ?? "";
    if (this.volumes.get(volumeId)?.state !== "created") return refuse(404, "volume not found");
    const user = this.alive().find((machine) => machine.config.mounts[0]?.volume === volumeId);
    if (user !== undefined)
      return refuse(412, `failed_precondition: volume already claimed by machine ${user.id}`);
    const machine: Machine = {
      id: this.#newId(),
      name,
      state: "created",
      instanceId: this.#newId(),
      config: request.config,
      region: request.region ?? "ams",
      readyAt: Number.POSITIVE_INFINITY,
      change: () => undefined,
    };
    this.machines.set(machine.id, machine);
    this.mostMachines = Math.max(this.mostMachines, this.alive().length);
    this.#later(machine, this.#random.between(1_000, 9_000), () => this.#comeUp(machine));
    await this.#latency();
    return { ok: true, value: viewOf(machine) };
  }

  async updateMachine(_app: string, id: string, request: MachineRequest): Promise<FlyResult<FlyMachine>> {
    return this.#act(id, (machine) => {
      const wasUp = machine.state === "started";
      machine.config = request.config;
      machine.instanceId = this.#newId();
      this.#become(machine, "replacing");
      this.#later(machine, 3_500, () => (wasUp ? this.#comeUp(machine) : this.#become(machine, "stopped")));
      return { ok: true, value: viewOf(machine) };
    });
  }

  async startMachine(_app: string, id: string): Promise<FlyResult<null>> {
    return this.#act(id, (machine) => {
      if (machine.state === "started") return { ok: true, value: null };
      if (machine.state === "starting") return refuse(409, "aborted: machine still attempting to start");
      if (machine.state !== "stopped") {
        return refuse(
          412,
          `failed_precondition: unable to start machine from current state: '${machine.state}'`,
        );
      }
      this.#comeUp(machine);
      return { ok: true, value: null };
    });
  }

  async stopMachine(_app: string, id: string): Promise<FlyResult<null>> {
    return this.#act(id, (machine) => {
      if (machine.state === "stopped") return { ok: true, value: null };
      this.#become(machine, "stopping");
      this.#later(machine, this.#random.between(200, 5_000), () => this.#become(machine, "stopped"));
      return { ok: true, value: null };
    });
  }

  async destroyMachine(_app: string, id: string): Promise<FlyResult<null>> {
    return this.#act(id, (machine) => {
      this.#become(machine, "destroying");
      this.#later(machine, this.#random.between(200, 3_000), () => this.#become(machine, "destroyed"));
      return { ok: true, value: null };
    });
  }

  async waitForMachine(
    _app: string,
    id: string,
    state: string,
    _instanceId: string,
    timeoutS: number,
    signal: AbortSignal,
  ): Promise<FlyResult<null>> {
    const over = new AbortController();
    const reached = (): void => {
      if (this.machines.get(id)?.state === state) over.abort();
    };
    signal.addEventListener("abort", () => over.abort());
    this.#waiters.add(reached);
    reached();
    await this.#clock.sleep(timeoutS * 1_000, over.signal);
    this.#waiters.delete(reached);
    if (this.machines.get(id)?.state === state) return { ok: true, value: null };
    return refuse(408, "deadline_exceeded: machine failed to reach desired state");
  }

  async getVolume(_app: string, id: string): Promise<FlyResult<FlyVolume>> {
    await this.#latency();
    const volume = this.volumes.get(id);
    return volume === undefined
      ? refuse(404, "volume not found")
      : { ok: true, value: this.#volumeView(volume) };
  }

  async findVolumes(_app: string, name: string): Promise<FlyResult<FlyVolume[]>> {
    await this.#latency();
    const found = this.keptVolumes().filter((volume) => volume.name === name);
    return { ok: true, value: found.map((volume) => this.#volumeView(volume)) };
  }

  async createVolume(_app: string, request: { name: string; region: string }): Promise<FlyResult<FlyVolume>> {
    await this.#latency();
    const { name, region } = request;
    const volume = {
      id: `vol_${this.#newId()}`,
      name,
      region,
      createdAt: this.#clock.now(),
      state: "created",
    };
    this.volumes.set(volume.id, volume);
    await this.#latency();
    return { ok: true, value: this.#volumeView(volume) };
  }

  async deleteVolume(_app: string, id: string): Promise<FlyResult<null>> {
    await this.#latency();
    const volume = this.volumes.get(id);
    if (volume === undefined) return refuse(404, "volume not found");
    const holder = this.alive().find((machine) => machine.config.mounts[0]?.volume === id);
    if (holder !== undefined) {
      return refuse(412, `failed_precondition: volume is currently bound to machine: ${holder.id}`);
    }
    volume.state = "pending_destroy";
    return { ok: true, value: null };
  }

  async #act<T>(id: string, effect: (machine: Machine) => FlyResult<T>): Promise<FlyResult<T>> {
    await this.#latency();
    const machine = this.machines.get(id);
    if (machine === undefined || machine.state === "destroyed") return refuse(404, "machine not found");
    const result = effect(machine);
    await this.#latency();
    return result;
  }

  #comeUp(machine: Machine): void {
    this.#become(machine, "starting");
    this.#later(machine, this.#random.between(200, 4_000), () => {
      machine.readyAt = this.#clock.now() + this.#random.between(2_000, 12_000);
      this.#become(machine, "started");
    });
  }

  /** A machine has one change under way: a newer one takes the place of what was to follow. */
  #later(machine: Machine, delayMs: number, run: () => void): void {
    machine.change();
    machine.change = this.#clock.at(delayMs, run);
  }

  #become(machine: Machine, state: string): void {
    machine.state = state;
    for (const waiter of this.#waiters) waiter();
  }

  #volumeView(volume: Volume): FlyVolume {
    const holder = this.alive().find((machine) => machine.config.mounts[0]?.volume === volume.id);
    return {
      id: volume.id,
      name: volume.name,
      region: volume.region,
      state: volume.state,
      attached_machine_id: holder?.id ?? null,
    };
  }

  #latency(): Promise<void> {
    return this.#clock.sleep(this.#random.between(5, 400), new AbortController().signal);
  }

  #newId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(14, "0");
  }
}

function viewOf(machine: Machine): FlyMachine {
  const { id, name, state, region, instanceId, config } = machine;
  return {
    id,
    name,
    state,
    region,
    instance_id: instanceId,
    config: { metadata: { ...config.metadata }, mounts: config.mounts },
  };
}

function refuse<T>(status: number, text: string): FlyResult<T> {
  return { ok: false, error: classifyFlyAnswer(status, JSON.stringify({ error: text }), new Headers()) };
}
