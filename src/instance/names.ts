import { toHex } from "../hex.ts";

/** Keys of the metadata that Fly keeps with each machine: the index by which lost ids are found again. */
export const METADATA_USER = "kiloclaw_user_id";
export const METADATA_SANDBOX = "kiloclaw_sandbox_id";
export const METADATA_GENERATION = "kiloclaw_generation";

/** Where the volume is mounted, and the home of everything that OpenClaw keeps. */
export const VOLUME_PATH = "/root";

const VOLUME_PREFIX = "kc_";
const VOLUME_HASH_CHARS = 27;

/**
 * The volume's name: `kc_` and 108 bits of the sandbox id's SHA-256 in hex, 30 characters of `[a-z0-9_]` in all,
 * which is Fly's limit. A hash, because sandbox ids cut at 30 characters could be alike for two tenants.
 */
export async function volumeNameOf(sandboxId: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sandboxId));
  return VOLUME_PREFIX + toHex(digest).slice(0, VOLUME_HASH_CHARS);
}
