import type { z } from "zod";
import { isDeadline, withDeadline } from "../deadline.ts";
import { createAffinity } from "./affinity.ts";
import { classifyFlyAnswer, type FlyError, noAnswer } from "./errors.ts";
import { createMask } from "./mask.ts";
import { isolateRateLimiter, type Rate, type RateLimiter } from "./rate-limit.ts";

export type FlyResult<T> = { ok: true; value: T } | { ok: false; error: FlyError };

/** What is told of every call. */
export type FlyCall = {
  method: string;
  path: string;
  /** Null: Fly did not answer, or was not asked. */
  status: number | null;
  requestId: string | null;
  durationMs: number;
  /** What Fly said against it, with every secret that was sent masked. */
  refusal: string | null;
};

export type FlyClientOptions = {
  baseUrl: string;
  token: string;
  /** Told after every call. */
  onCall: (call: FlyCall) => void;
  /** Whether calls keep to Fly's rates: delayed a little, and refused here as `rate_limited` beyond that. */
  rateLimits: boolean;
  /** The buckets of this isolate where none are given. */
  rateLimiter?: RateLimiter;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

export type FlyRequest = {
  method: "GET" | "POST" | "DELETE";
  path: string;
  app: string;
  /** Fly counts calls by action and by machine, or by app where no machine is named. */
  rate: { action: string; of: string; limit: Rate };
  body?: unknown;
  /** Values in the body that no error and no log may repeat. */
  secrets?: string[];
  /** From when it is sent. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
};

export type Caller = <T>(request: FlyRequest, schema: z.ZodType<T>) => Promise<FlyResult<T>>;

/** Lists of an app with ten thousand machines have some 20 MB; an object has 128. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

/** One HTTP exchange with the Machines API as one result. Never throws for what Fly or the network does. */
export function createCaller(options: FlyClientOptions): Caller {
  const { token, onCall, rateLimits, rateLimiter = isolateRateLimiter } = options;
  const { fetch: send = (url: string, init: RequestInit) => fetch(url, init) } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const affinity = createAffinity();
  // A macaroon has several parts, each a credential (fly-machines-api.md §1.2).
  const credentials = [token, ...token.split(/[ ,]+/)];

  const admit = async ({ rate, signal }: FlyRequest): Promise<FlyError | null> => {
    if (!rateLimits) return null;
    const permit = rateLimiter.ask(`${rate.action} ${rate.of}`, rate.limit);
    if (permit.kind === "refused") return tooManyCalls(permit.retryAfterMs);
    if (permit.waitMs === 0 || (await pause(permit.waitMs, signal))) return null;
    return noAnswer("The call was given up before it was sent");
  };

  const exchange = async ({ method, path, app, body }: FlyRequest, signal: AbortSignal) => {
    const cookie = affinity.cookieOf(app);
    const response = await send(baseUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(cookie === null ? {} : { cookie }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      signal,
    });
    affinity.keep(app, response.headers);
    return { response, text: await readText(response) };
  };

  return async (request, schema) => {
    const { method, path, timeoutMs } = request;
    const startedAt = Date.now();
    const report = (status: number | null, requestId: string | null, refusal: string | null): void =>
      onCall({ method, path, status, requestId, durationMs: Date.now() - startedAt, refusal });
    const refusedHere = await admit(request);
    if (refusedHere !== null) {
      report(null, null, refusedHere.message);
      return { ok: false, error: refusedHere };
    }
    try {
      const work = (signal: AbortSignal) => exchange(request, signal);
      const { response, text } = await withDeadline(timeoutMs, work, request.signal);
      const { status, headers } = response;
      if (response.ok) {
        report(status, headers.get("fly-request-id"), null);
        return readAnswer(text, schema);
      }
      const mask = createMask([...credentials, ...(request.secrets ?? [])]);
      const error = classifyFlyAnswer(status, text, headers, { mask });
      report(status, error.requestId, error.message);
      return { ok: false, error };
    } catch (cause) {
      const error = noAnswer(describeFailure(cause, timeoutMs));
      report(null, null, error.message);
      return { ok: false, error };
    }
  };
}

function tooManyCalls(retryAfterMs: number): FlyError {
  const message = "It was not sent: too many calls of this kind";
  return { kind: "rate_limited", message, status: null, requestId: null, retryAfterMs };
}

/** Whether the time has passed; false when the signal ended it before. */
function pause(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false);
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve(signal?.aborted !== true);
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      await reader.cancel();
      throw new AnswerTooLargeError(`Fly's answer has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

class AnswerTooLargeError extends Error {}

/** A 2xx that can't be read took effect all the same, so its outcome is unknown, not failed. */
function readAnswer<T>(text: string, schema: z.ZodType<T>): FlyResult<T> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return { ok: true, value: parsed.data };
  const where = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".")}: ${issue.code}`);
  return { ok: false, error: noAnswer(`Fly's answer could not be read (${where.join(", ")})`) };
}

/** Undefined for what is no JSON, such as the empty body of a 202 or 204. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeFailure(cause: unknown, timeoutMs: number): string {
  if (isDeadline(cause)) return `Fly did not answer within ${timeoutMs / 1_000} s`;
  return cause instanceof AnswerTooLargeError ? cause.message : "Fly could not be reached";
}
