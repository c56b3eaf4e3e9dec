/**
 * Milliseconds of a Go duration: a string such as `"1m30s"`, or an integer of nanoseconds. Undefined if it is
 * neither (Fly: config durations are Go strings or nanoseconds).
 */
export function parseDurationMs(value: string | number): number | undefined {
  if (typeof value === "number") {
    return Number.isFinite(value) && value >= 0 ? value / 1e6 : undefined;
  }
  if (value === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (millisecondsPer.get(unit ?? "") ?? 0);
  }
  return totalMs;
}

const millisecondsPer = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
