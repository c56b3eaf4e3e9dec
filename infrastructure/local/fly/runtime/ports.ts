import { createHash } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below what systems hand out by themselves (Linux from 32768, macOS from 49152): a machine's second port is
 * bound by its program only seconds after the block was found free.
 */
const portMin = 20_000;
const portMax = 31_999;
const blocks = (portMax - portMin + 1) / 2;
const blocksTriedMax = 200;

/**
 * Hands out blocks of two neighbouring loopback ports that are free as far as binding them can tell. A machine gets the same
 * block each time, as long as nobody else has it: a real one keeps its ports too, and what it wrote down of them stays true.
 */
export class PortBlocks {
  /** First ports of the blocks that machines of ours have. */
  readonly #held = new Set<number>();

  /** The first port of a block, held until `release`. */
  async acquire(machineId: string): Promise<number> {
    const preferred = createHash("sha256").update(machineId).digest().readUInt32BE(0) % blocks;
    for (let attempt = 0; attempt < blocksTriedMax; attempt += 1) {
      const first = portMin + 2 * ((preferred + attempt) % blocks);
      if (this.#held.has(first)) continue;
      this.#held.add(first);
      if ((await isFree(first)) && (await isFree(first + 1))) return first;
      this.#held.delete(first);
    }
    throw new Error(`No two neighbouring free ports were found in ${blocksTriedMax} tries.`);
  }

  release(first: number): void {
    this.#held.delete(first);
  }
}

/** Whether the port could be bound for a moment. Errors that do not mean that it is taken are thrown as they are. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else reject(error);
    });
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      probe.close(() => resolve(true));
    });
  });
}
