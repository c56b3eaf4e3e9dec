import type { Config } from "../config.ts";
import type { Registry } from "../registry/registry.ts";
import { readCookie, sessionCookieName } from "./cookies.ts";
import { verifySession } from "./session.ts";

export type Authenticated =
  | { kind: "user"; userId: string; by: "bearer" | "cookie" }
  | { kind: "unauthenticated"; reason: string }
  /** The registry did not answer, so nobody is let in. */
  | { kind: "unavailable"; cause: string };

/**
 * Who is asking? A bearer token wins over the cookie, and where both come only the bearer is looked at. The token's pepper
 * must be the one that the registry has for the user, so that rotating it signs the user out everywhere.
 */
export async function authenticate(
  request: Request,
  config: Config,
  registry: Registry,
): Promise<Authenticated> {
  const bearer = readBearer(request.headers.get("authorization"));
  const token = bearer ?? readCookie(request.headers.get("cookie"), sessionCookieName(config.development));
  if (token === null) return { kind: "unauthenticated", reason: "no token" };
  const verified = await verifySession(token, config.sessionSecret, config.workerEnv);
  if (verified.kind === "invalid") return { kind: "unauthenticated", reason: verified.reason };
  const { userId, pepper } = verified.session;
  const user = await registry.findUser(userId);
  switch (user.kind) {
    case "unavailable":
      return user;
    case "absent":
      return { kind: "unauthenticated", reason: "unknown user" };
    case "found":
      return user.pepper === pepper
        ? { kind: "user", userId, by: bearer === null ? "cookie" : "bearer" }
        : { kind: "unauthenticated", reason: "pepper" };
    default:
      return user satisfies never;
  }
}

/** The token of an `Authorization: Bearer` header; null for no header, an empty text for one of another kind. */
function readBearer(header: string | null): string | null {
  if (header === null) return null;
  return /^Bearer +(\S+)$/i.exec(header.trim())?.[1] ?? "";
}
