/**
 * Whom a request is for, by its raw request target.
 *
 * - `controller`: a route of ours, in its one canonical spelling; `path` is without the query.
 * - `reserved`: some other spelling that a decoder, a proxy or a file system might read as `/_kilo`.
 * - `gateway`: everything else.
 * - `malformed`: no origin-form target (RFC 9112 §3.2.1).
 */
export type Target =
  | { readonly kind: "controller"; readonly path: string }
  | { readonly kind: "reserved" }
  | { readonly kind: "gateway" }
  | { readonly kind: "malformed" };

const CANONICAL = /^\/_kilo(?:\/[a-z][a-z0-9-]*)*$/;
/** White space, control and format characters, which some reader or other ignores. */
const INVISIBLE = /[\s\p{C}]/gu;
/** Each round undoes one layer of encoding; a target with more layers than this is nobody's honest link. */
const DECODE_ROUNDS_MAX = 8;

/** Classifies a raw request target (`IncomingMessage.url`). */
export function classifyTarget(target: string | undefined): Target {
  if (target === undefined || !target.startsWith("/")) return { kind: "malformed" };
  const path = target.split(/[?#]/, 1)[0] ?? target;
  if (CANONICAL.test(path)) return { kind: "controller", path };
  return mightMeanController(path) ? { kind: "reserved" } : { kind: "gateway" };
}

function mightMeanController(path: string): boolean {
  let text = path;
  for (let round = 0; round < DECODE_ROUNDS_MAX; round++) {
    if (namesController(text)) return true;
    const decoded = decodeAscii(text);
    if (decoded === text) return false;
    text = decoded;
  }
  return true;
}

/** Percent escapes of ASCII only: no valid spelling of `_kilo` needs more, and nothing here can throw. */
function decodeAscii(text: string): string {
  return text.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}

/** Whether the first segment, before or after dot segments are resolved, is ours. */
function namesController(text: string): boolean {
  const segments = text
    .split(/[?#]/, 1)
    .join("")
    .split(/[/\\]+/)
    .map((segment) =>
      (segment.split(";", 1)[0] ?? "").replaceAll(INVISIBLE, "").normalize("NFKC").toLowerCase(),
    )
    .filter((segment) => segment !== "" && segment !== ".");
  const resolved: string[] = [];
  for (const segment of segments) {
    if (segment === "..") resolved.pop();
    else resolved.push(segment);
  }
  return segments[0] === "_kilo" || resolved[0] === "_kilo";
}
