import { withDeadline } from "../deadline.ts";

/** How the controller of one machine is reached: through Fly's proxy, pinned to the machine. */
export type MachineAddress = { proxyUrl: string; machineId: string };

export type Question = {
  method: "GET" | "PUT";
  path: string;
  /** The gateway token of the machine, where the controller asks for one. */
  bearer?: string;
  body?: unknown;
  timeoutMs: number;
  /** No more of an answer is read than an honest one has: the machine is hostile. */
  bytesMax: number;
};

/** `text` is cut where it is longer than asked for; `null` is no answer, which says nothing. */
export type Answered = { status: number; text: string };

/** Asks the machine's controller one question. Ends early, without an answer, when `signal` fires. */
export async function askController(
  { proxyUrl, machineId }: MachineAddress,
  { method, path, bearer, body, timeoutMs, bytesMax }: Question,
  signal?: AbortSignal,
): Promise<Answered | null> {
  const headers: Record<string, string> = { "fly-force-instance-id": machineId };
  if (bearer !== undefined) headers["authorization"] = `Bearer ${bearer}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const work = async (until: AbortSignal): Promise<Answered> => {
    const response = await fetch(new URL(path, proxyUrl), {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      cache: "no-store",
      signal: until,
    });
    return { status: response.status, text: await readBounded(response, bytesMax) };
  };
  try {
    return await withDeadline(timeoutMs, work, signal);
  } catch {
    return null;
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

async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > bytesMax) {
      await reader.cancel();
      break;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}
