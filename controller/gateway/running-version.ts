import { setTimeout as sleep } from "node:timers/promises";
import type { Cli } from "./cli.ts";
import type { GatewayHello } from "./link.ts";

const VERSION = /\b(\d{4}\.\d{1,2}\.\d{1,3}(?:[-.][\w.-]{1,40})?)\b/;

/** Whoever asks waits ten seconds (src/gateway/client.ts). */
const ANSWER_MS_MAX = 5_000;

/** The version of the gateway's process, as it says itself; null while it has said nothing. */
export interface RunningVersion {
  /** Waits for the command line where that is being asked, but not for one that hangs. */
  get(): Promise<string | null>;
  onConnect(hello: GatewayHello): void;
  onEnd(): void;
}

/**
 * OpenClaw 2026.2 calls itself "dev" on its wire, so there the program that the gateway was started from is asked by its command
 * line, which takes a second and a half (openclaw-gateway.md §4.1), once for each process.
 */
export function createRunningVersion(cli: Cli): RunningVersion {
  let version: string | null = null;
  /** Of which process; what an earlier one's command line says late is not this one's. */
  let life = 0;
  let asked: Promise<void> = Promise.resolve();
  return {
    async get() {
      const over = new AbortController();
      const bound = sleep(ANSWER_MS_MAX, undefined, { signal: over.signal }).catch(() => undefined);
      await Promise.race([asked, bound]);
      over.abort();
      return version;
    },
    onConnect(hello) {
      if (hello.version !== null) version = hello.version;
      else if (version === null) asked = ask(life);
    },
    onEnd() {
      version = null;
      life += 1;
    },
  };

  async function ask(ofLife: number): Promise<void> {
    const result = await cli.run(["--version"]);
    if (ofLife !== life || result.kind !== "exited" || result.code !== 0) return;
    version = VERSION.exec(result.stdout)?.[1] ?? null;
  }
}
