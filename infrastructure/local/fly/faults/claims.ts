import type { Clock } from "../clock.ts";

/** How the holder of a volume is named: by its id, or by as many NUL characters, as live Fly was seen to do. */
export type HolderText = "id" | "nul";

interface Claim {
  holder: string;
  untilMs: number;
}

/** Claims kept at a time; the oldest is then dropped. */
const claimsMax = 10_000;

/** Volumes that still count as held though their machine is destroyed (contracts/fly-machines-api §9 F-17 and F-18). */
export class Claims {
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();
  readonly #expected = new Map<string, { forMs: number; holder: HolderText }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The machine's volumes will be claimed for so long after its end. */
  outlast(machineId: string, forMs: number, holder: HolderText): void {
    this.#expected.set(machineId, { forMs, holder });
    dropOldest(this.#expected);
  }

  destroyed(machineId: string, volumeIds: readonly string[]): void {
    const expected = this.#expected.get(machineId);
    if (expected === undefined) return;
    this.#expected.delete(machineId);
    const holder = expected.holder === "id" ? machineId : "\0".repeat(machineId.length);
    for (const volumeId of volumeIds) {
      this.#claims.set(volumeId, { holder, untilMs: this.#clock.now() + expected.forMs });
    }
    dropOldest(this.#claims);
  }

  /** Who still holds the volume, as Fly puts it. */
  holderOf(volumeId: string): string | undefined {
    const claim = this.#claims.get(volumeId);
    if (claim === undefined) return undefined;
    if (claim.untilMs > this.#clock.now()) return claim.holder;
    this.#claims.delete(volumeId);
    return undefined;
  }

  clear(): void {
    this.#claims.clear();
    this.#expected.clear();
  }
}

function dropOldest(claims: Map<string, unknown>): void {
  const [oldest] = claims.keys();
  if (claims.size > claimsMax && oldest !== undefined) claims.delete(oldest);
}
