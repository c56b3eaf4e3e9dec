import { type Answer, type Handled, ok, REFUSALS } from "./answers.ts";
import type { Cloud } from "./cloud.ts";
import { isForgotten } from "./machines.ts";

/** GET /v1/apps/{app}/machines/{id}/wait (§4.10). */
export function waitForMachine(
  cloud: Cloud,
  appName: string,
  id: string,
  wanted: string,
  version: string | null,
  timeoutS: number,
): Handled<object> {
  const machine = cloud.app(appName)?.machines.get(id);
  if (cloud.app(appName) === null) return REFUSALS.appMissing();
  if (machine === undefined || cloud.now < machine.visibleAt || isForgotten(cloud, machine)) {
    return REFUSALS.machineMissing();
  }
  if (!(timeoutS >= 1 && timeoutS <= 60)) return REFUSALS.waitTooLong();
  if (wanted === "stopped" && version === null) return REFUSALS.versionNeeded();
  const reached = (): Answer<object> | null => {
    if (version !== null && version !== machine.instanceId) return REFUSALS.notReached(wanted, "replaced");
    if (machine.state !== wanted) return null;
    return ok({ ok: true, state: wanted, version: machine.instanceId });
  };
  const already = reached();
  if (already !== null) return already;
  return (reply) => {
    const over = cloud.clock.at(timeoutS * 1_000, () => {
      unwatch();
      reply(REFUSALS.notReached(wanted, machine.state));
    });
    const unwatch = cloud.watch(machine, () => {
      const answer = reached();
      if (answer === null) return;
      over();
      unwatch();
      reply(answer);
    });
    return () => {
      over();
      unwatch();
    };
  };
}
