import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createPlatform } from "./platform.ts";

// The Worker's platform routes as design fixes their wire, with the answers that a test sets.

let answers: { status: number; body: unknown }[];
let asked: { method: string; path: string; key: string | undefined; body: unknown }[];
let server: ReturnType<typeof createAdaptorServer>;
let workerUrl: string;
const stopping = new AbortController();

beforeEach(async () => {
  answers = [];
  asked = [];
  const app = new Hono().all("/api/platform/*", async (c) => {
    const body: unknown = c.req.method === "POST" ? await c.req.json() : undefined;
    const path = c.req.path + new URL(c.req.url).search;
    asked.push({ method: c.req.method, path, key: c.req.header("x-internal-api-key"), body });
    const next = answers.shift() ?? { status: 500, body: "no answer left" };
    return new Response(JSON.stringify(next.body), { status: next.status });
  });
  server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  workerUrl = `http://127.0.0.1:${z.object({ port: z.int() }).parse(server.address()).port}`;
});

afterEach(async () => {
  const closed = once(server, "close");
  server.close();
  await closed;
});

function platform() {
  return createPlatform({ workerUrl, internalApiSecret: "internal", signal: stopping.signal });
}

describe("the platform client", () => {
  it("provisions with the internal key and takes the sandbox id", async () => {
    answers = [{ status: 201, body: { sandboxId: "c2FuZGJveA" } }];
    const wish = { userId: "u", kilocodeApiKey: "k", kilocodeDefaultModel: null, envVars: { A: "b" } };
    expect(await platform().provision(wish)).toEqual({ sandboxId: "c2FuZGJveA" });
    expect(asked).toEqual([{ method: "POST", path: "/api/platform/provision", key: "internal", body: wish }]);
  });

  it("waits until the instance runs and tells what it waits for", async () => {
    const lastError = { code: "no_capacity", message: "No room in ams.", at: 1, nextTryAt: 2 };
    answers = [
      { status: 200, body: { status: "starting", lastError: null } },
      { status: 200, body: { status: "starting", lastError } },
      { status: 200, body: { status: "running", lastError: null } },
    ];
    const told: string[] = [];
    await platform().untilRunning("a user", (status) => told.push(status));
    expect(told).toEqual(["starting", "starting: No room in ams. (no_capacity)"]);
    expect(asked[0]?.path).toBe("/api/platform/status?userId=a%20user");
  });

  it("gives up on an error that has no next try", async () => {
    const lastError = {
      code: "config_rejected",
      message: "The gateway refuses its config.",
      at: 1,
      nextTryAt: null,
    };
    answers = [{ status: 200, body: { status: "stopped", lastError } }];
    await expect(platform().untilRunning("u", () => {})).rejects.toThrow(
      "The instance is stopped, not running: The gateway refuses its config. (config_rejected)",
    );
  });

  it("takes a start that is hindered for the time being as one under way", async () => {
    answers = [
      { status: 502, body: { code: "upstream_failed", detail: "Fly is busy. The wish is stored." } },
    ];
    await expect(platform().start("u")).resolves.toBeUndefined();
  });

  it("says what the Worker refused and why", async () => {
    answers = [
      { status: 409, body: { code: "destroying", title: "Conflict", detail: "It is being destroyed." } },
    ];
    await expect(platform().start("u")).rejects.toThrow(
      "The Worker refused to start: 409 destroying: It is being destroyed.",
    );
  });
});
