/** More layers of percent-encoding than any honest path has. */
const DECODE_ROUNDS_MAX = 4;

/**
 * Whether a path could reach the controller's own routes, however it is written: in any case, percent-encoded once or
 * more, with doubled or backward slashes, dot segments or parameters. Such a path never leaves the Worker.
 */
export function isControllerPath(pathname: string): boolean {
  let path = pathname;
  for (let round = 0; round < DECODE_ROUNDS_MAX; round += 1) {
    const decoded = decode(path);
    if (decoded === path) break;
    path = decoded;
  }
  return path
    .toLowerCase()
    .split(/[/\\]+/)
    .some((segment) => segment.split(";", 1)[0]?.trim() === "_kilo");
}

/** Decodes what can be decoded and leaves the rest, since a malformed escape may be read by others in their own way. */
function decode(path: string): string {
  return path.replaceAll(/%[0-9a-f]{2}/gi, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}
