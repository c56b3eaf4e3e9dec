import { DEFAULT_MACHINE_SIZE } from "../sizes.ts";
import {
  type MachinePhase,
  NOTHING_ASKED,
  type Observation,
  type ObservedGateway,
  type ObservedMachine,
  type ObservedVolume,
  type PresentMachine,
  type PresentVolume,
  type Snapshot,
} from "../observation.ts";
import type { InstanceState, Leftover } from "../state.ts";
import { newOwnApp, newState } from "../wishes.ts";

export const NOW = 1_800_000_000_000;
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** A record with the fields that a test is about, and plain ones beside them. */
export function record(fields: Partial<InstanceState> = {}): InstanceState {
  const settings = {
    envVars: {},
    encryptedSecrets: {},
    kilocodeApiKey: null,
    kilocodeDefaultModel: null,
    channels: { telegramBotToken: null, discordBotToken: null, slackBotToken: null, slackAppToken: null },
  };
  const fresh = newState(
    { userId: "user-1", sandboxId: "dXNlci0x", appName: "app", ownApp: null, volumeName: "kc_volume" },
    {
      regions: ["ams", "fra"],
      machineSize: DEFAULT_MACHINE_SIZE,
      sizeWished: false,
      settings,
      fingerprint: "f1",
    },
    NOW,
  );
  return { ...fresh, ...fields };
}

/** Of an instance that has a machine and a volume, and is wanted up. */
export function wanted(fields: Partial<InstanceState> = {}): InstanceState {
  const known = { machine: knownMachine, volume: knownVolume, ran: ranAs() };
  return record({ intent: "running", status: "starting", ...known, ...fields });
}

/** Of an instance that has a machine and a volume, and is wanted down. */
export function unwanted(fields: Partial<InstanceState> = {}): InstanceState {
  const known = { machine: knownMachine, volume: knownVolume, lastStartedAt: NOW };
  return record({ intent: "stopped", status: "stopping", ...known, ...fields });
}

/** Of an instance that has a machine and a volume, and is to go. */
export function doomed(fields: Partial<InstanceState> = {}): InstanceState {
  const known = { machine: knownMachine, volume: knownVolume };
  const pending = { pendingDestroyMachineId: "m1", pendingDestroyVolumeId: "vol_1" };
  return record({ intent: "destroyed", status: "destroying", ...known, ...pending, ...fields });
}

/** What Fly says that every machine here runs from. */
const IMAGE_DIGEST = `sha256:${"1".repeat(64)}`;

type Ran = NonNullable<InstanceState["ran"]>;

/** What the controller of the machine that `machineIn` gives said of its present run. */
export function ranAs(fields: Partial<Ran> = {}): Ran {
  return {
    instanceId: "i1",
    startedAt: NOW - HOUR_MS,
    generation: 1,
    said: { controller: "1.0.0", openclaw: "2026.9.6", capabilities: [] },
    image: { running: IMAGE_DIGEST, reported: IMAGE_DIGEST, ordered: null },
    at: NOW - HOUR_MS,
    ...fields,
  };
}

export const knownMachine = {
  id: "m1",
  createdAt: NOW - HOUR_MS,
  seen: true,
  verified: true,
  remounted: false,
  destroysAsked: 0,
};
export const knownVolume = {
  id: "vol_1",
  region: "ams",
  createdAt: NOW - HOUR_MS,
  seen: true,
  hasData: true,
  sizeGb: 10,
  missing: null,
  deleted: false,
  goneHolder: null,
};
export const knownCandidate = {
  id: "vol_2",
  region: "fra",
  sizeGb: 10,
  createdAt: NOW - MINUTE_MS,
  seen: true,
  isOlderCopy: false,
};

type Creating = NonNullable<InstanceState["creating"]>;

/** A create that was sent a moment ago, and of which no answer came. */
export function openCreate(kind: Creating["kind"], fields: Partial<Creating> = {}): Creating {
  return { kind, name: "n", sentAt: NOW, earlierAt: null, empty: null, on: null, source: "empty", ...fields };
}

/** A create so long ago, and looked for so often, that what it did not leave behind by now it never made. */
export function overCreate(kind: Creating["kind"], fields: Partial<Creating> = {}): Creating {
  return openCreate(kind, { sentAt: NOW - HOUR_MS, empty: longEmpty, ...fields });
}

/** Looks that found nothing, so many and for so long that they are believed. */
export const longEmpty = { looks: 9, since: NOW - HOUR_MS, at: NOW };

export function recovery(fields: Partial<Recovery> = {}): Recovery {
  return { since: NOW, empty: null, adoptsIntent: false, appSearched: false, mayEnd: false, ...fields };
}
type Recovery = NonNullable<InstanceState["recovery"]>;

type OwnApp = NonNullable<InstanceState["ownApp"]>;

/** An app of the tenant's own, made so far. */
export function ownAppAt(stage: OwnApp["stage"], fields: Partial<OwnApp> = {}): OwnApp {
  return { ...newOwnApp("org"), stage, ...fields };
}

export function leftover(fields: Partial<Leftover> = {}): Leftover {
  const plain = { kind: "volume", id: "vol_9", isKept: false, whenReady: false, tries: 0 } as const;
  return { ...plain, since: NOW, notBefore: NOW, visibleFrom: NOW, retryAt: NOW, ...fields };
}

/** As a machine that has been in its state for so long. */
export function watchedFor(ms: number, flyState = "up"): NonNullable<InstanceState["watched"]> {
  return { flyState, since: NOW - ms, restlessSince: null, silentSince: null };
}

export function machineIn(phase: MachinePhase, fields: Partial<PresentMachine> = {}): PresentMachine {
  return {
    kind: "present",
    id: "m1",
    instanceId: "i1",
    phase,
    flyState: phase,
    ours: true,
    generation: 1,
    mount: { volumeId: "vol_1", isRightPath: true, options: {} },
    size: DEFAULT_MACHINE_SIZE,
    metadata: {},
    exit: null,
    startedAt: NOW - HOUR_MS,
    imageDigest: IMAGE_DIGEST,
    createdAt: "2026-11-01T10:00:00Z",
    ...fields,
  };
}

export const PHASES = [
  "launching",
  "starting",
  "up",
  "stopping",
  "replacing",
  "down",
  "failed",
  "destroying",
] as const satisfies MachinePhase[];

export const none = { kind: "none" } as const;
export const absent = { kind: "absent" } as const;
export const unknown = {
  kind: "unknown",
  code: "fly_unreachable",
  why: "Fly answered 500",
  isThere: false,
  retryAfterMs: null,
} as const;
export const snapshot: Snapshot = {
  id: "vs_1",
  createdAt: new Date(NOW - HOUR_MS).toISOString(),
  at: NOW - HOUR_MS,
};
export const noVolume = { kind: "absent", snapshot: null, former: null } as const;
export const ready = { kind: "ready" } as const;

export const freeVolume: PresentVolume = {
  kind: "present",
  id: "vol_1",
  region: "ams",
  hasData: true,
  createdAt: NOW - 3_600_000,
  isReachable: true,
  isWhole: true,
  sizeGb: 10,
  holder: null,
  snapshot: null,
};

/** The volume, held by a machine that is that to us. */
export function heldBy(is: NonNullable<PresentVolume["holder"]>["is"], id = "m9"): PresentVolume {
  return { ...freeVolume, holder: { id, is } };
}

/** What a pass saw; what it does not name was not asked for. */
export function saw(
  machine: ObservedMachine,
  volume: ObservedVolume = none,
  gateway: ObservedGateway = none,
  others: Partial<Observation> = {},
): Observation {
  return { askedAt: NOW, ...NOTHING_ASKED, machine, volume, gateway, ...others };
}
