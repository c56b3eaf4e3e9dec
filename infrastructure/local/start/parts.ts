/** Something that runs until it is closed. */
export interface Part {
  /** Resolves with the reason when the part ends by itself. Absent for parts that can't end without this process. */
  readonly crashed?: Promise<string>;
  /** Ends the part within its own bound. */
  readonly close: () => Promise<unknown>;
}

export interface Parts {
  /** Starts a part and keeps it until {@link Parts.close}. */
  readonly start: <T extends Part>(name: string, start: () => Promise<T>) => Promise<T>;
  /**
   * Closes all parts side by side, also those that are still starting, and starts no more. Resolves with the names of those
   * that did not end within `boundMs`, or ended with an error.
   */
  readonly close: (boundMs: number) => Promise<string[]>;
}

/** @param onCrash is told of a part that ends before it is closed. */
export function createParts(onCrash: (name: string, reason: string) => void): Parts {
  const started = new Map<string, Promise<Part>>();
  let closing = false;
  return {
    start: async (name, start) => {
      if (closing) throw new Error(`${name} is not started: everything is being stopped.`);
      const starting = start();
      started.set(name, starting);
      const part = await starting;
      void part.crashed?.then((reason) => closing || onCrash(name, reason));
      return part;
    },
    close: async (boundMs) => {
      closing = true;
      const unfinished = new Set(started.keys());
      const all = Promise.all(
        [...started].map(async ([name, starting]) => {
          // A part that failed to start has cleaned up after itself, and its failure is told where it was started.
          const part = await starting.catch(() => null);
          await part?.close();
          unfinished.delete(name);
        }),
      );
      await withinBound(all, boundMs);
      return [...unfinished];
    },
  };
}

async function withinBound(work: Promise<unknown>, boundMs: number): Promise<void> {
  const bound = Promise.withResolvers<void>();
  const timer = setTimeout(bound.resolve, boundMs);
  // An error leaves the name of its part among the unfinished; the others get their time all the same.
  await Promise.race([work.catch(() => bound.promise), bound.promise]);
  clearTimeout(timer);
}
