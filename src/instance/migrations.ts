import { z } from "zod";
import type { InstanceState } from "./state.ts";

/** Of every volume of version 1. */
const VOLUME_SIZE_GB = 10;

/** Any record carries its version; what else a version had is its migration's to read. */
const versionedSchema = z.looseObject({ version: z.int() });

/** From the version that stands before each to the next. A record that does not fit is left as it is, for the schema to refuse. */
const MIGRATIONS: Record<number, (record: Record<string, unknown>) => Record<string, unknown>> = {
  1: fromFirst,
  2: fromSecond,
  3: fromThird,
  4: fromFourth,
};

/** The record as the newest version has it; what is not a record of a known version is given back untouched. */
export function migrate(stored: unknown): unknown {
  let current = stored;
  // Each turn grows the version, so there are no more turns than migrations.
  for (let turn = 0; turn < Object.keys(MIGRATIONS).length; turn += 1) {
    const versioned = versionedSchema.safeParse(current);
    if (!versioned.success) return current;
    const migration = MIGRATIONS[versioned.data.version];
    if (migration === undefined) return current;
    current = migration(versioned.data);
  }
  return current;
}

const idAndTimes = { id: z.string(), createdAt: z.number(), seen: z.boolean() };

/** What of version 1 changed its shape. */
const firstSchema = z.looseObject({
  machine: z.strictObject(idAndTimes).nullable(),
  volume: z.strictObject({ ...idAndTimes, region: z.string() }).nullable(),
  creating: z
    .strictObject({ kind: z.enum(["machine", "volume"]), name: z.string(), believeAbsentAt: z.number() })
    .nullable(),
  watched: z
    .strictObject({ flyState: z.string(), since: z.number(), silentSince: z.number().nullable() })
    .nullable(),
  lastError: z.looseObject({}).nullable(),
  lastStartedAt: z.number().nullable(),
});

/** Version 1 believed an absence from this long after a create was sent. */
const BELIEVED_AFTER_MS = 60_000;

/** Apps of a tenant's own, candidates, leftovers and recovery came with version 2. */
function fromFirst(record: Record<string, unknown>): Record<string, unknown> {
  const first = firstSchema.safeParse(record);
  if (!first.success) return record;
  const { machine, volume, creating, watched, lastError, lastStartedAt, ...rest } = first.data;
  const added: { version: 2; ownApp: null } & Pick<
    InstanceState,
    | "fullRegions"
    | "capacityTries"
    | "recovery"
    | "machineNames"
    | "nameConflicts"
    | "candidate"
    | "leftovers"
    | "doubtful"
    | "swept"
    | "machine"
    | "volume"
    | "creating"
    | "watched"
    | "lastStartedAt"
    | "sizeWished"
    | "settingsLost"
    | "inventoryAt"
    | "toldLossOf"
  > & { version: 2 } = {
    version: 2,
    ownApp: null,
    fullRegions: [],
    capacityTries: 0,
    recovery: null,
    machineNames: 0,
    nameConflicts: 0,
    candidate: null,
    leftovers: [],
    doubtful: true,
    swept: null,
    sizeWished: false,
    settingsLost: false,
    inventoryAt: null,
    toldLossOf: null,
    machine: machine === null ? null : { ...machine, verified: true, remounted: false, destroysAsked: 0 },
    volume:
      volume === null
        ? null
        : // Whether a machine ever wrote to it, version 1 does not tell.
          {
            ...volume,
            sizeGb: VOLUME_SIZE_GB,
            hasData: true,
            missing: null,
            deleted: false,
            goneHolder: null,
          },
    creating:
      creating === null
        ? null
        : {
            kind: creating.kind,
            name: creating.name,
            sentAt: creating.believeAbsentAt - BELIEVED_AFTER_MS,
            earlierAt: null,
            empty: null,
            on: null,
            source: "empty",
          },
    watched: watched === null ? null : { ...watched, restlessSince: null },
    lastStartedAt,
  };
  return { ...rest, ...added, lastError: lastError === null ? null : { ...lastError, attempts: 1 } };
}

/** What a controller says of what runs came with version 3. */
function fromSecond(record: Record<string, unknown>): Record<string, unknown> {
  const added: { version: 3 } & Pick<InstanceState, "ran" | "unanswered"> = {
    version: 3,
    ran: null,
    unanswered: null,
  };
  return { ...record, ...added };
}

/** What of version 3 was added to. */
const thirdSchema = z.looseObject({
  ownApp: z.looseObject({}).nullable(),
  settings: z.looseObject({}),
});

/** Sealed secrets, and versions of the tenant's key, came with version 4. */
function fromThird(record: Record<string, unknown>): Record<string, unknown> {
  const third = thirdSchema.safeParse(record);
  if (!third.success) return record;
  const { ownApp, settings } = third.data;
  return {
    ...record,
    version: 4,
    ownApp: ownApp === null ? null : { ...ownApp, keyVersion: 1 },
    settings: { ...settings, encryptedSecrets: {} },
  };
}

const fourthSchema = z.looseObject({ generation: z.int(), provisionedAt: z.number() });

/** Settings that a controller takes while it runs came with version 5. */
function fromFourth(record: Record<string, unknown>): Record<string, unknown> {
  const fourth = fourthSchema.safeParse(record);
  if (!fourth.success) return record;
  const { generation, provisionedAt } = fourth.data;
  const added: Pick<
    InstanceState,
    "version" | "applied" | "applying" | "generationBase" | "settingsOnlySince"
  > = {
    version: 5,
    applied: null,
    applying: null,
    generationBase: Math.floor(provisionedAt),
    // Machines of before were not told their generation, so they are updated once.
    settingsOnlySince: generation + 1,
  };
  return { ...fourth.data, ...added };
}
