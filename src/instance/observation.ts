import type { MachineSize, ProblemCode } from "./state.ts";

/** Machine states of Fly (docs: machines/machine-states), folded into what `decide` tells apart. */
export type MachinePhase =
  | "launching"
  | "starting"
  | "up"
  | "stopping"
  | "replacing"
  | "down"
  | "failed"
  | "destroying";

/** A question that was not asked, because nothing in this pass depends on the answer. */
type NotAsked = { kind: "none" };

/** A call failed, which says nothing about the world. `code` is what the user is told of it. */
export type Unknown = {
  kind: "unknown";
  code: ProblemCode;
  why: string;
  /** A list had something, and only the look at it failed. */
  isThere: boolean;
  /** Before which Fly asked not to be asked again. */
  retryAfterMs: number | null;
};

/** What a person may have set of a mount by hand (docs: machines/api/machines-resource#mounts). */
export type MountOptions = Partial<
  Record<"extend_threshold_percent" | "add_size_gb" | "size_gb_limit", number>
>;

export type PresentMachine = {
  kind: "present";
  id: string;
  instanceId: string;
  phase: MachinePhase;
  /** Fly's own word for the state. */
  flyState: string;
  /** Whether its metadata names this tenant. A machine of which Fly does not tell that is `unknown`. */
  ours: boolean;
  /** Generation of the configuration it runs; null when it can't be told. */
  generation: number | null;
  /** The volume it mounts, and whether at the right path; null without a mount. */
  mount: { volumeId: string; isRightPath: boolean; options: MountOptions } | null;
  size: MachineSize | null;
  /** Metadata beside ours. */
  metadata: Record<string, string>;
  /** Why it went down last, where Fly tells. */
  exit: string | null;
  /** When it came up last, by Fly's clock, in milliseconds since the epoch; null where Fly does not tell. */
  startedAt: number | null;
  /** The digest of the image that Fly runs it from; null where Fly does not tell. */
  imageDigest: string | null;
  createdAt: string;
};

export type ObservedMachine =
  /** No id is known and no create is open: there is nothing to ask about. */
  | NotAsked
  | Unknown
  /** Fly said so, by id or, while a create is open, by name. */
  | { kind: "absent" }
  /** Its host can't be reached; the state that Fly keeps of it tells nothing. */
  | { kind: "unreachable"; id: string }
  | PresentMachine;

/** `createdAt` as Fly has it, and as milliseconds since the epoch. */
export type Snapshot = { id: string; createdAt: string; at: number };

export type PresentVolume = {
  kind: "present";
  id: string;
  region: string;
  /** Whether a machine ever mounted it, as far as Fly tells. */
  hasData: boolean;
  /** Milliseconds since the epoch, by Fly's clock; 0 where Fly does not tell. */
  createdAt: number;
  /** False when its host can't be reached. */
  isReachable: boolean;
  /** False while Fly still copies into it. */
  isWhole: boolean;
  sizeGb: number | null;
  /** The machine that Fly names as attached, and what it is to us. */
  holder: { id: string; is: "ours" | "gone" | "given_up" | "stranger" | "unknown" } | null;
  /** The newest that can be restored; asked for only where the volume can't be reached. */
  snapshot: Snapshot | null;
};

export type ObservedVolume =
  | NotAsked
  | Unknown
  /** Gone by id and by name; with what may take its place. */
  | { kind: "absent"; snapshot: Snapshot | null; former: PresentVolume | null }
  | PresentVolume;

export type ObservedApp =
  | NotAsked
  | Unknown
  | { kind: "absent" }
  /** The name belongs to somebody else. */
  | { kind: "stranger" }
  | { kind: "ours"; hasV4: boolean; hasV6: boolean };

/** The leftover that is due, looked at by its id. */
export type ObservedLeftover = NotAsked | { kind: "unknown" | "absent" | "present"; id: string };

/** Everything in the app that carries this instance's metadata or its volume's name, each confirmed by its id. */
export type Inventory =
  | NotAsked
  | Unknown
  | {
      kind: "seen";
      machines: (PresentMachine | { kind: "unreachable"; id: string })[];
      volumes: PresentVolume[];
    };

export type ObservedGateway =
  /** The machine is not up, or nobody wants it up. */
  | NotAsked
  | { kind: "unknown"; why: string }
  | { kind: "starting"; stage: string }
  | { kind: "ready" }
  | { kind: "degraded"; stage: string };

/** What Fly and the controller said in one pass. */
export type Observation = {
  /** When the questions were begun to be asked; an answer may be as old as this. */
  askedAt: number;
  app: ObservedApp;
  machine: ObservedMachine;
  volume: ObservedVolume;
  candidate: ObservedVolume;
  gateway: ObservedGateway;
  leftover: ObservedLeftover;
  inventory: Inventory;
};

export const NOTHING_ASKED: Omit<Observation, "askedAt"> = {
  app: { kind: "none" },
  machine: { kind: "none" },
  volume: { kind: "none" },
  candidate: { kind: "none" },
  gateway: { kind: "none" },
  leftover: { kind: "none" },
  inventory: { kind: "none" },
};
