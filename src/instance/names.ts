import { createHash } from "node:crypto";
import { toHex } from "../hex.ts";

/** Keys of the metadata that Fly keeps with each machine: the index by which lost ids are found again. */
export const METADATA_USER = "kiloclaw_user_id";
export const METADATA_SANDBOX = "kiloclaw_sandbox_id";
export const METADATA_GENERATION = "kiloclaw_generation";

/**
 * The generation that a machine's metadata tells; null for none that we could have written. A machine can rewrite its own
 * (fly-machines-api.md §1.1), and from a number that is too large none could be counted on.
 */
export function generationIn(
  metadata: Record<string, string> | null | undefined,
  most: number,
): number | null {
  const generation = Number.parseInt(metadata?.[METADATA_GENERATION] ?? "", 10);
  return generation >= 0 && generation <= most ? generation : null;
}

/** From where a lost record counts on at most; each change of settings is one. */
export const GENERATION_RECOVERED_MAX = 1e9;
/** As far again, so that what was counted on from there is still read. */
export const GENERATION_MAX = 2e9;

/** Where the volume is mounted, and the home of everything that OpenClaw keeps. */
export const VOLUME_PATH = "/root";

const VOLUME_PREFIX = "kc_";
const VOLUME_HASH_CHARS = 27;
const APP_PREFIX = "kc-";
const APP_HASH_CHARS = 40;
/** Names that strangers may have had; a name is a hash, so the second is hardly ever needed. */
export const APP_RENAMES_MAX = 5;
const LATER_MACHINE_PREFIX = "r_";
const LATER_MACHINE_HASH_CHARS = 59;

/**
 * The volume's name: `kc_` and 108 bits of the sandbox id's SHA-256 in hex, 30 characters of `[a-z0-9_]` in all,
 * which is Fly's limit. A hash, because sandbox ids cut at 30 characters could be alike for two tenants.
 */
export async function volumeNameOf(sandboxId: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sandboxId));
  return VOLUME_PREFIX + toHex(digest).slice(0, VOLUME_HASH_CHARS);
}

/**
 * The name of the app that is a tenant's own, and of its network: `kc-` and 160 bits of a SHA-256 in hex, so that it tells nothing
 * of the user. App names are one namespace for all of Fly: `renames` counts how often a stranger was found to have the name,
 * and each count gives another one.
 */
export function appNameOf(userId: string, renames: number): string {
  return APP_PREFIX + hashOf([userId, renames]).slice(0, APP_HASH_CHARS);
}

/**
 * The name of the instance's `n`-th machine: the sandbox id itself for 0. A later name is for when Fly can't free the one before
 * it; it has 61 characters, a length that unpadded base64url never has, so it is no tenant's sandbox id.
 */
export function machineNameOf(sandboxId: string, n: number): string {
  if (n === 0) return sandboxId;
  return LATER_MACHINE_PREFIX + hashOf([sandboxId, n]).slice(0, LATER_MACHINE_HASH_CHARS);
}

/** Whether it is the name of one of the instance's machines so far, or of the few next ones. */
export function isMachineNameOf(sandboxId: string, name: string, lastN: number): boolean {
  return Array.from({ length: lastN + LATER_NAMES }, (_, n) => n).some(
    (n) => machineNameOf(sandboxId, n) === name,
  );
}

/** A lost record does not tell how many names were given up. */
const LATER_NAMES = 8;

/** As JSON, so that no two pairs are one text. Synchronous, unlike WebCrypto, for names that are chosen in mid-decision. */
function hashOf(parts: [text: string, count: number]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
