import { z } from "zod";

/** What the user wants. */
const intentSchema = z.enum(["running", "stopped", "destroyed"]);
export type Intent = z.infer<typeof intentSchema>;

/** What the user is told. `recovering` is progress, not an error; errors stand in `lastError`. */
const statusSchema = z.enum([
  "provisioned",
  "starting",
  "running",
  "stopping",
  "stopped",
  "recovering",
  "destroying",
]);
export type Status = z.infer<typeof statusSchema>;

export const machineSizeSchema = z.strictObject({
  cpuKind: z.enum(["shared", "performance"]),
  cpus: z.int().min(1),
  memoryMb: z.int().min(1),
});
export type MachineSize = z.infer<typeof machineSizeSchema>;

/** A secret as it came: as plain text, or as a JWE that only the Worker opens (src/crypto/secret-box.ts). */
const secretValueSchema = z.union([z.string(), z.strictObject({ encrypted: z.string() })]);
export type SecretValue = z.infer<typeof secretValueSchema>;

/** What the machine's controller is told at boot, beside its identity. Values are secrets: never logged. */
const settingsSchema = z.strictObject({
  envVars: z.record(z.string(), z.string()),
  /** JWEs by the name of the variable that each becomes; one takes the place of a plain variable of its name. */
  encryptedSecrets: z.record(z.string(), z.string()),
  kilocodeApiKey: secretValueSchema.nullable(),
  kilocodeDefaultModel: z.string().nullable(),
  channels: z.strictObject({
    telegramBotToken: secretValueSchema.nullable(),
    discordBotToken: secretValueSchema.nullable(),
    slackBotToken: secretValueSchema.nullable(),
    slackAppToken: secretValueSchema.nullable(),
  }),
});
export type Settings = z.infer<typeof settingsSchema>;

/** Stable codes of what keeps an instance from its intent; the wire and the event log carry them. */
const problemCodeSchema = z.enum([
  "fly_unreachable",
  "fly_busy",
  "fly_refused",
  "fly_unauthorized",
  "fly_limit",
  "no_capacity",
  "app_name_taken",
  "image_missing",
  "name_taken",
  "host_unreachable",
  "machine_gone",
  "machine_stopped",
  "machine_busy",
  "machine_leased",
  "machine_not_ours",
  "machine_wedged",
  "mount_wrong",
  "gateway_degraded",
  "gateway_not_ready",
  "volume_missing",
  "volume_busy",
  "destroy_stuck",
  "gave_up",
  "secrets_unreadable",
]);
export type ProblemCode = z.infer<typeof problemCodeSchema>;

const lastErrorSchema = z.strictObject({
  code: problemCodeSchema,
  message: z.string(),
  at: z.number(),
  /** How often it was met since. */
  attempts: z.int(),
  nextTryAt: z.number().nullable(),
});
export type LastError = z.infer<typeof lastErrorSchema>;

/** Far more than any life leaves behind; a step that would make more waits until there is room. */
export const LEFTOVERS_MAX = 16;

/** A volume that waits to become the instance's own, once a machine runs on it. */
const candidateSchema = z.strictObject({
  id: z.string(),
  region: z.string(),
  sizeGb: z.int().min(1),
  createdAt: z.number(),
  seen: z.boolean(),
  /** Made from a snapshot, which may be older than what it takes the place of. */
  isOlderCopy: z.boolean(),
});

/** Looks in a row that found nothing: how many, and the instants of the first and of the last. */
const emptySchema = z.strictObject({ looks: z.int(), since: z.number(), at: z.number() }).nullable();
export type Empty = z.infer<typeof emptySchema>;

/** By then lists show what was made before (fly-machines-api.md F-03). */
export const INVENTORY_AFTER_MS = 120_000;

/** What is to go, and is not needed for anything else. */
const leftoverSchema = z.strictObject({
  kind: z.enum(["machine", "volume"]),
  id: z.string(),
  since: z.number(),
  /** Found beside what the instance needs, so nobody knows whether it is needed: it goes with the instance. */
  isKept: z.boolean(),
  /** Not before this instant, while the instance is kept. */
  notBefore: z.number(),
  /** Only while the instance runs and its gateway is ready: it is the fallback until then. */
  whenReady: z.boolean(),
  /** Its absence is not believed before: it was made a moment ago. */
  visibleFrom: z.number(),
  /** When its deletion is asked for (again), with growing pauses. */
  retryAt: z.number(),
  tries: z.int(),
});
export type Leftover = z.infer<typeof leftoverSchema>;

/** What runs in the machine since it came up last: its controller's word, and Fly's. */
const ranSchema = z.strictObject({
  /** Of the machine's configuration at Fly, and of the run: of another one nothing is known. */
  instanceId: z.string(),
  startedAt: z.number().nullable(),
  /** Generation of the configuration that the machine was started with; null when it can't be told. */
  generation: z.int().nullable(),
  /** Null where the machine claims to run from another image than Fly says: nothing of it is believed. */
  said: z
    .strictObject({
      controller: z.string(),
      openclaw: z.string().nullable(),
      capabilities: z.array(z.string()),
    })
    .nullable(),
  /** Digests: what Fly runs, what the machine claims, and what would be ordered; null where it is not told. */
  image: z.strictObject({
    running: z.string().nullable(),
    reported: z.string().nullable(),
    ordered: z.string().nullable(),
  }),
  at: z.number(),
});
export type Ran = z.infer<typeof ranSchema>;

export const givenSchema = z.enum([
  "envVars",
  "encryptedSecrets",
  "kilocodeApiKey",
  "kilocodeDefaultModel",
  "telegramBotToken",
  "discordBotToken",
  "slackBotToken",
  "slackAppToken",
]);

/**
 * The one durable record of an instance. Instants are milliseconds since the epoch.
 * SPEC.md says who writes which field and in what order.
 */
export const instanceStateSchema = z.strictObject({
  version: z.literal(5),
  userId: z.string().min(1),
  sandboxId: z.string().min(1),
  appName: z.string().min(1),
  /** An app of the tenant's own, and how far it is made; null in an app that all tenants share. */
  ownApp: z
    .strictObject({
      orgSlug: z.string().min(1),
      stage: z.enum(["wanted", "created", "ready"]),
      /** How often its name was found taken by a stranger. */
      renames: z.int(),
      /** When it was made, while it has not shown itself. */
      madeAt: z.number().nullable(),
      /** Addresses that Fly said it has, whatever its list says. */
      hasV4: z.boolean(),
      hasV6: z.boolean(),
      /** The version of the key under which the machine's environment is sealed. */
      keyVersion: z.int().min(1),
      /** The version of the app's secrets that machines must see. */
      secretsVersion: z.int().nullable(),
      /** The generation for which the key was set again, since a machine could not open its environment with it. */
      rekeyedFor: z.int().nullable(),
    })
    .nullable(),
  volumeName: z.string().min(1),
  /** Candidates by priority. */
  regions: z.array(z.string().min(1)).min(1),
  /** Where there was no room, for anything in the region or for a machine on the host of our volume, and until when it goes last. */
  fullRegions: z.array(
    z.strictObject({ region: z.string(), scope: z.enum(["region", "host"]), until: z.number() }),
  ),
  /** Tries in a row that found no room, since the user last asked. */
  capacityTries: z.int(),
  machineSize: machineSizeSchema,
  /** The size is a wish that no machine has taken over yet; else a machine keeps the size that it has. */
  sizeWished: z.boolean(),
  settings: settingsSchema,
  /** A recovery could not read them: no machine is updated to what is left of them. */
  settingsLost: z.boolean(),
  intent: intentSchema,
  /** Grows with every operation of a user; an observation of an older epoch is not decided on. */
  epoch: z.int(),
  /** The version of the machine's configuration that should run; a machine of an older one is updated. */
  generation: z.int(),
  /** Where a controller is told of generations, they count from here, so that what one kept for a lost record, or for another, is older. */
  generationBase: z.int(),
  /** From this generation on they differ in nothing but settings. */
  settingsOnlySince: z.int(),
  /** Fingerprint of everything that the machine of this generation was configured with. */
  fingerprint: z.string(),
  status: statusSchema,
  /** When the status began to be what it is. */
  statusSince: z.number(),
  lastError: lastErrorSchema.nullable(),
  /** The ids were lost: nothing is created before a conclusive look for what exists. */
  recovery: z
    .strictObject({
      since: z.number(),
      empty: emptySchema,
      /** Nobody asked for anything: the intent is what the machine does. */
      adoptsIntent: z.boolean(),
      /** Every name that the app could have was looked at. */
      appSearched: z.boolean(),
      /** Nobody wants the instance to exist: with nothing found, the record goes again. */
      mayEnd: z.boolean(),
      /** What of the settings was wished for meanwhile, be it to be empty: nothing that is found takes its place. */
      given: z.array(givenSchema).max(givenSchema.options.length).optional(),
    })
    .nullable(),
  /** Names that Fly can't free: the next machine is created under the one after. The first is the sandbox id. */
  machineNames: z.int(),
  /** Conflicts in a row over a name whose holder could not be seen. */
  nameConflicts: z.int(),
  machine: z
    .strictObject({
      id: z.string(),
      createdAt: z.number(),
      seen: z.boolean(),
      /** Whether its metadata and mount were compared with what they should be. */
      verified: z.boolean(),
      /** Whether an update was asked to set a wrong mount right. */
      remounted: z.boolean(),
      /** Destroys that nobody answered. */
      destroysAsked: z.int(),
    })
    .nullable(),
  volume: z
    .strictObject({
      id: z.string(),
      region: z.string(),
      createdAt: z.number(),
      seen: z.boolean(),
      /** Whether a machine may have written to it; once true it stays so. */
      hasData: z.boolean(),
      /** As Fly told it last; copies are no smaller. */
      sizeGb: z.int().min(1),
      /** Looks by id and by name that found it gone. */
      missing: emptySchema,
      /** Fly was asked to delete it. */
      deleted: z.boolean(),
      /** A machine that Fly names as its holder, and that is gone. */
      goneHolder: z.string().nullable(),
    })
    .nullable(),
  candidate: candidateSchema.nullable(),
  leftovers: z.array(leftoverSchema).max(LEFTOVERS_MAX),
  /** Stored before a create is sent; while it stands, the outcome of that create is not known. */
  creating: z
    .strictObject({
      kind: z.enum(["app", "machine", "volume", "candidate"]),
      name: z.string(),
      sentAt: z.number(),
      /** When an earlier create of this kind was sent, whose outcome is not known either. */
      earlierAt: z.number().nullable(),
      /** Looks by its name. */
      empty: emptySchema,
      /** The volume that a machine was to be made on. */
      on: z.string().nullable(),
      /** What a volume begins with. */
      source: z.enum(["empty", "fork", "snapshot"]),
    })
    .nullable(),
  /** A look-up by name once decided that something was not there: a destroy looks twice before it ends. */
  doubtful: z.boolean(),
  /** When everything of the instance is looked for once more, since a list may have hidden something. */
  inventoryAt: z.number().nullable(),
  /** The volume or copy of whose loss the user was told. */
  toldLossOf: z.string().nullable(),
  /** Looks of a destroy for anything of this instance. */
  swept: emptySchema,
  /** What was seen last of the machine. */
  watched: z
    .strictObject({
      flyState: z.string(),
      since: z.number(),
      /** Since when it is in one state in between after the other; null in a state that lasts. */
      restlessSince: z.number().nullable(),
      /** Since when its controller does not answer. */
      silentSince: z.number().nullable(),
    })
    .nullable(),
  /** What the machine's controller said of what runs; null until it said so since the machine came up. */
  ran: ranSchema.nullable(),
  /** Questions for that in a row that got no answer, and when the next one is due. */
  unanswered: z.strictObject({ questions: z.int(), againAt: z.number() }).nullable(),
  /** The generation whose settings the machine's controller was given while it ran, and whether that is known for its present run. */
  applied: z
    .strictObject({ generation: z.int(), instanceId: z.string(), isConfirmed: z.boolean() })
    .nullable(),
  /** How often the settings of a generation were sent to the controller to no effect. */
  applying: z.strictObject({ generation: z.int(), tries: z.int() }).nullable(),
  /** The last step that Fly accepted for the machine, whose effect may not show yet. */
  accepted: z.strictObject({ kind: z.string(), at: z.number() }).nullable(),
  pendingDestroyMachineId: z.string().nullable(),
  pendingDestroyVolumeId: z.string().nullable(),
  /** Instants at which the machine was brought up since the user last asked, at most an hour old. */
  bringUps: z.array(z.number()),
  /** Steps that failed in a row; the pause before the next try grows with it. */
  failures: z.int(),
  retryAt: z.number().nullable(),
  provisionedAt: z.number(),
  lastStartedAt: z.number().nullable(),
  lastStoppedAt: z.number().nullable(),
});
/** The parts of the settings that a wish says or leaves open, each by itself. */
export type Given = z.infer<typeof givenSchema>;

export type InstanceState = z.infer<typeof instanceStateSchema>;
