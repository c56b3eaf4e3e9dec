import { expect, it } from "vitest";
import { generationOf } from "./generation.ts";

const isRefused = (version: string, code: number, ...lines: string[]): boolean | undefined =>
  generationOf(version)?.isConfigRefused({ kind: "exited", code, signal: null }, lines);

it("takes a start that 2026.9 blocks for a refused configuration, unless another process has the state open", () => {
  expect(isRefused("2026.9.6", 78, "Invalid config")).toBe(true);
  const inUse = "StateDatabaseCoordinatorContentionError: another OpenClaw process owns gateway-lifecycle";
  expect(isRefused("2026.9.6", 78, inUse)).toBe(false);
});

it("takes keys that only the doctor of 2026.9 moves for a refused configuration", () => {
  const line = JSON.stringify({ message: "Refusing to run automatic gateway startup migrations because …" });
  expect(isRefused("2026.9.6", 1, "starting", line)).toBe(true);
  expect(isRefused("2026.9.6", 1, "listen EADDRINUSE")).toBe(false);
});

it("goes by the words of 2026.2, which ends with 1 whatever it was", () => {
  expect(isRefused("2026.2.26", 1, 'Invalid config at …:\\n- <root>: Unrecognized key: "x"')).toBe(true);
  expect(isRefused("2026.2.26", 1, "another gateway instance is already listening")).toBe(false);
});
