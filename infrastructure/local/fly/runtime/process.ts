import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { signalGroup } from "../../../process/group.ts";
import { forEachLine } from "../../../process/lines.ts";
import { messageOf } from "../log.ts";
import { directoryDisks } from "./disks.ts";
import { execIn } from "./exec.ts";
import { dataMark, killMarked, machineMark } from "./leftovers.ts";
import { PortBlocks } from "./ports.ts";
import type { Exit, MachineHandle, MachineSpec, Runtime } from "./runtime.ts";

/** What stands for an image: a program of this computer and the environment that the image would bring. */
export interface ProcessImage {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
}

/**
 * Machines as processes of this computer: each in a process group of its own, with the mounted volume as its HOME
 * (`<dataDirectory>/volumes/<id>`), a fresh TMPDIR, PORT as the first of two free loopback ports, and nothing of the
 * parent's environment but PATH, LANG and TZ. It is no sandbox: the program can do what its user can.
 */
export function processRuntime(options: { dataDirectory: string; image: ProcessImage }): Runtime {
  const disks = directoryDisks(options.dataDirectory);
  const ports = new PortBlocks();
  const ours = dataMark(options.dataDirectory);
  const machineDirectory = (machineId: string): string => join(options.dataDirectory, "machines", machineId);

  return {
    runsProcesses: true,
    disks,
    reclaim: () => killMarked(ours),
    async start(spec) {
      const directory = machineDirectory(spec.machineId);
      const temporary = join(directory, "tmp");
      // The root file system of a machine starts out fresh each time; only the volume stays.
      await rm(directory, { recursive: true, force: true });
      await mkdir(temporary, { recursive: true, mode: 0o700 });
      const home =
        spec.volumeId === undefined
          ? join(directory, "home")
          : disks.path({ kind: "volume", id: spec.volumeId });
      await mkdir(home, { recursive: true, mode: 0o700 });
      const port = await ports.acquire(spec.machineId);
      const mark = machineMark(spec.machineId);
      const env = {
        ...inherited(),
        ...options.image.env,
        ...spec.env,
        [ours.name]: ours.value,
        [mark.name]: mark.value,
        HOME: home,
        TMPDIR: temporary,
        PORT: String(port),
      };
      try {
        return await run(spec, {
          command: commandOf(options.image, spec.init),
          env,
          home,
          port,
          // A process that is left may listen on the machine's ports.
          onExit: () => killMarked(mark).finally(() => ports.release(port)),
        });
      } catch (error) {
        ports.release(port);
        throw error;
      }
    },
    async removeMachine(machineId) {
      await rm(machineDirectory(machineId), { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Commands that run in one machine at a time beside its program. */
const execsMax = 16;

interface Placement {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  home: string;
  port: number;
  /** Cleans up after the main process; its failure is logged. */
  onExit(): Promise<void>;
}

async function run(spec: MachineSpec, placement: Placement): Promise<MachineHandle> {
  const [program, ...args] = placement.command;
  if (program === undefined) throw new Error("The image has no command.");
  const child = spawn(program, args, {
    cwd: placement.home,
    env: placement.env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = exitOf(child, spec, placement);
  child.on("error", (error) => {
    spec.log({ kind: "problem", message: `Machine ${spec.machineId}: ${messageOf(error)}` });
  });
  // Rejects with the child's "error" if the program cannot be run.
  await once(child, "spawn");
  for (const stream of ["stdout", "stderr"] as const) {
    forEachLine(child[stream], (line) =>
      spec.log({ kind: "machine_output", machineId: spec.machineId, stream, line }),
    );
  }
  let killTimer: NodeJS.Timeout | undefined;
  let hasExited = false;
  let execs = 0;
  void exited.then(() => {
    hasExited = true;
    clearTimeout(killTimer);
  });
  return {
    exited,
    port: placement.port,
    stop(signal, timeoutMs) {
      if (hasExited) return;
      clearTimeout(killTimer);
      if (timeoutMs <= 0 || signal === "SIGKILL") {
        signalGroup(child, "SIGKILL");
        return;
      }
      child.kill(signal);
      killTimer = setTimeout(() => signalGroup(child, "SIGKILL"), timeoutMs);
    },
    signal: (signal) => void child.kill(signal),
    suspend: () => signalGroup(child, "SIGSTOP"),
    resume: () => signalGroup(child, "SIGCONT"),
    async exec(argv, execOptions) {
      if (execs >= execsMax) return { kind: "busy" };
      execs += 1;
      try {
        return await execIn({ env: placement.env, cwd: placement.home }, argv, execOptions);
      } finally {
        execs -= 1;
      }
    },
  };
}

/** Resolves once the main process is gone and the rest of its machine is killed. */
function exitOf(child: ChildProcess, spec: MachineSpec, placement: Placement): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      signalGroup(child, "SIGKILL");
      placement
        .onExit()
        .catch((error: unknown) => {
          spec.log({
            kind: "problem",
            message: `Processes of machine ${spec.machineId} may be left over: ${messageOf(error)}`,
          });
        })
        .finally(() => resolve({ code, signal }));
    });
  });
}

/** As with an OCI image: `exec` replaces all, `entrypoint` the program, `cmd` its arguments. */
function commandOf(image: ProcessImage, init: MachineSpec["init"]): readonly string[] {
  if (init.exec !== undefined && init.exec.length > 0) return init.exec;
  const entrypoint =
    init.entrypoint !== undefined && init.entrypoint.length > 0 ? init.entrypoint : image.command;
  return [...entrypoint, ...(init.cmd ?? [])];
}

function inherited(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ["PATH", "LANG", "TZ"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
