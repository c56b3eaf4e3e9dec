import type { InstanceState } from "./state.ts";

export type ImageDrift =
  /** Fly runs the machine from another image than is ordered. Told only where it is ordered by its digest. */
  | { kind: "image"; ordered: string; running: string }
  /** The machine claims to run from another image than Fly runs it from. */
  | { kind: "reported_digest"; reported: string; running: string };

export type Drift =
  | ImageDrift
  /** The gateway may run with older settings than the newest. */
  | { kind: "settings" };

/** Everything in which what runs is not what it should be, as far as it is known. */
export function driftOf(state: InstanceState): Drift[] {
  const { ran, applied, generation } = state;
  const has = applied?.generation ?? ran?.generation ?? generation;
  return [...imageDriftOf(state), ...(has === generation ? [] : [{ kind: "settings" } as const])];
}

/** What is not known is no drift. */
export function imageDriftOf({ ran }: InstanceState): ImageDrift[] {
  if (ran === null) return [];
  const { running, reported, ordered } = ran.image;
  if (running === null) return [];
  return [
    ...(ordered === null || ordered === running ? [] : [{ kind: "image", ordered, running } as const]),
    ...(reported === null || reported === running
      ? []
      : [{ kind: "reported_digest", reported, running } as const]),
  ];
}

/** The digest that an image is ordered by; null for one that is ordered by its tag, which may move. */
export function digestOf(image: string): string | null {
  return /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1] ?? null;
}
