/** What an id must never be, wherever one is taken (M05 of the attacks). */
export const HOSTILE_NAMES = [
  ["a command", "; rm -rf /"],
  ["an option", "--help"],
  ["a short option", "-x"],
  ["10 kB", "A".repeat(10_000)],
  ["a second line", "ABCD2345\n"],
  ["nothing", ""],
  ["a path", "../../etc/passwd"],
  ["an escape", "\u001b[2J"],
] as const;
