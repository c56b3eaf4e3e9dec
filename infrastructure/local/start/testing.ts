import type { Output } from "./terminal.ts";

/** A terminal's other end, for tests: remembers what was written. */
export function createRecorder(
  tty: Pick<Output, "isTTY" | "columns"> = {},
): Output & { readonly text: () => string } {
  let text = "";
  return {
    ...tty,
    write: (part) => {
      text += part;
      return true;
    },
    text: () => text,
  };
}
