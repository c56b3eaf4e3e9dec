import type { Exit, Runtime } from "./runtime.ts";

/** Machines that are nothing but their state: for tests, and for thousands of them. */
export function noRuntime(): Runtime {
  return {
    runsProcesses: false,
    reclaim: () => Promise.resolve(),
    start() {
      const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>();
      return Promise.resolve({
        exited,
        port: undefined,
        stop: () => exit({ code: 0, signal: null }),
        // Only the deadly one is noticed where there is no program to handle the others.
        signal: (signal) => (signal === "SIGKILL" ? exit({ code: null, signal }) : undefined),
        suspend: () => undefined,
        resume: () => undefined,
        exec: () => Promise.resolve({ kind: "unavailable", reason: "the machine has no process" }),
      });
    },
    removeMachine: () => Promise.resolve(),
    disks: {
      create: () => Promise.resolve(),
      copy: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    },
  };
}
