import { toHex } from "../hex.ts";

const encoder = new TextEncoder();

/** What one machine is told, and what opens only that machine. */
export type MachineTokens = {
  /** Bearer of the controller's own routes. Lower-case hex, 64 characters. */
  gatewayToken: string;
  /** Value of `x-kiloclaw-proxy-token`: proof that a request came through the Worker. Lower-case hex, 64 characters. */
  proxyToken: string;
};

/**
 * Derives both from `GATEWAY_TOKEN_SECRET` (HMAC-SHA256, RFC 2104). The gateway token is the HMAC of the sandbox id; whatever
 * else is derived has a label that no sandbox id can begin with, so none is ever another.
 */
export async function machineTokensOf(secret: string, sandboxId: string): Promise<MachineTokens> {
  const sign = await signerOf(secret);
  const [gatewayToken, proxyToken] = await Promise.all([sign(sandboxId), sign(`proxy-token:${sandboxId}`)]);
  return { gatewayToken: toHex(gatewayToken), proxyToken: toHex(proxyToken) };
}

/**
 * The key that opens the machine's sealed environment (src/crypto/sealed-env.ts), likewise derived: base64 of 32 bytes. Each
 * version, counted from 1, is a key of its own.
 */
export async function envKeyOf(secret: string, sandboxId: string, version: number): Promise<string> {
  const sign = await signerOf(secret);
  const label = version === 1 ? "env-key" : `env-key:v${version}`;
  return btoa(String.fromCharCode(...new Uint8Array(await sign(`${label}:${sandboxId}`))));
}

async function signerOf(secret: string): Promise<(text: string) => Promise<ArrayBuffer>> {
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  return (text) => crypto.subtle.sign("HMAC", key, encoder.encode(text));
}
