import { afterEach, describe, expect, it, vi } from "vitest";
import { createFlyClient, type FlyCall, type FlyClientOptions } from "./client.ts";
import { createRateLimiter } from "./rate-limit.ts";
import type { MachineRequest } from "./schemas.ts";

const TOKEN = "FlyV1 fm2_first-part,fm2_second-part";
const NEVER = new AbortController().signal;

afterEach(() => {
  vi.useRealTimers();
});

type Sent = { url: string; method: string; cookie: string | null; body: unknown };

/** A client whose Fly is `answer`. */
function clientOver(answer: (sent: Sent) => Response, options: Partial<FlyClientOptions> = {}) {
  const sent: Sent[] = [];
  const calls: FlyCall[] = [];
  const fly = createFlyClient({
    baseUrl: "https://fly.test/",
    token: TOKEN,
    onCall: (call) => calls.push(call),
    rateLimits: false,
    fetch: async (url, init) => {
      const request = new Request(url, init);
      const text = await request.text();
      const one = {
        url,
        method: request.method,
        cookie: new Headers(init.headers).get("cookie"),
        body: text === "" ? null : JSON.parse(text),
      };
      sent.push(one);
      return answer(one);
    },
    ...options,
  });
  return { fly, sent, calls };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });

function machineWith(env: Record<string, string>): MachineRequest {
  return {
    name: "tenant",
    region: "ams",
    config: {
      image: "registry.fly.io/app@sha256:0",
      env,
      guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
      mounts: [],
      services: [],
      metadata: {},
      restart: { policy: "on-failure" },
      stop_config: { signal: "SIGTERM", timeout: "1s" },
    },
  };
}

describe("no secret comes back in an error or in what is told of a call", () => {
  const quoting = (sent: Sent): Response =>
    json(422, { error: `invalid: ${JSON.stringify(sent.body)} by Bearer ${TOKEN} of fm2_second-part` });

  it("of a machine's environment", async () => {
    const { fly, calls } = clientOver(quoting);
    const result = await fly.createMachine("app", machineWith({ KEY: 'sk-"quoted"-1234', OTHER: "<tag>&" }));
    const told = JSON.stringify([result, calls]);
    expect(told).toContain("[redacted]");
    for (const secret of ["quoted", "1234", "<tag>", "fm2_first", "fm2_second"]) {
      expect(told).not.toContain(secret);
    }
  });

  it("of an app's secret", async () => {
    const { fly, calls } = clientOver(quoting);
    const result = await fly.setSecret("app", "KILOCLAW_ENV_KEY", "dGhlIGtleSBvZiB0aGU=");
    expect(JSON.stringify([result, calls])).not.toContain("dGhlIGtleSBvZiB0aGU=");
    expect(calls).toMatchObject([{ path: "/v1/apps/app/secrets/KILOCLAW_ENV_KEY", status: 422 }]);
  });

  it("and Fly's words decide all the same when a value is one of them", async () => {
    const { fly } = clientOver(() => json(404, { error: "not_found: machine not found" }));
    const result = await fly.updateMachine("app", "m1", machineWith({ KIND: "machine" }));
    expect(result).toMatchObject({
      error: { kind: "not_found", message: "not_found: [redacted] not found" },
    });
  });
});

describe("with Fly's rates", () => {
  it("refuses here what would have to wait for long, and says when there is room", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { fly, sent, calls } = clientOver(() => json(200, {}), {
      rateLimits: true,
      rateLimiter: createRateLimiter(() => 0),
    });
    const starts = Array.from({ length: 7 }, () => fly.startMachine("app", "m1"));
    await vi.advanceTimersByTimeAsync(2_000);
    const all = await Promise.all(starts);
    expect(sent).toHaveLength(4);
    expect(all.map((result) => (result.ok ? "ok" : result.error.kind))).toEqual([
      ...Array.from({ length: 4 }, () => "ok"),
      "rate_limited",
      "rate_limited",
      "rate_limited",
    ]);
    expect(all[5]).toMatchObject({ error: { status: null, retryAfterMs: 2_050 } });
    expect(calls.filter(({ status }) => status === null)).toHaveLength(3);
  });

  it("keeps apart what Fly counts apart", async () => {
    const { fly, sent } = clientOver(() => json(200, { id: "m", state: "started" }), {
      rateLimits: true,
      rateLimiter: createRateLimiter(() => 0),
    });
    await Promise.all([
      ...Array.from({ length: 10 }, () => fly.getMachine("app", "m1")),
      ...Array.from({ length: 3 }, () => fly.startMachine("app", "m1")),
      ...Array.from({ length: 3 }, () => fly.startMachine("app", "m2")),
      ...Array.from({ length: 3 }, () => fly.createMachine("app", machineWith({}))),
      ...Array.from({ length: 3 }, () => fly.createMachine("app-2", machineWith({}))),
    ]);
    expect(sent).toHaveLength(22);
  });

  it("ends a delay when the caller has had enough, and sends nothing", async () => {
    const { fly, sent } = clientOver(() => json(200, { ok: true }), {
      rateLimits: true,
      rateLimiter: createRateLimiter(() => 0),
    });
    const wait = (signal: AbortSignal) => fly.waitForMachine("app", "m1", "started", "v1", 60, signal);
    await Promise.all([wait(NEVER), wait(NEVER), wait(NEVER)]);
    const enough = new AbortController();
    const delayed = wait(enough.signal);
    enough.abort();
    expect(await delayed).toMatchObject({ ok: false, error: { kind: "unknown_outcome", status: null } });
    expect(sent).toHaveLength(3);
  });

  it("are kept by all clients of the isolate together", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    const over = () => clientOver(() => json(202, null), { rateLimits: true });
    const clients = [over(), over()];
    const calls = clients.flatMap(({ fly }) => [1, 2, 3, 4].map(() => fly.stopMachine("app", "shared")));
    await vi.advanceTimersByTimeAsync(2_000);
    const all = await Promise.all(calls);
    expect(all.filter(({ ok }) => ok)).toHaveLength(4);
  });
});

describe("the node that knows of an app's changes", () => {
  it("is asked again, by the cookie it set", async () => {
    const { fly, sent } = clientOver(({ method }) =>
      method === "POST"
        ? json(201, {}, { "set-cookie": "fly_flaps_affinity=node-7; Path=/v1/apps/mine" })
        : json(200, { name: "mine" }),
    );
    await fly.getApp("mine");
    await fly.createApp({ name: "mine", org_slug: "kilo", network: "mine" });
    await fly.getApp("mine");
    await fly.getApp("another");
    expect(sent.map(({ cookie }) => cookie)).toEqual([null, null, "fly_flaps_affinity=node-7", null]);
  });
});

describe("apps of the tenants' own", () => {
  it.each([
    [200, { name: "mine", organization: { slug: "kilo" } }, "ok"],
    [404, { error: "app not found" }, "app_missing"],
    [403, { error: "unauthorized" }, "app_name_taken"],
    [401, { error: "Authenticate: token validation error" }, "unauthorized"],
    [500, {}, "unknown_outcome"],
  ])("a look that is answered %i %j is %s", async (status, body, kind) => {
    const { fly } = clientOver(() => json(status, body));
    const result = await fly.getApp("mine");
    expect(result.ok ? "ok" : result.error.kind).toBe(kind);
  });

  it.each([
    [201, { id: "z4k69dxd8r31p5mx", created_at: 1 }, "ok"],
    [
      422,
      { error: "Validation failed: Name has already been taken", status: "name_taken" },
      "app_name_taken",
    ],
    [422, { error: "uniqueness constraint violated" }, "app_name_taken"],
    [409, { error: "already_exists: app" }, "app_name_taken"],
    [409, { error: "aborted" }, "app_name_taken"],
    [403, { error: "unauthorized" }, "unauthorized"],
    [500, {}, "unknown_outcome"],
  ])("a create that is answered %i %j is %s", async (status, body, kind) => {
    const { fly, sent } = clientOver(() => json(status, body));
    const result = await fly.createApp({ name: "mine", org_slug: "kilo", network: "mine" });
    expect(result.ok ? "ok" : result.error.kind).toBe(kind);
    expect(sent).toMatchObject([
      { method: "POST", url: "https://fly.test/v1/apps", body: { name: "mine", network: "mine" } },
    ]);
  });

  it.each([
    [409, { error: "already_exists: ip" }, "conflict"],
    [422, { error: "Shared IP already allocated" }, "conflict"],
    [422, { error: "bad type" }, "invalid"],
  ])("an address that is answered %i %j is %s", async (status, body, kind) => {
    const { fly } = clientOver(() => json(status, body));
    expect(await fly.assignAddress("mine", "shared_v4")).toMatchObject({ error: { kind } });
  });

  it("has its deletes counted for the whole organization, and takes an answer without a body", async () => {
    const { fly, sent } = clientOver(() => new Response(null, { status: 202 }), {
      rateLimits: true,
      rateLimiter: createRateLimiter(() => 0),
    });
    expect(await fly.deleteApp("app")).toEqual({ ok: true, value: null });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const more = Array.from({ length: 20 }, (_, i) => fly.deleteApp(`app-${i}`));
    await vi.advanceTimersByTimeAsync(2_000);
    const all = await Promise.all(more);
    expect(all.filter((result) => !result.ok && result.error.kind === "rate_limited")).toHaveLength(8);
    expect(sent[0]).toMatchObject({ method: "DELETE", url: "https://fly.test/v1/apps/app?force=true" });
  });

  it.each([{ version: 7 }, { Version: 7 }, { name: "K", version: 7, Version: 6 }])(
    "reads the version of a secret from %j",
    async (body) => {
      const { fly, sent } = clientOver(() => json(201, body));
      expect(await fly.setSecret("mine", "K", "value")).toEqual({ ok: true, value: { version: 7 } });
      expect(sent).toMatchObject([{ method: "POST", body: { value: "value" } }]);
    },
  );
});

describe("lists", () => {
  it("are empty when Go says null, and not when Fly says nothing", async () => {
    const nothing = { ok: true, value: [] };
    const nulls = clientOver(() => json(200, null)).fly;
    expect(await nulls.findMachines("app", "k", "v")).toEqual(nothing);
    expect(await nulls.findVolumes("app", "kc")).toEqual(nothing);
    expect(await nulls.listSnapshots("app", "vol_1")).toEqual(nothing);
    expect(await clientOver(() => json(200, { ips: null })).fly.listAddresses("app")).toEqual(nothing);
    const silent = clientOver(() => new Response("")).fly;
    expect(await silent.findMachines("app", "k", "v")).toMatchObject({ error: { kind: "unknown_outcome" } });
    expect(await silent.findVolumes("app", "kc")).toMatchObject({ error: { kind: "unknown_outcome" } });
  });

  it("leave out volumes of other names and those on their way out", async () => {
    const { fly } = clientOver(() =>
      json(200, [
        { id: "vol_1", name: "kc", state: "created" },
        { id: "vol_2", name: "kc2", state: "created" },
        { id: "vol_3", name: "kc", state: "pending_destroy" },
        { id: "vol_4", name: "kc", state: "hydrating" },
      ]),
    );
    const found = await fly.findVolumes("app", "kc");
    expect(found.ok && found.value.map(({ id }) => id)).toEqual(["vol_1", "vol_4"]);
  });

  it("of endless length are given up, and say nothing", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(4 * 1024 * 1024).fill(32)),
    });
    const { fly } = clientOver(() => new Response(endless));
    expect(await fly.findVolumes("app", "kc")).toMatchObject({
      error: { kind: "unknown_outcome", message: expect.stringContaining("more than") },
    });
  });
});

it("waits for the version by its present and its older name, and for none where there is none", async () => {
  const { fly, sent } = clientOver(() => json(200, { ok: true }));
  await fly.waitForMachine("app", "m1", "stopped", "01J", 5, NEVER);
  await fly.waitForMachine("app", "m1", "destroyed", "", 5, NEVER);
  const [withVersion, without] = sent.map(({ url }) => new URL(url).searchParams);
  expect([withVersion?.get("version"), withVersion?.get("instance_id")]).toEqual(["01J", "01J"]);
  expect(without?.toString()).toBe("state=destroyed&timeout=5");
});
