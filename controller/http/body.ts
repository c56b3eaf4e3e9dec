import type { z } from "zod";
import type { ControllerProblemCode } from "../../src/gateway/wire.ts";

export type Body<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "refused"; readonly code: ControllerProblemCode };

/** Reads a JSON body of at most `bytesMax` and checks it. An absent one counts as an empty object. */
export async function readJsonBody<T>(
  request: Request,
  schema: z.ZodType<T>,
  bytesMax: number,
): Promise<Body<T>> {
  const text = await readText(request, bytesMax);
  if (text === null) return { kind: "refused", code: "too_large" };
  const mediaType = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (text !== "" && mediaType !== "application/json")
    return { kind: "refused", code: "unsupported_media_type" };
  let value: unknown;
  try {
    value = text === "" ? {} : JSON.parse(text);
  } catch {
    return { kind: "refused", code: "invalid_request" };
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { kind: "read", value: parsed.data } : { kind: "refused", code: "invalid_request" };
}

/** The body as text, or null as soon as it is longer. */
async function readText(request: Request, bytesMax: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
