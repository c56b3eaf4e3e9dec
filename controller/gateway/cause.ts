import type { GatewayFailure } from "../../src/gateway/wire.ts";
import type { ChildExit } from "./child.ts";

/** OpenClaw 2026.9's exit code for a start that it blocks; almost always a configuration that it refuses. */
const EXIT_START_BLOCKED = 78;
/** The one block that passes by itself: another process, say a doctor, has the state open (measured, 2026.9.6). */
const STATE_IN_USE = /StateDatabaseCoordinatorContentionError|another OpenClaw process owns/;

/**
 * Why a gateway ended by itself, as far as its exit and its last lines tell. `config_rejected` is what trying
 * again does not change.
 */
export function causeOfEnd(exit: ChildExit, lastLines: readonly string[]): GatewayFailure {
  if (exit.kind === "spawn_failed") return "spawn_failed";
  if (exit.code !== EXIT_START_BLOCKED) return "exited";
  return lastLines.some((line) => STATE_IN_USE.test(line)) ? "exited" : "config_rejected";
}
