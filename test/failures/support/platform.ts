import { z } from "zod";
import type { World } from "./world.ts";

export type Answer = {
  status: number;
  headers: Headers;
  text: string;
  /** The members of a JSON answer; empty for any other. */
  body: Record<string, unknown>;
};

/** Sends a request, redirects not followed, and reads the answer to its end. */
export async function ask(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(new URL(path, url), { redirect: "manual", ...init });
  const text = await response.text();
  const isJson = /^application\/(?:problem\+)?json/.test(response.headers.get("content-type") ?? "");
  const body = isJson ? z.record(z.string(), z.unknown()).parse(JSON.parse(text)) : {};
  return { status: response.status, headers: response.headers, text, body };
}

const statusSchema = z.object({
  status: z.string().nullable(),
  sandboxId: z.string().nullable(),
  flyAppName: z.string().nullable(),
  flyMachineId: z.string().nullable(),
  flyVolumeId: z.string().nullable(),
  lastError: z.object({ code: z.string(), message: z.string(), nextTryAt: z.string().nullable() }).nullable(),
});
const eventsSchema = z.object({
  events: z.array(
    z.object({ kind: z.string(), what: z.string(), why: z.string(), outcome: z.string().nullable() }),
  ),
});
export type Event = z.infer<typeof eventsSchema>["events"][number];

export type Platform = {
  post(operation: string, userId: string, fields?: Record<string, unknown>): Promise<Answer>;
  status(userId: string): Promise<z.infer<typeof statusSchema>>;
  /** The instance's log, oldest first. */
  events(userId: string): Promise<Event[]>;
};

/** The platform API as the Next.js app uses it. */
export function platformOf(world: World, workerUrl: string): Platform {
  const headers = { "x-internal-api-key": world.secrets.INTERNAL_API_SECRET };
  const get = (path: string): Promise<Answer> => ask(workerUrl, `/api/platform/${path}`, { headers });
  return {
    post: (operation, userId, fields = {}) =>
      ask(workerUrl, `/api/platform/${operation}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ userId, ...fields }),
      }),
    status: async (userId) => statusSchema.parse((await get(`status?userId=${userId}`)).body),
    events: async (userId) =>
      eventsSchema.parse((await get(`events?limit=500&userId=${userId}`)).body).events.toReversed(),
  };
}
