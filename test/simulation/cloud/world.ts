/** Least and most, in milliseconds. */
export type Range = readonly [min: number, max: number];

/** How quick and how truthful a cloud is. Every bound here is one that src/instance/SPEC.md assumes (Assumptions about Fly), or a measured one. */
export type World = {
  /** One way between the caller and Fly. */
  latency: Range;
  pull: Range;
  start: Range;
  stop: Range;
  replace: Range;
  destroy: Range;
  /** From `started` to a gateway that answers ready. */
  ready: Range;
  /** Until a restored or forked volume is whole. */
  hydrate: Range;
  snapshot: Range;
  /** How long a destroyed machine is still answered for (fly-machines-api.md X7). */
  destroyedKept: number;
  appDelete: Range;
  secretsSeen: Range;
  /** How late an alarm rings. */
  alarmLate: Range;
  /** Until an alarm whose handler was cut off rings again. */
  alarmAgain: Range;
  /** The share of fresh resources that are not visible at once, by id and in lists. */
  lagShare: number;
  visible: Range;
  listed: Range;
  /** The share of volumes that stay bound after their machine is destroyed, and of those whose holder is named by NULs. */
  unbindShare: number;
  unbind: Range;
  nulShare: number;
  /** The share of name conflicts that don't tell the holder's id in a known way. */
  unreadableShare: number;
  /** The share of questions to the controller that get no answer, and of those to the registry. */
  unheardShare: number;
  registryAwayShare: number;
  /** The share of machines whose controller does not take settings as it should. */
  oddProgramShare: number;
};

const SECOND_MS = 1_000;

/** Always the same and quick: the ground of the exhaustive runs. */
export const CALM: World = {
  latency: [20, 20],
  pull: [1_000, 1_000],
  start: [500, 500],
  stop: [500, 500],
  replace: [1_000, 1_000],
  destroy: [500, 500],
  ready: [300, 300],
  hydrate: [2_000, 2_000],
  snapshot: [2_000, 2_000],
  destroyedKept: 60 * SECOND_MS,
  appDelete: [2_000, 2_000],
  secretsSeen: [0, 0],
  alarmLate: [0, 0],
  alarmAgain: [2_000, 2_000],
  lagShare: 0,
  visible: [0, 0],
  listed: [0, 0],
  unbindShare: 0,
  unbind: [0, 0],
  nulShare: 0,
  unreadableShare: 0,
  unheardShare: 0,
  registryAwayShare: 0,
  oddProgramShare: 0,
};

/** As slow and as far behind as the assumptions allow. */
export const ROUGH: World = {
  latency: [5, 250],
  pull: [1_000, 9_000],
  start: [200, 4_000],
  stop: [200, 5_000],
  replace: [500, 5_000],
  destroy: [200, 5_000],
  ready: [1_000, 8_000],
  hydrate: [1_000, 8_000],
  snapshot: [1_000, 5_000],
  destroyedKept: 60 * SECOND_MS,
  appDelete: [500, 20_000],
  secretsSeen: [0, 8_000],
  alarmLate: [0, 30_000],
  alarmAgain: [2_000, 30_000],
  lagShare: 0.25,
  visible: [0, 10_000],
  listed: [0, 30_000],
  unbindShare: 0.25,
  unbind: [1_000, 120_000],
  nulShare: 0.5,
  unreadableShare: 0.2,
  unheardShare: 0.1,
  registryAwayShare: 0.2,
  oddProgramShare: 0.4,
};
