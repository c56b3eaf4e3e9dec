import { errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";

/** The version of the token's claims; another one is not ours to read. */
const TOKEN_VERSION = 3;
const CLOCK_SKEW_S = 60;
/** A token of ours has some 300 characters; what is far longer is refused before any work on it. */
const TOKEN_CHARS_MAX = 4_096;
const SESSION_DAYS = 30;
const SESSION_S = SESSION_DAYS * 24 * 3_600;

const claimsSchema = z.object({
  kiloUserId: z.string().min(1).max(1_024),
  apiTokenPepper: z.string().nullable(),
  version: z.literal(TOKEN_VERSION),
  env: z.string().optional(),
});

export type Session = { userId: string; pepper: string | null };
export type VerifiedSession = { kind: "valid"; session: Session } | { kind: "invalid"; reason: string };

/**
 * Verifies a session token: HS256 and nothing else, signed with `NEXTAUTH_SECRET`, not expired, version 3, and of this
 * environment where it names one. Whether its pepper is still the user's is for the registry to say.
 */
export async function verifySession(
  token: string,
  secret: string,
  workerEnv: string,
): Promise<VerifiedSession> {
  if (token.length > TOKEN_CHARS_MAX) return { kind: "invalid", reason: "too long" };
  try {
    const { payload } = await jwtVerify(token, keyOf(secret), {
      algorithms: ["HS256"],
      clockTolerance: CLOCK_SKEW_S,
      requiredClaims: ["exp"],
    });
    if (payload.iat !== undefined && payload.iat > Date.now() / 1_000 + CLOCK_SKEW_S) {
      return { kind: "invalid", reason: "issued in the future" };
    }
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) return { kind: "invalid", reason: "claims" };
    const { kiloUserId, apiTokenPepper, env } = claims.data;
    if (env !== undefined && env !== workerEnv) return { kind: "invalid", reason: "environment" };
    return { kind: "valid", session: { userId: kiloUserId, pepper: apiTokenPepper } };
  } catch (cause) {
    return { kind: "invalid", reason: cause instanceof errors.JOSEError ? cause.code : "unreadable" };
  }
}

/** A token for a browser whose access code was redeemed, and how long it holds, in seconds. */
export async function issueSession(
  session: Session,
  secret: string,
  workerEnv: string,
): Promise<{ token: string; maxAgeS: number }> {
  const token = await new SignJWT({
    kiloUserId: session.userId,
    apiTokenPepper: session.pepper,
    version: TOKEN_VERSION,
    env: workerEnv,
  })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuedAt()
    .setExpirationTime(`${SESSION_DAYS}d`)
    .sign(keyOf(secret));
  return { token, maxAgeS: SESSION_S };
}

function keyOf(secret: string): Uint8Array {
  return new TextEncoder().encode(secret);
}
