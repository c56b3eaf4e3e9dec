import type { MachinePhase } from "./observation.ts";

/** Fly's states (docs: machines/machine-states) by what they mean to us; null for a word we don't know. */
export function phaseOf(flyState: string): MachinePhase | "gone" | null {
  switch (flyState) {
    case "created":
    case "creating":
    case "pending":
      return "launching";
    case "starting":
    case "restarting":
      return "starting";
    case "started":
      return "up";
    case "stopping":
    case "suspending":
      return "stopping";
    case "replacing":
    case "updating":
      return "replacing";
    case "stopped":
    case "suspended":
      return "down";
    case "failed":
    case "launch_failed":
      return "failed";
    case "destroying":
      return "destroying";
    case "destroyed":
    case "replaced":
    case "migrated":
      return "gone";
    default:
      return null;
  }
}
