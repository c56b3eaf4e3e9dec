import type { GatewayLog } from "../../src/gateway/wire.ts";
import { createRing } from "./lines.ts";

/** Half an hour of a talkative gateway. With the longest lines it would be 16 MB, hence the bound on characters too. */
const LINES_MAX = 2_000;
const CHARS_MAX = 2_000_000;

/** The last lines that the gateway printed, numbered. They come without secrets. */
export interface GatewayOutput {
  add(stream: "stdout" | "stderr", text: string): void;
  /** Lines with a number above `after`, the newest `limit` of them. */
  read(query: { readonly after: number; readonly limit: number }): GatewayLog;
}

export function createGatewayOutput(): GatewayOutput {
  const ring = createRing<GatewayLog["lines"][number]>(LINES_MAX, {
    of: ({ text }) => text.length,
    max: CHARS_MAX,
  });
  let newest = 0;
  return {
    add(stream, text) {
      newest += 1;
      ring.push({ number: newest, at: new Date().toISOString(), stream, text });
    },
    read: ({ after, limit }) => ({
      lines: ring
        .items()
        .filter(({ number }) => number > after)
        .slice(-limit),
      newest,
    }),
  };
}
