import type {
  MachinePhase,
  Observation,
  ObservedGateway,
  ObservedLeftover,
  ObservedMachine,
  ObservedVolume,
} from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  absent,
  doomed,
  freeVolume,
  heldBy,
  HOUR_MS,
  knownCandidate,
  knownMachine,
  longEmpty,
  knownVolume,
  leftover,
  machineIn,
  NOW,
  none,
  noVolume,
  openCreate,
  overCreate,
  PHASES,
  ready,
  saw,
  snapshot,
  unknown,
  unwanted,
  wanted,
  watchedFor,
} from "./records.ts";

/** What `decide` may know, and what it may see: every one of these with every other. */
export function recordsUnder(intent: InstanceState["intent"]): InstanceState[] {
  const make = { running: wanted, stopped: unwanted, destroyed: doomed }[intent];
  return MACHINES_KNOWN.flatMap((machine) =>
    VOLUMES_KNOWN.flatMap((volume) =>
      [null, knownCandidate].flatMap((candidate) =>
        CREATES.flatMap((creating) =>
          CIRCUMSTANCES.map((fields) => make({ machine, volume, candidate, creating, ...fields })),
        ),
      ),
    ),
  );
}

export function everyObservation(): Observation[] {
  return MACHINES.flatMap((machine) =>
    VOLUMES.flatMap((volume) =>
      CANDIDATES.flatMap((candidate) =>
        asksGateway(machine)
          ? GATEWAYS.map((gateway) => saw(machine, volume, gateway, { candidate }))
          : AFTER.map((others) => saw(machine, volume, none, { candidate, ...others })),
      ),
    ),
  );
}

/** Only what was asked for can be seen: by an id of the record's, or by the name of an open create. */
export function canBeSeen(state: InstanceState, { machine, candidate }: Observation): boolean {
  const { creating } = state;
  if (candidate.kind !== "none" && state.candidate === null && creating?.kind !== "candidate") return false;
  const id = state.machine?.id ?? state.pendingDestroyMachineId;
  return machine.kind !== "absent" || id !== null || creating?.kind === "machine";
}

const MACHINES_KNOWN: InstanceState["machine"][] = [
  null,
  knownMachine,
  { ...knownMachine, verified: false },
  { ...knownMachine, remounted: true },
];
const VOLUMES_KNOWN: InstanceState["volume"][] = [null, knownVolume, { ...knownVolume, missing: longEmpty }];
const CREATES: InstanceState["creating"][] = [
  null,
  openCreate("machine"),
  overCreate("machine"),
  overCreate("volume"),
  openCreate("candidate"),
];

const fullRegions: InstanceState["fullRegions"] = [{ region: "ams", scope: "host", until: NOW + HOUR_MS }];
const refusedForLong: InstanceState["lastError"] = {
  code: "machine_busy",
  message: "busy",
  at: NOW,
  attempts: 99,
  nextTryAt: null,
};
const CIRCUMSTANCES: Partial<InstanceState>[] = [
  {},
  { status: "running", pendingDestroyMachineId: null, pendingDestroyVolumeId: null },
  { status: "stopped", leftovers: [leftover()] },
  { watched: watchedFor(HOUR_MS, "unreachable") },
  { capacityTries: 9, fullRegions },
  { lastError: refusedForLong },
];

const UP_AND_DOWN = ["up", "down"] as const satisfies MachinePhase[];
const MACHINES: ObservedMachine[] = [
  none,
  unknown,
  absent,
  { kind: "unreachable", id: "m1" },
  ...PHASES.map((phase) => machineIn(phase)),
  machineIn("destroying", { ours: false }),
  machineIn("destroying", { mount: { volumeId: "vol_7", isRightPath: true, options: {} } }),
  ...UP_AND_DOWN.flatMap((phase) => [
    machineIn(phase, { ours: false }),
    machineIn(phase, { mount: { volumeId: "vol_7", isRightPath: true, options: {} } }),
    machineIn(phase, { mount: null }),
    machineIn(phase, { mount: { volumeId: "vol_1", isRightPath: false, options: {} } }),
    machineIn(phase, { mount: { volumeId: "vol_2", isRightPath: true, options: {} } }),
    machineIn(phase, { generation: 0 }),
    machineIn(phase, { generation: null }),
  ]),
];

const VOLUMES: ObservedVolume[] = [
  none,
  unknown,
  noVolume,
  { kind: "absent", snapshot, former: null },
  freeVolume,
  { ...freeVolume, id: "vol_7" },
  { ...freeVolume, hasData: false },
  heldBy("ours"),
  heldBy("gone"),
  heldBy("given_up"),
  heldBy("stranger"),
  heldBy("unknown"),
  { ...freeVolume, isReachable: false },
  { ...freeVolume, isReachable: false, snapshot },
];
const CANDIDATES: ObservedVolume[] = [
  none,
  unknown,
  noVolume,
  { ...freeVolume, id: "vol_2", region: "fra" },
  { ...heldBy("ours"), id: "vol_2" },
];
const GATEWAYS: ObservedGateway[] = [
  none,
  { kind: "unknown", why: "silent" },
  { kind: "starting", stage: "gateway" },
  ready,
  { kind: "degraded", stage: "config" },
];

const LEFTOVER: ObservedLeftover = { kind: "present", id: "vol_9" };
/** What is only looked at when the rest is at rest. */
const AFTER: Partial<Observation>[] = [
  {},
  { inventory: { kind: "seen", machines: [], volumes: [] } },
  { inventory: { kind: "seen", machines: [machineIn("up", { id: "m8" })], volumes: [freeVolume] } },
  { inventory: unknown, leftover: LEFTOVER },
];

function asksGateway(machine: ObservedMachine): boolean {
  return machine.kind === "present" && machine.phase === "up" && machine.ours;
}
