import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "./support/platform.ts";
import { upgradeStatus } from "./support/upgrade.ts";
import { World } from "./support/world.ts";

/** A Worker without its configuration has nothing to ask of anybody. */
const NOBODY = { apiUrl: "http://127.0.0.1:1", proxyUrl: "http://127.0.0.1:1" };
const SHORT = "short-secret";

let world: World;

beforeAll(async () => {
  world = await World.open();
});

afterAll(() => world?.close());

const LACKS: [what: string, name: string, value: string | null][] = [
  ["no NEXTAUTH_SECRET", "NEXTAUTH_SECRET", null],
  ["a short NEXTAUTH_SECRET", "NEXTAUTH_SECRET", SHORT],
  ["no INTERNAL_API_SECRET", "INTERNAL_API_SECRET", null],
  ["a short INTERNAL_API_SECRET", "INTERNAL_API_SECRET", SHORT],
  ["no GATEWAY_TOKEN_SECRET", "GATEWAY_TOKEN_SECRET", null],
  ["a short GATEWAY_TOKEN_SECRET", "GATEWAY_TOKEN_SECRET", SHORT],
  ["no FLY_API_TOKEN", "FLY_API_TOKEN", null],
];

it.concurrent.each(LACKS)(
  "lets nobody in with %s, and tells only the log what is missing",
  async (_what, name, value) => {
    const worker = await world.startWorker({
      fly: NOBODY,
      persistDir: `worker-${name}-${value ?? "none"}`,
      ...(value === null ? { without: name } : { bindings: { [name]: value } }),
    });
    const { url, log } = worker;
    const key = { "x-internal-api-key": value ?? world.secrets.INTERNAL_API_SECRET };
    const json = { ...key, "content-type": "application/json" };
    const answers = await Promise.all([
      ask(url, "/api/platform/status?userId=a", { headers: key }),
      ask(url, "/api/platform/provision", { method: "POST", headers: json, body: '{"userId":"a"}' }),
      ask(url, "/api/kiloclaw/status", { headers: { authorization: "Bearer x" } }),
      ask(url, "/kilo-access-gateway"),
      ask(url, "/kilo-access-gateway", {
        method: "POST",
        body: new URLSearchParams({ userId: "a", code: "ABCDE-23456" }),
      }),
      ask(url, "/chat", { headers: { authorization: "Bearer x" } }),
      ask(url, "/", { headers: { accept: "text/html" } }),
    ]);
    for (const answer of answers) {
      expect([answer.status, answer.body["code"]]).toEqual([503, "misconfigured"]);
      expect(answer.text).not.toContain(name);
    }
    expect(await upgradeStatus(url, { authorization: "Bearer x" })).toBe(503);
    expect((await ask(url, "/health")).body).toEqual({ status: "ok" });
    await worker.close();
    expect(log.join("\n")).toContain(name);
    expect(world.leaksIn(...log)).toEqual([]);
    expect(log.join("\n")).not.toContain(SHORT);
  },
);
