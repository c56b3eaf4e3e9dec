import type { Context } from "hono";
import type { z } from "zod";
import { Refusal, refusals, type Outcome } from "../refusal.ts";

/** Live Fly fails above some 700 kB. */
export const bodyBytesMax = 700 * 1024;

interface BodyOptions {
  /** Null means "not given", as in Go; off where null is a value of its own. */
  dropsNulls?: boolean;
  /** An absent body is an empty object. */
  isOptional?: boolean;
}

/**
 * The request's JSON body. What is wrong with it is told in the words of Go's decoder, as Fly does. Unknown keys are
 * ignored.
 */
export async function readBody<T>(
  context: Context,
  schema: z.ZodType<T>,
  options: BodyOptions = {},
): Promise<Outcome<T>> {
  const text = await context.req.text();
  if (text.trim() === "" && options.isOptional !== true) return new Refusal(400, "EOF");
  const value = text.trim() === "" ? {} : parseJson(text);
  if (value instanceof Refusal) return value;
  const body = options.dropsNulls === false ? value : withoutNulls(value);
  const parsed = schema.safeParse(body);
  return parsed.success ? parsed.data : explain(parsed.error, body);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const first = text.trimStart().charAt(0);
    return new Refusal(
      400,
      /[[{"\d-]/.test(first)
        ? "unexpected EOF"
        : `invalid character '${first}' looking for beginning of value`,
    );
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}

function explain(error: z.ZodError, body: unknown): Refusal {
  const [issue] = error.issues;
  if (issue === undefined) return refusals.invalidArgument("request body");
  const path = issue.path.join(".");
  if (issue.code !== "invalid_type") return refusals.invalidArgument(`${path}: ${issue.message}`);
  const given = typeName(valueAt(body, issue.path));
  if (given === "undefined") return refusals.invalidArgument(`${path} is required`);
  const field = path === "" ? "value" : `struct field Request.${path}`;
  return new Refusal(
    400,
    `json: cannot unmarshal ${given} into Go ${field} of type ${goType(issue.expected)}`,
  );
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const key of path) {
    if (typeof inner !== "object" || inner === null) return undefined;
    inner = Reflect.get(inner, key);
  }
  return inner;
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return value === null ? "null" : typeof value;
}

function goType(expected: string): string {
  switch (expected) {
    case "int":
    case "number":
      return "int";
    case "boolean":
      return "bool";
    case "array":
      return "[]string";
    case "object":
    case "record":
      return "struct";
    default:
      return expected;
  }
}
