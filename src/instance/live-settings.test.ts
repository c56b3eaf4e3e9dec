import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { machineTokensOf } from "../auth/machine-tokens.ts";
import { flyProxyUrl } from "../config.ts";
import { countWrites } from "./testing/disk.ts";
import { type Tenant, tenant } from "./testing/tenant.ts";

/** How the machine takes settings while it runs (test/support/stand-in-env.ts). */
type Manner = "yes" | "without_effect" | "refused" | "silently";

/** An instance that runs, with a machine whose controller takes settings, and a greeting among them. */
async function running(userId: string): Promise<Tenant> {
  const made = await tenant(userId);
  await configure(made, "yes", "hello");
  expect(await made.instance.start(made.userId)).toEqual({ kind: "settled", status: "running" });
  return made;
}

function configure(made: Tenant, manner: Manner, greeting: string) {
  return made.instance.provision({
    userId: made.userId,
    envVars: { TAKES_SETTINGS: manner, GREETING: greeting },
  });
}

/** The greeting that the gateway in the machine uses, asked as the data path asks. */
async function greetingOf(made: Tenant): Promise<string> {
  const { sandboxId, flyMachineId } = (await made.view()) ?? {};
  const { proxyToken } = await machineTokensOf(env.GATEWAY_TOKEN_SECRET ?? "", sandboxId ?? "");
  const url = new URL("/variable?name=GREETING", flyProxyUrl(env.FLY_PROXY_URL ?? "", made.app));
  const headers = { "fly-force-instance-id": flyMachineId ?? "", "x-kiloclaw-proxy-token": proxyToken };
  return (await fetch(url, { headers })).text();
}

/** What was done to the machine at Fly since, and what was told of it. */
async function since(made: Tenant, work: () => Promise<unknown>) {
  const [calls, statuses] = [(await made.calls()).length, (await made.logged("status")).length];
  await work();
  const posts = (await made.calls()).slice(calls).filter(({ method }) => method === "POST");
  return { posts: posts.length, statuses: (await made.logged("status")).slice(statuses) };
}

const NO_ANSWER = "the controller did not answer: an answer 502 that is not the controller's";
const UNANSWERED = [NO_ANSWER, NO_ANSWER];

const applied = async (made: Tenant) => {
  const result = await made.instance.events(100);
  const steps = result.kind === "events" ? result.events.filter(({ what }) => what === "apply_settings") : [];
  return steps.map(({ outcome }) => outcome).toReversed();
};

describe("changed settings of an instance that runs", () => {
  it("are used by its gateway when the operation ends, with the machine and its route as they were", async () => {
    const made = await running("live-yes");
    const done = await since(made, async () => {
      expect(await configure(made, "yes", "good day")).toMatchObject({ status: "running" });
    });
    expect(done).toEqual({ posts: 0, statuses: [] });
    expect(await greetingOf(made)).toBe("good day");
    expect(await applied(made)).toEqual(["in effect (hot)"]);
    expect(await made.view()).toMatchObject({ status: "running", drift: [], lastError: null });
    expect(await made.stored()).toMatchObject({
      generation: 3,
      applied: { generation: 3, isConfirmed: true },
      applying: null,
    });
  });

  it("cost nothing more once they are used: a pass asks Fly once, and writes the next alarm", async () => {
    const made = await running("live-idle");
    await configure(made, "yes", "good day");
    await runDurableObjectAlarm(made.instance);
    const before = (await made.calls()).length;
    const writes = await countWrites(made);
    await runDurableObjectAlarm(made.instance);
    expect((await made.calls()).slice(before).map(({ method }) => method)).toEqual(["GET"]);
    expect(writes).toEqual({ record: 0, alarm: 1 });
  });

  it("outlive that the machine restarts in its place, of which the gateway is asked again", async () => {
    const made = await running("live-restart");
    await configure(made, "yes", "good day");
    const { flyMachineId } = (await made.view()) ?? {};
    await made.atFly("POST", `/machines/${flyMachineId}/restart`);
    await made.atFly("GET", `/machines/${flyMachineId}/wait?state=started&timeout=20`);
    const done = await since(made, () => runDurableObjectAlarm(made.instance));
    expect(done.posts).toBe(0);
    expect(await greetingOf(made)).toBe("good day");
    expect(await applied(made)).toEqual(["in effect (hot)", "in effect (hot)"]);
  });

  it("are what the machine is started with after a stop", async () => {
    const made = await running("live-stop");
    await configure(made, "yes", "good day");
    await made.instance.stop(made.userId);
    expect(await made.instance.start(made.userId)).toEqual({ kind: "settled", status: "running" });
    expect(await greetingOf(made)).toBe("good day");
    const [machine] = await made.machines();
    expect(machine?.config).toMatchObject({ env: { GREETING: "good day" } });
  });

  it.each([
    ["refuses them", "refused", ["the controller refused it: invalid_request (422)"]],
    ["does not use them", "without_effect", ["not in effect (hot)"]],
    ["does not answer", "silently", UNANSWERED],
  ] as const)(
    "are taken over by a restart of a machine whose controller %s",
    async (_what, manner, tries) => {
      const made = await running(`live-${manner.replace("_", "-")}`);
      const done = await since(made, () => configure(made, manner, "good day"));
      expect(done).toEqual({ posts: 1, statuses: ["starting", "running"] });
      expect(await applied(made)).toEqual(tries);
      expect(await greetingOf(made)).toBe("good day");
      expect(await made.view()).toMatchObject({ status: "running", drift: [], lastError: null });
    },
  );

  it("are taken over by a restart where the size is another too", async () => {
    const made = await running("live-size");
    const done = await since(made, () =>
      made.instance.provision({
        userId: made.userId,
        kilocodeDefaultModel: "some/model",
        machineSize: { cpuKind: "shared", cpus: 4, memoryMb: 4_096 },
      }),
    );
    expect(done).toEqual({ posts: 1, statuses: ["running"] });
    expect(await applied(made)).toEqual([]);
  });
});
