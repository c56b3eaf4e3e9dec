/** What the fingerprint uses of Node; workerd has it by nodejs_compat, @cloudflare/workers-types has not. */
declare module "node:crypto" {
  export function createHash(algorithm: "sha256"): {
    update(text: string): { digest(encoding: "hex"): string };
  };
}
