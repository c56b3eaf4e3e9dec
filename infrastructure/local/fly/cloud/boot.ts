import type { App, Machine } from "../state/model.ts";
import type { MachineSpec } from "../runtime/runtime.ts";
import type { Log } from "../log.ts";

/** What a runtime needs to run the machine as it is configured. */
export function machineSpec(machine: Machine, app: App | undefined, log: Log): MachineSpec {
  const init = machine.config.init ?? {};
  return {
    machineId: machine.id,
    // The later wins: secrets over the config's env of the same name, the platform over both.
    env: { ...machine.config.env, ...machine.secrets, ...platformEnv(machine, app) },
    init: { exec: init.exec, entrypoint: init.entrypoint, cmd: init.cmd },
    volumeId: machine.config.mounts?.[0]?.volume,
    log,
  };
}

/** Fly's own variables (docs: machines/runtime-environment). */
function platformEnv(machine: Machine, app: App | undefined): Record<string, string> {
  return {
    FLY_APP_NAME: machine.app,
    FLY_MACHINE_ID: machine.id,
    FLY_ALLOC_ID: machine.id,
    FLY_REGION: machine.region,
    FLY_PUBLIC_IP: app?.ips.find((ip) => !ip.ip.startsWith("fdaa:"))?.ip ?? "",
    FLY_IMAGE_REF: machine.config.image ?? "",
    FLY_MACHINE_VERSION: machine.instanceId,
    FLY_PRIVATE_IP: machine.privateIp,
    FLY_PROCESS_GROUP: machine.config.metadata?.["fly_process_group"] ?? "app",
    FLY_VM_MEMORY_MB: String(machine.config.guest?.memory_mb ?? 256),
    PRIMARY_REGION: machine.config.primary_region ?? machine.config.env?.["PRIMARY_REGION"] ?? machine.region,
  };
}
