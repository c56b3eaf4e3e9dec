import { exportPKCS8, generateKeyPair } from "jose";

/** A private key as an operator makes it for AGENT_ENV_VARS_PRIVATE_KEY. */
export async function newPrivateKey(): Promise<string> {
  const { privateKey } = await generateKeyPair("RSA-OAEP-256", { modulusLength: 2_048, extractable: true });
  return exportPKCS8(privateKey);
}
