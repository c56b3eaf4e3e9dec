import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

/** What the Next.js app says to the Worker's platform routes, over the wire. Refusals are thrown as an error. */
export interface Platform {
  /** Makes the instance, or gives an existing one this configuration. */
  readonly provision: (instance: Provision) => Promise<{ sandboxId: string }>;
  readonly start: (userId: string) => Promise<void>;
  /** Resolves when the instance runs; `onStatus` is told what it waits for. */
  readonly untilRunning: (userId: string, onStatus: (status: string) => void) => Promise<void>;
}

export interface Provision {
  readonly userId: string;
  readonly envVars: Record<string, string>;
  readonly kilocodeApiKey: string;
  /** Null takes back a model that an earlier provision chose. */
  readonly kilocodeDefaultModel: string | null;
}

/** @param options.signal ends every wait when it aborts. */
export function createPlatform(options: {
  workerUrl: string;
  internalApiSecret: string;
  signal: AbortSignal;
}): Platform {
  const call = async (path: string, body?: unknown): Promise<{ response: Response; text: string }> => {
    const response = await fetch(new URL(path, options.workerUrl), {
      method: body === undefined ? "GET" : "POST",
      headers: { "x-internal-api-key": options.internalApiSecret, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(CALL_MS_MAX)]),
    });
    return { response, text: await response.text() };
  };

  return {
    provision: async (instance) => {
      const { response, text } = await call("/api/platform/provision", instance);
      if (!response.ok) throw refusal("provision", response.status, text);
      return Provisioned.parse(JSON.parse(text));
    },
    start: async (userId) => {
      const { response, text } = await call("/api/platform/start", { userId });
      // A start that something hinders for the time being is stored and tried again; the status tells how it goes on.
      if (!response.ok && codeOf(text) !== "upstream_failed") throw refusal("start", response.status, text);
    },
    untilRunning: async (userId, onStatus) => {
      const deadline = Date.now() + RUNNING_MS_MAX;
      for (;;) {
        const { response, text } = await call(`/api/platform/status?userId=${encodeURIComponent(userId)}`);
        if (!response.ok) throw refusal("tell the status", response.status, text);
        const { status: current, lastError } = Status.parse(JSON.parse(text));
        if (current === "running") return;
        const trouble = lastError === null ? "" : `: ${lastError.message} (${lastError.code})`;
        // An error with a time for the next try is progress; one without is the end.
        const isFinal = lastError !== null && (lastError.nextTryAt ?? null) === null;
        if (isFinal || Date.now() > deadline)
          throw new Error(`The instance is ${current}, not running${trouble}`);
        onStatus(`${current}${trouble}`);
        await delay(POLL_MS, undefined, { signal: options.signal });
      }
    },
  };
}

/** The Worker itself answers within 25 s; a call beyond this hangs. */
const CALL_MS_MAX = 60_000;

/** A first start of OpenClaw takes ten seconds on an idle machine, and more on a busy one. */
const RUNNING_MS_MAX = 180_000;

const POLL_MS = 200;

const Provisioned = z.object({ sandboxId: z.string().min(1) });
const Status = z.object({
  status: z.string().nullable(),
  lastError: z
    .object({ code: z.string(), message: z.string(), nextTryAt: z.union([z.number(), z.string()]).nullish() })
    .nullish()
    .transform((error) => error ?? null),
});

const Problem = z.object({ code: z.string(), title: z.string().optional(), detail: z.string().optional() });

/** The most of an unexpected body that a message repeats. */
const BODY_CHARS_MAX = 300;

function refusal(what: string, status: number, text: string): Error {
  const problem = problemOf(text);
  const said =
    problem === null
      ? text.slice(0, BODY_CHARS_MAX)
      : [problem.code, problem.detail ?? problem.title].join(": ");
  return new Error(`The Worker refused to ${what}: ${status} ${said}`);
}

function codeOf(text: string): string | null {
  return problemOf(text)?.code ?? null;
}

function problemOf(text: string): z.output<typeof Problem> | null {
  try {
    return Problem.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
