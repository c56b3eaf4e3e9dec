import { isDeadline, withDeadline } from "../deadline.ts";

/** How the controller of one machine is reached: through Fly's proxy, pinned to the machine. */
export type MachineAddress = { proxyUrl: string; machineId: string };

export type Question = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  /** The gateway token of the machine, where the controller asks for one. */
  bearer?: string;
  body?: unknown;
  timeoutMs: number;
  /** No more of an answer is read than an honest one has: the machine is hostile. */
  bytesMax: number;
};

export type Asked =
  | { kind: "answered"; status: number; text: string }
  /** More than was asked for. */
  | { kind: "too_long"; status: number }
  /** No answer, which says nothing: what was asked for may have been done all the same. */
  | { kind: "silent"; why: string };

/** Asks the machine's controller one question. Ends early, without an answer, when `signal` fires. Never throws. */
export async function askController(
  { proxyUrl, machineId }: MachineAddress,
  { method, path, bearer, body, timeoutMs, bytesMax }: Question,
  signal?: AbortSignal,
): Promise<Asked> {
  const headers: Record<string, string> = { "fly-force-instance-id": machineId };
  if (bearer !== undefined) headers["authorization"] = `Bearer ${bearer}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const work = async (until: AbortSignal): Promise<Asked> => {
    const response = await fetch(new URL(path, proxyUrl), {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      // Tenants of one app share its host, and so would share what Cloudflare caches of it.
      cache: "no-store",
      signal: until,
    });
    const { status } = response;
    const text = await readBounded(response, bytesMax);
    return text === null ? { kind: "too_long", status } : { kind: "answered", status, text };
  };
  try {
    return await withDeadline(timeoutMs, work, signal);
  } catch (cause) {
    const why = isDeadline(cause) ? `no answer within ${timeoutMs / 1_000} s` : "it could not be reached";
    return { kind: "silent", why };
  }
}

/** The answer's text as JSON; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The body as text, or null where it is longer. */
async function readBounded(response: Response, bytesMax: number): Promise<string | null> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > bytesMax) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}
