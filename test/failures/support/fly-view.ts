import { request } from "node:http";
import { z } from "zod";
import type { LocalFly } from "../../../infrastructure/local/fly/index.ts";
import { ask } from "./platform.ts";

/** What Fly knows of an app, past the Worker. */
export type AppAtFly = {
  network: string;
  orgSlug: string;
  machines: number;
  volumes: number;
  addresses: string[];
  /** By name; Fly shows values to nobody who does not ask for them. */
  secrets: string[];
};

export type FlyView = {
  /** Null where there is no such app. */
  app(name: string): Promise<AppAtFly | null>;
  appsOf(orgSlug: string): Promise<string[]>;
  /** The variables that Fly keeps readable for everybody who may read the machine. */
  variablesOf(app: string, machineId: string): Promise<Record<string, string>>;
  /** The status with which Fly's proxy answers a plain request for an app's own host name. */
  byHost(host: string): Promise<number>;
  /** In test mode: something that befalls the cloud. */
  happen(happening: Record<string, unknown>): Promise<void>;
  /** In test mode: faults of single calls. */
  fault(...rules: Record<string, unknown>[]): Promise<void>;
  /** How many of the faults that were asked for have happened. */
  faultsHappened(): Promise<number>;
  /** As somebody does by hand. */
  createApp(name: string, orgSlug: string): Promise<void>;
};

const appSchema = z.object({
  network: z.string(),
  machine_count: z.int(),
  volume_count: z.int(),
  organization: z.object({ slug: z.string() }),
});
const addressesSchema = z.object({ ips: z.array(z.object({ ip: z.string() })) });
const secretsSchema = z.object({ secrets: z.array(z.object({ name: z.string() })) });
const appsSchema = z.object({ apps: z.array(z.object({ name: z.string() })) });
const faultsSchema = z.object({ rules: z.array(z.object({ fired: z.int() })) });
const machineSchema = z.object({ config: z.object({ env: z.record(z.string(), z.string()) }) });

export function flyView({ apiUrl, proxyUrl }: LocalFly, token: string): FlyView {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const read = async (path: string): Promise<unknown> => {
    const answer = await ask(apiUrl, `/v1/${path}`, { headers });
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw new Error(`Fly answers ${answer.status} to ${path}: ${answer.text}`);
    return answer.body;
  };
  const order = async (path: string, body: unknown): Promise<void> => {
    const answer = await ask(apiUrl, path, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.status >= 300) throw new Error(`Fly answers ${answer.status} to ${path}: ${answer.text}`);
  };
  return {
    async app(name) {
      const app = await read(`apps/${name}`);
      if (app === null) return null;
      const [addresses, secrets] = await Promise.all([
        read(`apps/${name}/ip_assignments`),
        read(`apps/${name}/secrets`),
      ]);
      // Gone between two of the calls.
      if (addresses === null || secrets === null) return null;
      const { network, organization, machine_count: machines, volume_count: volumes } = appSchema.parse(app);
      return {
        network,
        orgSlug: organization.slug,
        machines,
        volumes,
        addresses: addressesSchema.parse(addresses).ips.map(({ ip }) => ip),
        secrets: secretsSchema.parse(secrets).secrets.map(({ name }) => name),
      };
    },
    appsOf: async (orgSlug) =>
      appsSchema.parse(await read(`apps?org_slug=${orgSlug}`)).apps.map(({ name }) => name),
    variablesOf: async (app, machineId) =>
      machineSchema.parse(await read(`apps/${app}/machines/${machineId}`)).config.env,
    byHost: (host) => statusByHost(proxyUrl, host),
    happen: (happening) => order("/_test/cloud", happening),
    fault: (...rules) => order("/_test/faults", { rules }),
    async faultsHappened() {
      const { body } = await ask(apiUrl, "/_test/faults", { headers });
      return faultsSchema.parse(body).rules.reduce((sum, { fired }) => sum + fired, 0);
    },
    createApp: (name, orgSlug) => order("/v1/apps", { app_name: name, org_slug: orgSlug }),
  };
}

/** `fetch` sets the host by itself. */
function statusByHost(proxyUrl: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(proxyUrl, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.once("error", reject);
    asked.end();
  });
}
