import { createHash, randomBytes, randomInt } from "node:crypto";

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID: 48 bits of `nowMs`, then 80 random bits. Fly uses them for versions, events and request ids. */
export function ulid(nowMs: number): string {
  let time = "";
  for (let rest = nowMs, digits = 0; digits < 10; digits += 1) {
    time = crockford.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return time + base32(16);
}

/** A machine id as Fly makes them: 14 hex digits. */
export function machineId(): string {
  return randomBytes(7).toString("hex");
}

/** A volume id: `vol_` and 16 base-32 characters. */
export function volumeId(): string {
  return `vol_${base32(16).toLowerCase()}`;
}

/** A snapshot id: `vs_` and 23 base-32 characters. */
export function snapshotId(): string {
  return `vs_${base32(23)}`;
}

/** An app id: 16 base-32 characters. */
export function appId(): string {
  return base32(16).toLowerCase();
}

/** The secret that proves who holds a lease. */
export function leaseNonce(): string {
  return randomBytes(6).toString("hex");
}

/** The four hex digits of a physical host group, as volumes carry them. */
export function zone(): string {
  return randomBytes(2).toString("hex");
}

/** A name for a machine that was given none, in Fly's adjective-noun-number form. */
export function machineName(): string {
  const adjective = adjectives[randomInt(adjectives.length)] ?? "quiet";
  const noun = nouns[randomInt(nouns.length)] ?? "river";
  return `${adjective}-${noun}-${randomInt(1000, 10_000)}`;
}

/**
 * The 6PN address of a machine. The groups after `fdaa` are the network's, so that machines of one network share
 * them and machines of different networks do not.
 */
export function privateIp(network: string): string {
  const networkId = createHash("sha256").update(network).digest("hex").slice(0, 8);
  const groups = (networkId + randomBytes(8).toString("hex")).match(/.{4}/g) ?? [];
  return `fdaa:${groups.map(shorten).join(":")}:2`;
}

function shorten(group: string): string {
  return group.replace(/^0{1,3}/, "");
}

function base32(length: number): string {
  return Array.from(randomBytes(length), (byte) => crockford.charAt(byte % 32)).join("");
}

const adjectives = ["aged", "bold", "calm", "dark", "early", "misty", "polished", "quiet", "silent", "young"];
const nouns = ["brook", "cloud", "dawn", "field", "meadow", "river", "shadow", "thunder", "tree", "wave"];
