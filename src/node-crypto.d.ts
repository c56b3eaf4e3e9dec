/** What the Worker uses of Node's crypto; workerd has it by nodejs_compat, @cloudflare/workers-types has not. */
declare module "node:crypto" {
  export function createHash(algorithm: "sha256"): {
    update(text: string): { digest(encoding: "hex"): string };
  };
  /** Throws on what is no private key. */
  export function createPrivateKey(pem: string): {
    asymmetricKeyType?: string;
    asymmetricKeyDetails?: { modulusLength?: number };
  };
}
