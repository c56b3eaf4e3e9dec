/** What a Next.js app imports as `kiloclaw/client`. It runs in Node and in edge runtimes, and depends on `jose` alone. */
export { type PublicKey, sealSecret, type SealedFor, VARIABLE_OF } from "./seal-secret.ts";
