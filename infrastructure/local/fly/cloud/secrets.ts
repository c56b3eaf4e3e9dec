import { createHash } from "node:crypto";
import { refusals, type Outcome } from "../refusal.ts";
import type { App } from "../state/model.ts";
import type { Cloud } from "./cloud.ts";

/**
 * Sets the secrets with a value and removes those with null, as one new version of the app's secrets. Machines see it
 * with their next version.
 */
export function changeSecrets(
  cloud: Cloud,
  app: App,
  changes: Readonly<Record<string, string | null>>,
): Outcome<App> {
  const nowMs = cloud.clock.now();
  const secrets = new Map(Object.entries(app.secrets));
  for (const [name, value] of Object.entries(changes)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      return refusals.invalidArgument("secret names consist of letters, digits and underscores");
    }
    if (value === null) {
      secrets.delete(name);
      continue;
    }
    secrets.set(name, {
      value,
      digest: createHash("sha256").update(value).digest("hex").slice(0, 16),
      createdAt: secrets.get(name)?.createdAt ?? nowMs,
      updatedAt: nowMs,
    });
  }
  return cloud.store.apps.put({
    ...app,
    secrets: Object.fromEntries(secrets),
    secretsVersion: app.secretsVersion + 1,
  });
}
