import { env } from "cloudflare:workers";
import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { createFlyClient, type FlyCall, type FlyClient, type FlyExec, type FlyResult } from "./client.ts";
import type { FlyErrorKind } from "./errors.ts";
import type { MachineRequest } from "./schemas.ts";

const TOKEN = env.FLY_API_TOKEN ?? "";
const APP = env.FLY_APP_NAME ?? "";
const OWNER = "fly-client-test";
/** The port of tcpmux, which nobody runs. */
const CLOSED_URL = "http://127.0.0.1:1";
const NEVER = new AbortController().signal;

const calls: FlyCall[] = [];
const clientOf = (baseUrl: string, token = TOKEN): FlyClient & FlyExec =>
  createFlyClient({ baseUrl, token, onCall: (call) => calls.push(call), rateLimits: false });
const fly = clientOf(inject("flyApiUrl"));
/** Takes connections and says nothing. */
const silent = clientOf(inject("silentDatabaseUrl").replace(/^postgres:\/\/[^@]*@/, "http://"));

afterEach(() => {
  calls.length = 0;
  vi.useRealTimers();
});

function must<T>(result: FlyResult<T>): T {
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.message}`);
  return result.value;
}

const kindOf = (result: FlyResult<unknown>): FlyErrorKind | "ok" => (result.ok ? "ok" : result.error.kind);

const guest: MachineRequest["config"]["guest"] = { cpu_kind: "shared", cpus: 1, memory_mb: 256 };

/** A machine and its volume, gone again after `work`. */
async function withMachine(
  name: string,
  work: (ids: { machine: string; volume: string; request: MachineRequest }) => Promise<void>,
): Promise<void> {
  const volume = must(
    await fly.createVolume(APP, { name: "kc_client", region: "ams", size_gb: 1, compute: guest }),
  ).id;
  const request: MachineRequest = {
    name,
    region: "ams",
    config: {
      image: "registry.fly.io/app:tag",
      env: {},
      guest,
      mounts: [{ volume, path: "/root" }],
      services: [],
      metadata: { owner: OWNER },
      restart: { policy: "on-failure" },
      stop_config: { signal: "SIGTERM", timeout: "1s" },
    },
  };
  const machine = must(await fly.createMachine(APP, request)).id;
  try {
    await work({ machine, volume, request });
  } finally {
    await fly.destroyMachine(APP, machine);
    await fly.waitForMachine(APP, machine, "destroyed", "", 10, NEVER);
    await fly.deleteVolume(APP, volume);
  }
}

async function reach(machine: string, state: "started" | "stopped"): Promise<string> {
  const { instance_id: version = "" } = must(await fly.getMachine(APP, machine));
  must(await fly.waitForMachine(APP, machine, state, version, 10, NEVER));
  return must(await fly.getMachine(APP, machine)).state;
}

describe("against Fly", () => {
  it("makes, finds, stops, starts, updates and destroys a machine on its volume", async () => {
    await withMachine("fly-client-life", async ({ machine, volume, request }) => {
      expect(await reach(machine, "started")).toBe("started");
      expect(must(await fly.findMachines(APP, "owner", OWNER)).map(({ id }) => id)).toEqual([machine]);
      expect(must(await fly.findVolumes(APP, "kc_client")).map(({ id }) => id)).toEqual([volume]);
      expect(must(await fly.getVolume(APP, volume))).toMatchObject({ id: volume, region: "ams" });

      must(await fly.stopMachine(APP, machine));
      expect(await reach(machine, "stopped")).toBe("stopped");
      must(await fly.startMachine(APP, machine));
      expect(await reach(machine, "started")).toBe("started");

      const config = { ...request.config, metadata: { owner: OWNER, generation: "2" } };
      must(await fly.updateMachine(APP, machine, { ...request, config }));
      await reach(machine, "started");
      expect(must(await fly.getMachine(APP, machine)).config?.metadata).toMatchObject({ generation: "2" });
    });
    expect(must(await fly.findMachines(APP, "owner", OWNER))).toEqual([]);
    expect(must(await fly.findVolumes(APP, "kc_client"))).toEqual([]);
  });

  it("tells a taken name, with the machine that has it", async () => {
    await withMachine("fly-client-taken", async ({ machine, request }) => {
      const unmounted = { ...request, config: { ...request.config, mounts: [] } };
      const again = await fly.createMachine(APP, unmounted);
      expect(again).toMatchObject({ ok: false, error: { kind: "name_taken", machineId: machine } });
    });
  });

  it("tells what is not there, what is not allowed, and what is not yet", async () => {
    expect(kindOf(await fly.getMachine(APP, "00000000000000"))).toBe("not_found");
    expect(kindOf(await fly.getVolume(APP, "vol_none"))).toBe("not_found");
    expect(kindOf(await fly.deleteVolume(APP, "vol_none"))).toBe("not_found");
    expect(kindOf(await fly.destroyMachine(APP, "00000000000000"))).toBe("not_found");
    expect(kindOf(await clientOf(inject("flyApiUrl"), "wrong").getMachine(APP, "m"))).toBe("unauthorized");
    await withMachine("fly-client-not-yet", async ({ machine }) => {
      await reach(machine, "started");
      const { instance_id: version = "" } = must(await fly.getMachine(APP, machine));
      const waited = await fly.waitForMachine(APP, machine, "stopped", version, 1, NEVER);
      expect(waited).toMatchObject({ ok: false, error: { status: 408 } });
    });
  });

  it("reports each call, without what was sent", async () => {
    await fly.getMachine(APP, "00000000000000");
    expect(calls).toEqual([
      {
        method: "GET",
        path: `/v1/apps/${APP}/machines/00000000000000`,
        status: 404,
        requestId: expect.stringMatching(/./),
        durationMs: expect.any(Number),
        refusal: expect.stringContaining("not found"),
      },
    ]);
    expect(JSON.stringify(calls)).not.toContain(TOKEN);
  });

  it("makes an app with an address and a secret, tells that its name is taken, and deletes it", async () => {
    const name = "fly-client-own-app";
    expect(kindOf(await fly.getApp(name))).toBe("app_missing");
    must(await fly.createApp({ name, org_slug: "personal", network: name }));
    try {
      expect(must(await fly.getApp(name))).toMatchObject({ name, organization: { slug: "personal" } });
      expect(kindOf(await fly.createApp({ name, org_slug: "personal", network: name }))).toBe(
        "app_name_taken",
      );

      expect(must(await fly.listAddresses(name))).toEqual([]);
      must(await fly.assignAddress(name, "shared_v4"));
      must(await fly.assignAddress(name, "v6"));
      const addresses = must(await fly.listAddresses(name));
      expect(addresses.map(({ ip, shared }) => [ip.includes(":"), shared === true])).toEqual([
        [false, true],
        [true, false],
      ]);

      const first = must(await fly.setSecret(name, "KILOCLAW_ENV_KEY", "first-value"));
      const second = must(await fly.setSecret(name, "KILOCLAW_ENV_KEY", "second-value"));
      expect(second.version).toBeGreaterThan(first.version);
    } finally {
      must(await fly.deleteApp(name));
    }
    expect(JSON.stringify(calls)).not.toMatch(/(?:first|second)-value/);
  });

  it("makes a volume with the data of another one, and knows no snapshots of one that never was", async () => {
    await withMachine("fly-client-fork", async ({ volume }) => {
      const fork = must(
        await fly.createVolume(APP, {
          name: "kc_client_fork",
          region: "fra",
          size_gb: 1,
          source_volume_id: volume,
          compute: guest,
        }),
      );
      expect(fork.region).toBe("fra");
      expect(fork.id).not.toBe(volume);
      expect(must(await fly.findVolumes(APP, "kc_client_fork")).map(({ id }) => id)).toEqual([fork.id]);
      expect(Array.isArray(must(await fly.listSnapshots(APP, volume)))).toBe(true);
      must(await fly.deleteVolume(APP, fork.id));
    });
    expect(kindOf(await fly.listSnapshots(APP, "vol_none"))).toBe("not_found");
  });

  it("runs a command in a machine by its arguments, and tells how it ended", async () => {
    await withMachine("fly-client-exec", async ({ machine }) => {
      await reach(machine, "started");
      const script = "console.log(process.argv.slice(1).join()); console.error(1); process.exit(3)";
      const argv = ["node", "-e", script, "--", "; exit 1", "--help", "$HOME"] as const;
      expect(must(await fly.execInMachine(APP, machine, argv, 10))).toEqual({
        exit_code: 3,
        exit_signal: 0,
        stdout: "; exit 1,--help,$HOME\n",
        stderr: "1\n",
      });
      const slow = await fly.execInMachine(APP, machine, ["node", "-e", "setTimeout(() => {}, 60_000)"], 1);
      expect(slow).toMatchObject({ ok: false, error: { kind: "unknown_outcome", status: 408 } });

      must(await fly.stopMachine(APP, machine));
      await reach(machine, "stopped");
      expect(kindOf(await fly.execInMachine(APP, machine, argv, 10))).toBe("not_in_state");
    });
    expect(kindOf(await fly.execInMachine(APP, "00000000000000", ["true"], 1))).toBe("not_found");
  });

  it.each(["", ".", ".."])("refuses to build a path with %j in it", (id) => {
    expect(() => fly.destroyMachine(APP, id)).toThrow(RangeError);
  });

  it("sends ids as one part of the path, whatever is in them", async () => {
    await fly.getMachine("a/b", "../../other?x=1");
    expect(calls[0]?.path).toBe("/v1/apps/a%2Fb/machines/..%2F..%2Fother%3Fx%3D1");
  });
});

describe("without an answer of Fly, the outcome is unknown", () => {
  it("when nobody listens", async () => {
    const client = clientOf(CLOSED_URL);
    for (const result of [await client.getMachine(APP, "m"), await client.startMachine(APP, "m")]) {
      expect(result).toEqual({
        ok: false,
        error: {
          kind: "unknown_outcome",
          message: "Fly could not be reached",
          status: null,
          requestId: null,
        },
      });
    }
    expect(calls.map(({ status }) => status)).toEqual([null, null]);
  });

  it("when it hangs up", async () => {
    const client = clientOf(inject("hangUpDatabaseUrl").replace(/^postgres:\/\/[^@]*@/, "http://"));
    expect(kindOf(await client.getMachine(APP, "m"))).toBe("unknown_outcome");
  });

  it.each(["200", "301", "500", "502", "503", "504"])("when a page answers with %s", async (app) => {
    const client = clientOf(inject("htmlUrl"));
    const expected = app === "301" ? "invalid" : "unknown_outcome";
    expect(kindOf(await client.getMachine(app, "m"))).toBe(expected);
    expect(kindOf(await client.findVolumes(app, "kc_client"))).toBe(expected);
  });

  it.each([
    ["a read", 15, () => silent.getMachine(APP, "m")],
    ["a stop", 40, () => silent.stopMachine(APP, "m")],
    ["a command of 10 s", 15, () => silent.execInMachine(APP, "m", ["true"], 10)],
    ["a wait of 20 s", 28, () => silent.waitForMachine(APP, "m", "started", "v", 20, NEVER)],
  ])("when %s gets none in time", async (_what, seconds, ask) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let result: FlyResult<unknown> | null = null;
    const asked = ask().then((answer) => {
      result = answer;
    });
    await vi.advanceTimersByTimeAsync(seconds * 1_000 - 1);
    expect(result).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    await asked;
    expect(result).toMatchObject({ ok: false, error: { message: `Fly did not answer within ${seconds} s` } });
  });

  it("when the caller has had enough of waiting", async () => {
    const enough = new AbortController();
    const waiting = silent.waitForMachine(APP, "m", "started", "v", 60, enough.signal);
    enough.abort();
    expect(kindOf(await waiting)).toBe("unknown_outcome");
    expect(kindOf(await silent.waitForMachine(APP, "m", "started", "v", 60, enough.signal))).toBe(
      "unknown_outcome",
    );
  });
});
