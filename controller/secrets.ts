import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/**
 * The two credentials that open the gateway's own loopback port. They are derived, so that what the gateway
 * holds, and may log or show, opens neither /_kilo nor the controller's proxy. This guards against mishaps, not
 * against a program in the machine that looks for the tokens: `gatewayEnvironment` says how far it goes.
 */
export interface GatewaySecrets {
  /**
   * Name of the request header whose presence makes a request the owner's. OpenClaw authenticates by header
   * alone in trusted-proxy mode, and repeats the header's *value* in logs, profiles and transcripts; so the
   * name is the secret, and the value is a plain word.
   */
  readonly ownerHeader: string;
  /** Password for callers on loopback that do not come through the proxy: this controller, the OpenClaw CLI. */
  readonly password: string;
}

/** The identity that the proxy vouches for. OpenClaw shows it as the name of the person. */
export const OWNER_IDENTITY = "Owner";

/** Derives the gateway's credentials from the gateway token by HMAC-SHA256 with a label per purpose. */
export function deriveGatewaySecrets(gatewayToken: string): GatewaySecrets {
  const derive = (label: string): string => createHmac("sha256", gatewayToken).update(label).digest("hex");
  return {
    ownerHeader: `x-kiloclaw-owner-${derive("kiloclaw/openclaw/owner-header/v1")}`,
    password: derive("kiloclaw/openclaw/password/v1"),
  };
}

const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD/i;

/** The values of an environment that are to be in no log: by their names, and those that came to the Worker sealed. */
export function secretValuesIn(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const sealedNames = new Set((env["KILOCLAW_SECRET_NAMES"] ?? "").split(","));
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && (SECRET_NAME.test(name) || sealedNames.has(name)) ? [value] : [],
  );
}

/** Compares two texts in a time that depends on neither, lengths included. */
export function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
