import { toHex } from "../hex.ts";

const encoder = new TextEncoder();

/** What one machine is told, and what opens only that machine. */
export type MachineTokens = {
  /** Bearer of the controller's own routes. Lower-case hex, 64 characters. */
  gatewayToken: string;
  /** Value of `x-kiloclaw-proxy-token`: proof that a request came through the Worker. Lower-case hex, 64 characters. */
  proxyToken: string;
  /** Opens the machine's sealed environment (src/crypto/sealed-env.ts). Base64 of 32 bytes. */
  envKey: string;
};

/**
 * Derives all of them from `GATEWAY_TOKEN_SECRET` (HMAC-SHA256, RFC 2104). The gateway token is the HMAC of the sandbox
 * id; the others have labels that no sandbox id can begin with, so none is ever another.
 */
export async function machineTokensOf(secret: string, sandboxId: string): Promise<MachineTokens> {
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const sign = (text: string): Promise<ArrayBuffer> => crypto.subtle.sign("HMAC", key, encoder.encode(text));
  const [gatewayToken, proxyToken, envKey] = await Promise.all([
    sign(sandboxId),
    sign(`proxy-token:${sandboxId}`),
    sign(`env-key:${sandboxId}`),
  ]);
  return {
    gatewayToken: toHex(gatewayToken),
    proxyToken: toHex(proxyToken),
    envKey: btoa(String.fromCharCode(...new Uint8Array(envKey))),
  };
}
