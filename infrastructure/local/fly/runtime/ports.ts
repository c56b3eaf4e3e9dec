import { createServer } from "node:net";

/**
 * Hands out blocks of two neighbouring loopback ports that are free as far as binding them can tell. Three blocks
 * are tried, since another program may take one in between.
 */
export class PortBlocks {
  /** First ports of the blocks that machines of ours have. */
  readonly #held = new Set<number>();

  /** The first port of a block, held until `release`. */
  async acquire(): Promise<number> {
    for (let attempt = 1; attempt <= blocksTriedMax; attempt += 1) {
      const first = await freePort(0);
      if (first === undefined || this.#overlaps(first)) continue;
      this.#held.add(first);
      if ((await freePort(first + 1)) !== undefined) return first;
      this.#held.delete(first);
    }
    throw new Error(`No two neighbouring free ports were found in ${blocksTriedMax} tries.`);
  }

  release(first: number): void {
    this.#held.delete(first);
  }

  #overlaps(first: number): boolean {
    return [first - 1, first, first + 1].some((port) => this.#held.has(port)) || first + 1 > 65_535;
  }
}

const blocksTriedMax = 3;

/** The port that was bound for a moment (any if 0); undefined if it is taken. Other errors are thrown as they are. */
function freePort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    });
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
