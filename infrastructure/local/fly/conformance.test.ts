import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { machineIn, startFly, volumeIn, waitFor, type Answer, type TestFly } from "./testing/fly.ts";
import { loadFlySpec, type FlySpec } from "./testing/openapi.ts";

let spec: FlySpec;
/** Every operation with its statuses that was held against the spec. */
const seen = new Set<string>();

beforeAll(async () => {
  spec = await loadFlySpec();
});

describe("what the local Fly answers is what Fly's OpenAPI spec says", () => {
  it("for apps, addresses, secrets and regions", async () => {
    const { fly, check, deviations } = await checkedFly();
    await check("POST", "/apps", "", { name: "acme", org_slug: "kilo", network: "net" });
    await check("POST", "/apps", "", { name: "acme", org_slug: "kilo" });
    await check("POST", "/apps", "", { name: "other" });
    await check("GET", "/apps", "?org_slug=kilo");
    await check("GET", "/apps/{app_name}");
    await check("POST", "/apps/{app_name}/ip_assignments", "", { type: "v6" });
    await check("GET", "/apps/{app_name}/ip_assignments");
    await check("POST", "/apps/{app_name}/secrets", "", { values: { KEY: "v" } });
    await check("POST", "/apps/{app_name}/secrets/{secret_name}", "", { value: "v" }, { secret_name: "ONE" });
    await check("GET", "/apps/{app_name}/secrets/{secret_name}", "?show_secrets=true", undefined, {
      secret_name: "ONE",
    });
    await check("GET", "/apps/{app_name}/secrets");
    await check("DELETE", "/apps/{app_name}/secrets/{secret_name}", "", undefined, { secret_name: "ONE" });
    await check("DELETE", "/apps/{app_name}");
    await expect.poll(async () => (await fly.call("GET", "/apps/acme")).status).toBe(404);
    await check("GET", "/apps/{app_name}");
    await check("GET", "/platform/regions");
    expect(deviations).toEqual([]);
  });

  it("for a machine's whole life", async () => {
    const { fly, check, deviations } = await checkedFly();
    await fly.call("POST", "/apps", { name: "acme", org_slug: "kilo" });
    const volume = volumeIn(
      await check("POST", "/apps/{app_name}/volumes", "", { name: "kc_1", size_gb: 5 }),
    );
    const request = createRequest(volume.id);
    const machine = machineIn(await check("POST", "/apps/{app_name}/machines", "", request));
    const path = "/apps/{app_name}/machines/{machine_id}";
    const ids = { machine_id: machine.id };
    const on = (method: string, suffix: string, query = "", body?: unknown): Promise<Answer> =>
      check(method, `${path}${suffix}`, query, body, ids);

    await check("POST", "/apps/{app_name}/machines", "", request);
    await on("GET", "/wait", "?state=started&timeout=10");
    await on("GET", "/wait", "?timeout=90");
    await on("GET", "/wait", "?state=suspended&timeout=1");
    await on("GET", "");
    await check("GET", "/apps/{app_name}/machines", "?metadata.kiloclaw_user_id=u1");
    await check("GET", "/apps/{app_name}/machines", "?summary=true");
    await check("GET", "/orgs/{org_slug}/machines", "", undefined, { org_slug: "kilo" });
    await on("GET", "/events", "?limit=5");
    await on("GET", "/versions");
    await on("GET", "/metadata");
    await on("POST", "/metadata/{key}", "", { value: "v" });
    await on("GET", "/metadata/{key}");
    await on("PATCH", "/metadata", "", { metadata: { a: "b" } });
    await on("DELETE", "/metadata/{key}");
    await on("POST", "/cordon");
    await on("POST", "/uncordon");
    const lease = z
      .object({ data: z.object({ nonce: z.string() }) })
      .parse((await on("POST", "/lease", "", { ttl: 30 })).body);
    await on("GET", "/lease");
    await on("POST", "", "", { ...request, skip_launch: false });
    await fly.call("DELETE", `/apps/acme/machines/${machine.id}/lease`, undefined, {
      "fly-machine-lease-nonce": lease.data.nonce,
    });
    await on("POST", "", "", { ...request, current_version: machine.instance_id });
    await waitFor(fly, machine, "started");
    await on("POST", "/signal", "", { signal: "SIGUSR1" });
    await on("POST", "/exec", "", { command: ["true"], timeout: 5 });
    await on("POST", "/restart", "?timeout=5s");
    await waitFor(fly, machine, "started");
    await on("POST", "/suspend");
    await waitFor(fly, machine, "suspended");
    await on("POST", "/start");
    await waitFor(fly, machine, "started");
    await on("POST", "/stop", "", { signal: "SIGTERM", timeout: "5s" });
    await waitFor(fly, machine, "stopped");
    await on("DELETE", "", "?force=true");
    await waitFor(fly, machine, "destroyed");
    await on("GET", "");
    await check("GET", path, "", undefined, { machine_id: "0123456789abcd" });
    expect(deviations).toEqual([]);
  });

  it("for volumes and snapshots", async () => {
    const { fly, check, deviations } = await checkedFly();
    await fly.call("POST", "/apps", { name: "acme", org_slug: "kilo" });
    const volume = volumeIn(await check("POST", "/apps/{app_name}/volumes", "", { name: "kc_1" }));
    const ids = { volume_id: volume.id };
    const path = "/apps/{app_name}/volumes/{volume_id}";
    await check("GET", "/apps/{app_name}/volumes");
    await check("GET", path, "", undefined, ids);
    await check("PUT", path, "", { snapshot_retention: 7 }, ids);
    await check("PUT", `${path}/extend`, "", { size_gb: 4 }, ids);
    await check("POST", `${path}/snapshots`, "", undefined, ids);
    await check("GET", `${path}/snapshots`, "", undefined, ids);
    await check("DELETE", path, "", undefined, ids);
    await check("GET", path, "", undefined, { volume_id: "vol_none" });
    expect(deviations).toEqual([]);
  });

  it("in every operation that a control plane uses", () => {
    const operations = [...seen].map((key) => key.replace(/ \d+$/, ""));
    expect([...new Set(operations)].toSorted()).toEqual(usedOperations.toSorted());
  });
});

const machine = "/apps/{app_name}/machines/{machine_id}";
const volume = "/apps/{app_name}/volumes/{volume_id}";
const usedOperations = [
  ...["GET", "POST"].map((method) => `${method} /apps`),
  ...["GET", "DELETE"].map((method) => `${method} /apps/{app_name}`),
  ...["GET", "POST"].map((method) => `${method} /apps/{app_name}/ip_assignments`),
  ...["GET", "POST"].map((method) => `${method} /apps/{app_name}/secrets`),
  ...["GET", "POST", "DELETE"].map((method) => `${method} /apps/{app_name}/secrets/{secret_name}`),
  ...["GET", "POST"].map((method) => `${method} /apps/{app_name}/machines`),
  ...["GET", "POST", "DELETE"].map((method) => `${method} ${machine}`),
  ...["wait", "events", "versions", "metadata", "lease"].map((verb) => `GET ${machine}/${verb}`),
  ...["start", "stop", "restart", "suspend", "signal", "exec", "cordon", "uncordon", "lease"].map(
    (verb) => `POST ${machine}/${verb}`,
  ),
  `PATCH ${machine}/metadata`,
  ...["GET", "POST", "DELETE"].map((method) => `${method} ${machine}/metadata/{key}`),
  ...["GET", "POST"].map((method) => `${method} /apps/{app_name}/volumes`),
  ...["GET", "PUT", "DELETE"].map((method) => `${method} ${volume}`),
  `PUT ${volume}/extend`,
  ...["GET", "POST"].map((method) => `${method} ${volume}/snapshots`),
  "GET /orgs/{org_slug}/machines",
  "GET /platform/regions",
];

type Check = (
  method: string,
  template: string,
  query?: string,
  body?: unknown,
  ids?: Record<string, string>,
) => Promise<Answer>;

/** A local Fly, and calls to it whose request and answer are held against the spec. */
async function checkedFly(): Promise<{ fly: TestFly; check: Check; deviations: string[] }> {
  const fly = await startFly();
  const deviations: string[] = [];
  const check: Check = async (method, template, query = "", body, ids = {}) => {
    const path = template.replaceAll(
      /\{(\w+)\}/g,
      (_whole, name: string) => ids[name] ?? defaults[name] ?? name,
    );
    if (body !== undefined) deviations.push(...spec.deviationsOfRequest(method, template, body));
    const answer = await fly.call(method, `${path}${query}`, body);
    deviations.push(...spec.deviationsOfAnswer(method, template, answer));
    seen.add(`${method} ${template} ${answer.status}`);
    return answer;
  };
  return { fly, check, deviations };
}

const defaults: Record<string, string> = { app_name: "acme", key: "kiloclaw_user_id" };

function createRequest(volumeId: string): Record<string, unknown> {
  return {
    name: "ws-7f3a",
    region: "ams",
    skip_launch: false,
    config: {
      image: `registry.fly.io/acme-ws@sha256:${"0".repeat(64)}`,
      guest: { cpu_kind: "shared", cpus: 2, memory_mb: 2048 },
      env: { PORT: "8080" },
      mounts: [{ volume: volumeId, path: "/data" }],
      services: [
        {
          protocol: "tcp",
          internal_port: 18_789,
          autostart: false,
          autostop: "off",
          min_machines_running: 0,
          concurrency: { type: "requests", soft_limit: 20, hard_limit: 200 },
          ports: [{ port: 443, handlers: ["tls", "http"] }],
        },
      ],
      checks: {
        health: {
          type: "http",
          port: 8080,
          path: "/healthz",
          interval: "15s",
          timeout: "5s",
          grace_period: "60s",
        },
      },
      restart: { policy: "on-failure", max_retries: 3 },
      stop_config: { signal: "SIGTERM", timeout: "30s" },
      metadata: { kiloclaw_user_id: "u1", kiloclaw_sandbox_id: "s1" },
    },
  };
}
