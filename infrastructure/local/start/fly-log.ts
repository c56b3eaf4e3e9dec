import { z } from "zod";
import type { LogEntry } from "../fly/log.ts";
import type { LogLevel } from "../log.ts";
import type { Logs } from "./logs.ts";

/** The controller's own log lines (JSON); whatever else a machine prints is kept as it is. */
const ControllerLine = z.object({ level: z.enum(["debug", "info", "warn", "error"]), message: z.string() });

/**
 * Sorts what the local Fly tells into the logs: its own into `fly`, what machines print into `machine`. Only its problems and
 * those of the controller deserve attention; what a gateway prints on stderr is its everyday talk.
 */
export function flyLog(logs: Logs): (entry: LogEntry) => void {
  const fly = logs.of("fly");
  const machine = logs.of("machine");
  return (entry) => {
    switch (entry.kind) {
      case "machine_output":
        machine(levelOf(entry.line), `${entry.machineId} ${entry.line}`);
        return;
      case "machine_state":
        fly("info", `${entry.machineId} is ${entry.state}`);
        return;
      case "request":
        fly("debug", `${entry.method} ${entry.path} ${entry.status} ${Math.round(entry.durationMs)} ms`);
        return;
      case "proxy":
        fly("info", `proxy ${entry.code} ${entry.message}`);
        return;
      case "problem":
        fly("error", entry.message);
        return;
      default:
        entry satisfies never;
    }
  };
}

function levelOf(line: string): LogLevel {
  if (!line.startsWith("{")) return "info";
  try {
    return ControllerLine.parse(JSON.parse(line)).level;
  } catch {
    return "info";
  }
}
