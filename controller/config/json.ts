export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** No honest configuration nests deeper. */
const DEPTH_MAX = 64;
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);

export type CleanResult =
  | { readonly ok: true; readonly value: JsonObject; readonly refusedKeys: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/**
 * A copy of parsed JSON, made of nothing but plain values. Keys that reach into an object's prototype are
 * left out and named in `refusedKeys`.
 */
export function cleanObject(parsed: unknown): CleanResult {
  const refusedKeys: string[] = [];
  const copy = (value: unknown, path: string, depth: number): Json => {
    if (depth > DEPTH_MAX) throw new TypeError(`is nested more than ${DEPTH_MAX} deep`);
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number") {
      if (!Number.isFinite(value)) throw new TypeError(`${path} is not a finite number`);
      return value;
    }
    if (Array.isArray(value)) return value.map((item, index) => copy(item, `${path}[${index}]`, depth + 1));
    if (typeof value !== "object") throw new TypeError(`${path} is not JSON`);
    const entries: [string, Json][] = [];
    for (const [key, item] of Object.entries(value)) {
      if (FORBIDDEN_KEYS.has(key)) refusedKeys.push(`${path}.${key}`);
      else entries.push([key, copy(item, `${path}.${key}`, depth + 1)]);
    }
    return Object.fromEntries(entries);
  };
  try {
    const value = copy(parsed, "", 0);
    return isObject(value) ? { ok: true, value, refusedKeys } : { ok: false, reason: "is not an object" };
  } catch (error) {
    if (error instanceof TypeError) return { ok: false, reason: error.message };
    throw error;
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export type Path = readonly [string, ...string[]];

/** The value at a path, or undefined. */
export function valueAt(object: JsonObject, path: Path): Json | undefined {
  let value: Json | undefined = object;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** A copy with the value at the path; what stands in the way and is no object is replaced. */
export function withValue(object: JsonObject, path: Path, value: Json): JsonObject {
  const [key, ...rest] = path;
  if (!isPath(rest)) return { ...object, [key]: value };
  const inner = object[key];
  return { ...object, [key]: withValue(isObject(inner) ? inner : {}, rest, value) };
}

/** A copy with the value at the path where there is none yet. */
export function withDefault(object: JsonObject, path: Path, value: Json): JsonObject {
  return valueAt(object, path) === undefined ? withValue(object, path, value) : object;
}

/** A copy without the value at the path, and without the objects that this leaves empty. */
export function without(object: JsonObject, path: Path): JsonObject {
  const [key, ...rest] = path;
  if (!Object.hasOwn(object, key)) return object;
  const inner = object[key];
  if (isPath(rest)) {
    if (!isObject(inner)) return object;
    const left = without(inner, rest);
    if (left === inner) return object;
    if (Object.keys(left).length > 0) return { ...object, [key]: left };
  }
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

function isPath(keys: readonly string[]): keys is Path {
  return keys.length > 0;
}
