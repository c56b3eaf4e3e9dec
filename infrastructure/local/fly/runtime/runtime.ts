import type { Log } from "../log.ts";

/**
 * What runs machines. The cloud decides what should run, a runtime makes it so; it knows nothing of names,
 * leases or states.
 */
export interface Runtime {
  /** False if a machine is nothing but its state: it then has no port, and outlives the local Fly's process. */
  readonly runsProcesses: boolean;
  /**
   * Ends the machines that an earlier life of the local Fly, killed before it could clean up, left running: all that had
   * this data directory, also when nothing is left in it.
   */
  reclaim(): Promise<void>;
  /** Starts a machine; resolves as soon as it runs, which is before it listens. Rejects if it cannot run. */
  start(spec: MachineSpec): Promise<MachineHandle>;
  /** Forgets all of a machine but its volume. */
  removeMachine(machineId: string): Promise<void>;
  readonly disks: Disks;
}

/** The data of volumes and snapshots. */
export interface Disks {
  create(volumeId: string): Promise<void>;
  /** Makes `to` a full copy of `from`, or nothing at all. */
  copy(from: DiskName, to: DiskName): Promise<void>;
  remove(name: DiskName): Promise<void>;
}

export interface DiskName {
  kind: "volume" | "snapshot";
  id: string;
}

export interface MachineSpec {
  machineId: string;
  /** Fly's variables, the app's secrets and the config's, merged. */
  env: Readonly<Record<string, string>>;
  /** `config.init`, which overrides the image's own command. */
  init: { exec?: string[] | undefined; entrypoint?: string[] | undefined; cmd?: string[] | undefined };
  volumeId: string | undefined;
  log: Log;
}

export interface MachineHandle {
  /** Resolves when the machine is down with all that ran in it. */
  readonly exited: Promise<Exit>;
  /** Where the machine's program should listen, on loopback. */
  readonly port: number | undefined;
  /** Asks the machine to end by `signal`; after `timeoutMs` it is killed. May be called again, to hurry. */
  stop(signal: NodeJS.Signals, timeoutMs: number): void;
  signal(signal: NodeJS.Signals): void;
  suspend(): void;
  resume(): void;
  exec(argv: readonly string[], options: ExecOptions): Promise<ExecOutcome>;
}

export interface Exit {
  /** Null if a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ExecOptions {
  timeoutMs: number;
  /** Of stdout and stderr together. */
  outputBytesMax: number;
}

export type ExecOutcome =
  | { kind: "finished"; exitCode: number; exitSignal: number; stdout: string; stderr: string }
  | { kind: "timed_out" }
  | { kind: "output_too_large" }
  /** Too many commands run in the machine at this moment. */
  | { kind: "busy" }
  /** There is no such program, or nothing to run it in. */
  | { kind: "unavailable"; reason: string };
