import type { Machine } from "../state/model.ts";

/** How a machine goes on that an earlier life of the local Fly left in this state. */
export type Resumption = "nothing" | "launch" | "start" | "stop" | "suspend" | "replace" | "destroy";

/** Goes by the machine's target. A machine without a process outlives the local Fly, and needs no start. Pure. */
export function resumptionOf(machine: Machine, runsProcesses: boolean): Resumption {
  if (machine.state === "replacing") return "replace";
  switch (machine.target) {
    case "created":
      return machine.prepared ? "nothing" : "launch";
    case "started":
      if (machine.state === "started" && !runsProcesses) return "nothing";
      return machine.prepared ? "start" : "launch";
    case "stopped":
      return machine.state === "stopped" || machine.state === "failed" ? "nothing" : "stop";
    case "suspended":
      return machine.state === "suspended" ? "nothing" : "suspend";
    case "destroyed":
      return machine.state === "destroyed" ? "nothing" : "destroy";
    default:
      return machine.target satisfies never;
  }
}
