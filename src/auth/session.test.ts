import { SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { issueSession, verifySession } from "./session.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const CLAIMS = { kiloUserId: "user-1", apiTokenPepper: "pepper", version: 3 };
const verify = (token: string) => verifySession(token, SECRET, "production");

function sign(
  claims: Record<string, unknown>,
  { secret = SECRET, alg = "HS256", exp = "1h" }: { secret?: string; alg?: string; exp?: string | null } = {},
) {
  const token = new SignJWT(claims).setProtectedHeader({ alg });
  return (exp === null ? token : token.setExpirationTime(exp)).sign(new TextEncoder().encode(secret));
}

it("accepts what it issued, for this environment only", async () => {
  const { token, maxAgeS } = await issueSession({ userId: "user-1", pepper: null }, SECRET, "production");
  expect(await verify(token)).toEqual({ kind: "valid", session: { userId: "user-1", pepper: null } });
  expect(await verifySession(token, SECRET, "development")).toMatchObject({ kind: "invalid" });
  expect(maxAgeS).toBe(30 * 24 * 3_600);
});

it("accepts a token of the Next.js app that names no environment", async () => {
  expect(await verify(await sign(CLAIMS))).toEqual({
    kind: "valid",
    session: { userId: "user-1", pepper: "pepper" },
  });
});

describe("refuses", () => {
  const now = Math.floor(Date.now() / 1_000);
  it.each([
    ["another version", sign({ ...CLAIMS, version: 2 })],
    ["another environment", sign({ ...CLAIMS, env: "development" })],
    ["no user", sign({ apiTokenPepper: null, version: 3 })],
    ["no pepper claim", sign({ kiloUserId: "user-1", version: 3 })],
    ["another key", sign(CLAIMS, { secret: "x".repeat(32) })],
    ["another HMAC", sign(CLAIMS, { alg: "HS512", secret: "x".repeat(64) })],
    ["an expired token", sign(CLAIMS, { exp: "-2m" })],
    ["no expiry", sign(CLAIMS, { exp: null })],
    ["one not valid yet", sign({ ...CLAIMS, nbf: now + 120 })],
    ["one issued in the future", sign({ ...CLAIMS, iat: now + 120 })],
    ["no signature", Promise.resolve(new UnsecuredJWT(CLAIMS).setExpirationTime("1h").encode())],
    ["no token at all", Promise.resolve("nonsense")],
    ["64 KiB", Promise.resolve("x".repeat(65_536))],
  ])("%s", async (_what, token) => {
    expect(await verify(await token)).toMatchObject({ kind: "invalid" });
  });
});
