import { inject } from "vitest";
import { z } from "zod";

/** Which call is held back (test/support/fly-gate.ts). */
export type Order = {
  app: string;
  method: "GET" | "POST" | "DELETE";
  /** What the path has after the app's, as a regular expression. */
  path: string;
  /** Before Fly hears of it, or before its answer goes out. */
  when: "before" | "after";
};

export type Hold = {
  /** Resolves when the call is there, and held. */
  caught(): Promise<void>;
  /** Lets it go on. */
  release(): Promise<void>;
};

const callsSchema = z.array(z.object({ method: z.string(), path: z.string() }));
export type GateCall = z.infer<typeof callsSchema>[number];

/** Holds the next call that fits. */
export async function hold(order: Order): Promise<Hold> {
  const number = z.int().parse(await ask("holds", { method: "POST", body: JSON.stringify(order) }));
  return {
    caught: async () => void (await ask(`holds/${number}`, { method: "GET" })),
    release: async () => void (await ask(`holds/${number}`, { method: "DELETE" })),
  };
}

/** What was called in an app, in order. */
export async function callsIn(app: string): Promise<GateCall[]> {
  return callsSchema.parse(await ask(`calls?app=${encodeURIComponent(app)}`, { method: "GET" }));
}

async function ask(path: string, init: RequestInit): Promise<unknown> {
  const answer = await fetch(`${inject("flyGateUrl")}/_gate/${path}`, init);
  if (!answer.ok) throw new Error(`the gate answers ${answer.status}`);
  return answer.json();
}
