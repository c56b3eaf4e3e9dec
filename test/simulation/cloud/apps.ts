import { type Answer, ok, REFUSALS } from "./answers.ts";
import type { Cloud } from "./cloud.ts";
import { STREAM } from "./streams.ts";
import type { App } from "./model.ts";
import { type AppView, viewOfApp } from "./views.ts";

/** GET /v1/apps/{app} (fly-machines-api.md §2.2): 403 tells that the name belongs to somebody else. */
export function getApp(cloud: Cloud, name: string): Answer<AppView> {
  if (cloud.strangersApps.has(name)) return REFUSALS.appOfOthers();
  const app = cloud.app(name);
  return app === null ? REFUSALS.appMissing() : ok(viewOfApp(app));
}

/** POST /v1/apps (§2.1): names are global, and taken until a deletion is through. */
export function createApp(
  cloud: Cloud,
  body: { name: string; org_slug: string; network?: string | undefined },
): Answer<{ id: string; created_at: number }> {
  if (cloud.strangersApps.has(body.name) || cloud.app(body.name) !== null) return REFUSALS.appNameTaken();
  const app = cloud.makeApp(body.name, body.org_slug, body.network ?? "default");
  return ok({ id: app.id, created_at: Math.round(app.createdAt) }, 201);
}

/** DELETE /v1/apps/{app}?force=true (§2.4): 202, with all that is in it, a little later. */
export function deleteApp(cloud: Cloud, name: string): Answer<null> {
  if (cloud.strangersApps.has(name)) return REFUSALS.appOfOthers();
  const app = cloud.app(name);
  if (app === null) return REFUSALS.appMissing();
  const delay = cloud.between(STREAM.appDelete, cloud.world.appDelete);
  app.goneAt = Math.min(app.goneAt, cloud.now + delay);
  cloud.clock.at(delay, () => empty(cloud, app));
  return ok(null, 202);
}

function empty(cloud: Cloud, app: App): void {
  for (const machine of app.machines.values()) {
    if (machine.state !== "destroyed") cloud.destroyed(machine);
  }
  for (const volume of app.volumes.values()) cloud.becomeVolume(volume, "destroyed");
  cloud.onChange();
}

type AddressView = { ip: string; region: string; service_name: string; shared: boolean; created_at: string };

/** GET /v1/apps/{app}/ip_assignments (§2.6). */
export function listAddresses(cloud: Cloud, name: string): Answer<{ ips: AddressView[] }> {
  const app = cloud.app(name);
  return app === null ? REFUSALS.appMissing() : ok({ ips: app.addresses.map(viewOfAddress) });
}

/** POST /v1/apps/{app}/ip_assignments (§2.6); a second shared address is the first one again. */
export function assignAddress(cloud: Cloud, name: string, type: string): Answer<AddressView> {
  const app = cloud.app(name);
  if (app === null) return REFUSALS.appMissing();
  const shared = type === "shared_v4";
  const known = app.addresses.find((address) => shared && address.shared);
  const address = known ?? {
    ip: shared ? "66.241.124.7" : `2a09:8280:1::${app.addresses.length}`,
    shared,
    createdAt: cloud.now,
  };
  if (known === undefined) app.addresses.push(address);
  return ok(viewOfAddress(address));
}

/** POST /v1/apps/{app}/secrets/{name} (§2.7): machines see it from their next version on, once their host does. */
export function setSecret(
  cloud: Cloud,
  name: string,
  key: string,
  value: string,
): Answer<object & { version: number }> {
  const app = cloud.app(name);
  if (app === null) return REFUSALS.appMissing();
  app.secrets.set(key, value);
  app.secretsVersion += 1;
  app.secretsSeenAt = cloud.now + cloud.between(STREAM.secrets, cloud.world.secretsSeen);
  const at = new Date(Math.round(cloud.now)).toISOString();
  return ok(
    {
      name: key,
      digest: "b9e37b7b9619ac1b",
      created_at: at,
      updated_at: at,
      version: app.secretsVersion,
      Version: app.secretsVersion,
    },
    201,
  );
}

function viewOfAddress({ ip, shared, createdAt }: App["addresses"][number]): AddressView {
  return {
    ip,
    region: "global",
    service_name: "",
    shared,
    created_at: new Date(Math.round(createdAt)).toISOString(),
  };
}
