import { expect, it } from "vitest";
import { deriveGatewaySecrets, isSameSecret } from "./secrets.ts";

it("derives a header name and a password that tell nothing of the token or of each other", () => {
  const one = deriveGatewaySecrets("a".repeat(64));
  const other = deriveGatewaySecrets("b".repeat(64));
  expect(one).toEqual(deriveGatewaySecrets("a".repeat(64)));
  expect(one.ownerHeader).toMatch(/^x-kiloclaw-owner-[0-9a-f]{64}$/);
  expect(one.password).toMatch(/^[0-9a-f]{64}$/);
  const values = [one.ownerHeader.slice(-64), one.password, other.ownerHeader.slice(-64), other.password];
  expect(new Set(values).size).toBe(4);
});

it("compares whole texts", () => {
  expect(isSameSecret("secret", "secret")).toBe(true);
  for (const given of ["", "secre", "secret0", "SECRET", "secret\0"])
    expect(isSameSecret(given, "secret")).toBe(false);
});
