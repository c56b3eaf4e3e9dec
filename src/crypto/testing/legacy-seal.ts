/** Seals variables as machines from before each had a text of its own have them (src/crypto/legacy-env.ts). */
export async function sealLegacyEnv(
  env: Record<string, string>,
  envKey: string,
  sandboxId: string,
): Promise<string> {
  const raw = Uint8Array.from(atob(envKey), (char) => char.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const algorithm = { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(sandboxId) };
  const sealed = await crypto.subtle.encrypt(algorithm, key, new TextEncoder().encode(JSON.stringify(env)));
  const bytes = String.fromCharCode(...iv, ...new Uint8Array(sealed));
  return `v1.${btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}
