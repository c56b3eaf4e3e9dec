import type { z } from "zod";
import { BODY_BYTES_MAX } from "../config.ts";
import { problem } from "./problem.ts";

export type Parsed<T> = { kind: "parsed"; value: T } | { kind: "refused"; response: Response };

/** Reads and validates a JSON body of one of our own routes; a refusal names the fields, never their values. */
export async function parseJsonBody<T>(request: Request, schema: z.ZodType<T>): Promise<Parsed<T>> {
  if (mediaTypeOf(request) !== "application/json") {
    return refuse(problem("unsupported_media_type", { detail: "Send the body as application/json." }));
  }
  const text = await readText(request);
  if (text === null) return refuse(tooLarge());
  let body: unknown;
  // zod passes over it in silence, so that what a caller meant by it would be lost without a word.
  let hasPrototype = false;
  try {
    body = JSON.parse(text, (name, value: unknown) => {
      hasPrototype ||= name === "__proto__";
      return value;
    });
  } catch {
    return refuse(problem("invalid_request", { detail: "The body is not valid JSON." }));
  }
  if (hasPrototype) {
    return refuse(problem("invalid_request", { detail: "The body has a field named __proto__." }));
  }
  return validate(body, schema);
}

/** Reads and validates a form as browsers post it. Of a field that comes twice the last one counts. */
export async function parseFormBody<T>(request: Request, schema: z.ZodType<T>): Promise<Parsed<T>> {
  if (mediaTypeOf(request) !== "application/x-www-form-urlencoded") {
    return refuse(
      problem("unsupported_media_type", { detail: "Send the form as application/x-www-form-urlencoded." }),
    );
  }
  const text = await readText(request);
  if (text === null) return refuse(tooLarge());
  return validate(Object.fromEntries(new URLSearchParams(text)), schema);
}

/** Validates query parameters. */
export function parseQuery<T>(request: Request, schema: z.ZodType<T>): Parsed<T> {
  return validate(Object.fromEntries(new URL(request.url).searchParams), schema);
}

function validate<T>(value: unknown, schema: z.ZodType<T>): Parsed<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { kind: "parsed", value: parsed.data };
  const issues = parsed.error.issues
    .slice(0, 20)
    .map(({ path, message }) => ({ path: path.join("."), message }));
  const first = issues[0];
  const where = first === undefined || first.path === "" ? "" : ` (${first.path}: ${first.message})`;
  return refuse(
    problem("invalid_request", { detail: `The request is not valid${where}.`, extra: { issues } }),
  );
}

/** The whole body as text, or null when it is larger than a body of ours can be. */
async function readText(request: Request): Promise<string | null> {
  if (Number(request.headers.get("content-length") ?? 0) > BODY_BYTES_MAX) return null;
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > BODY_BYTES_MAX) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function mediaTypeOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function refuse(response: Response): { kind: "refused"; response: Response } {
  return { kind: "refused", response };
}

function tooLarge(): Response {
  return problem("too_large", { detail: `The body is larger than ${BODY_BYTES_MAX} bytes.` });
}
