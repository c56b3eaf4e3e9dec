import { z } from "zod";
import type { ControllerVersion, EnvUpdate } from "../../../src/gateway/wire.ts";
import type { Cloud } from "./cloud.ts";
import type { Machine, MachineConfig } from "./model.ts";
import { STREAM } from "./streams.ts";

/** What a machine is told of itself; all the rest of its environment is its user's settings. */
const IDENTITY = new Set([
  "KILOCLAW_SANDBOX_ID",
  "KILOCLAW_GENERATION",
  "KILOCLAW_GATEWAY_TOKEN",
  "KILOCLAW_PROXY_TOKEN",
  "OPENCLAW_ALLOWED_ORIGINS",
]);

/** How a controller takes settings while its gateway runs: as it should, or in one of the ways that are not that. */
export const ODD_MANNERS = ["unable", "refuses", "without_effect", "forgets", "deaf", "mute"] as const;
export type EnvManner =
  | "takes"
  /** An older one, which has no such route. */
  | "unable"
  | "refuses"
  /** The gateway goes on with the old ones until the machine restarts. */
  | "without_effect"
  /** They are lost when the machine restarts. */
  | "forgets"
  /** It never hears of them, or takes them and never says so. */
  | "deaf"
  | "mute";

/** Settings that a controller was told, and by which number. */
export type ToldSettings = { generation: number; settings: Record<string, string> };

/** The controller begins, and its gateway with the newest settings that it knows: of its environment, or those that it kept. */
export function boot({ config, volume, program }: Machine): void {
  const { generation, settings } = readEnv(config);
  const kept = program.manner === "unable" ? null : (volume?.kept ?? null);
  const newest = kept !== null && kept.generation > generation ? kept : { generation, settings };
  program.told = newest;
  program.inUse = newest.settings;
}

/** GET /_kilo/health, through Fly's proxy; null where nothing answers. */
export function askHealth(
  cloud: Cloud,
  appName: string,
  id: string,
): { state: "starting" | "ready" | "degraded"; stage: string } | null {
  const machine = answering(cloud, appName, id);
  if (machine === null) return null;
  const stage = "gateway";
  switch (machine.controller.kind) {
    case "degraded":
      return { state: "degraded", stage };
    case "slow":
    case "crashing":
      return { state: "starting", stage };
    case "normal":
      if (!machine.isOpened) return { state: "degraded", stage: "sealed_environment" };
      return { state: cloud.now >= machine.readyAt ? "ready" : "starting", stage };
    default:
      return machine.controller satisfies never;
  }
}

/** GET /_kilo/version; null where nothing answers. */
export function askVersion(cloud: Cloud, appName: string, id: string): ControllerVersion | null {
  const machine = answering(cloud, appName, id);
  if (machine === null) return null;
  return {
    controller: "1.0.0",
    capabilities: machine.program.manner === "unable" ? [] : ["env"],
    openclaw: "2026.9.6",
    openclawInstalled: "2026.9.6",
    imageDigest: null,
    node: "26.10.0",
  };
}

export type EnvSaid =
  | { status: 200; inEffect: boolean; afterMs: number }
  | { status: 404 }
  | { status: 409 }
  | { status: 422 };

/** PUT /_kilo/env: only newer settings than it was told before; null where nothing answers. */
export function putEnv(
  cloud: Cloud,
  appName: string,
  id: string,
  { generation, settings }: EnvUpdate,
): EnvSaid | null {
  const machine = answering(cloud, appName, id);
  if (machine === null) return null;
  const { program, volume } = machine;
  // Whoever can't open its environment knows nobody's token.
  if (!machine.isOpened) return null;
  switch (program.manner) {
    case "deaf":
      return null;
    case "unable":
      return { status: 404 };
    case "refuses":
      return { status: 422 };
    case "takes":
    case "forgets":
    case "mute":
    case "without_effect":
      break;
    default:
      return program.manner satisfies never;
  }
  if (program.told !== null && generation < program.told.generation) return { status: 409 };
  const told = { generation, settings };
  program.told = told;
  if (program.manner !== "forgets" && volume !== null) volume.kept = told;
  if (program.manner !== "without_effect") program.inUse = settings;
  if (program.manner === "mute") return null;
  const isInEffect = program.inUse !== null && isSame(program.inUse, settings);
  const afterMs = cloud.chance(STREAM.program, 0.5) ? cloud.between(STREAM.ready, cloud.world.ready) : 0;
  return { status: 200, inEffect: isInEffect, afterMs };
}

export function isSame(some: Record<string, string>, others: Record<string, string>): boolean {
  const names = Object.keys(some);
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name]);
}

/** The machine, if what runs in it is up and hears what is asked. */
function answering(cloud: Cloud, appName: string, id: string): Answering | null {
  const machine = cloud.app(appName)?.machines.get(id);
  if (machine === undefined || machine.state !== "started" || machine.host.status !== "ok") return null;
  return isHeard(machine) ? machine : null;
}

type Answering = Machine & { controller: Exclude<Machine["controller"], { kind: "silent" }> };

function isHeard(machine: Machine): machine is Answering {
  return machine.controller.kind !== "silent";
}

const sealedSchema = z.record(z.string(), z.string());

/** A sealed environment is opened here as if by its key. */
function readEnv({ env = {} }: MachineConfig): ToldSettings {
  const plain = env["SEALED"] === undefined ? env : sealedSchema.parse(JSON.parse(env["SEALED"]));
  const settings = Object.entries(plain).filter(([name]) => !IDENTITY.has(name));
  return {
    generation: Number(plain["KILOCLAW_GENERATION"] ?? 0),
    settings: Object.fromEntries(settings),
  };
}
