import { expect, it } from "vitest";
import { makeAccessCode } from "./access-code.ts";

it("makes access codes of letters that can't be mistaken, never the same twice", () => {
  const codes = Array.from({ length: 500 }, makeAccessCode);
  for (const code of codes) expect(code).toMatch(/^[A-HJ-NP-Z2-9]{5}-[A-HJ-NP-Z2-9]{5}$/u);
  expect(new Set(codes).size).toBe(codes.length);
});
