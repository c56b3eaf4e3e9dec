import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import {
  GATEWAY_TOKEN,
  ORIGIN,
  PROXY_TOKEN,
  startController,
  type ControllerProcess,
} from "../testing/controller-process.ts";
import { exchangeRaw, rawGet } from "../testing/raw-http.ts";

const headersSchema = z.record(z.string(), z.string());
const echoSchema = z.object({ method: z.string(), url: z.string(), headers: headersSchema, bytes: z.int() });

const PROXY = { "x-kiloclaw-proxy-token": PROXY_TOKEN };
let controller: ControllerProcess;

beforeAll(async () => {
  controller = await startController();
  await controller.reached("running");
});

afterAll(() => controller[Symbol.asyncDispose]());

async function echo(
  path: string,
  init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {},
): Promise<z.infer<typeof echoSchema>> {
  const response = await fetch(controller.url + path, { ...init, headers: { ...PROXY, ...init.headers } });
  return echoSchema.parse(await response.json());
}

describe("the controller's own routes", () => {
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(controller.url + path, init);
  const bearer = { authorization: `Bearer ${GATEWAY_TOKEN}` };

  it("tell a state and a stage to everybody, and no more", async () => {
    const response = await call("/_kilo/health");
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toBe('{"state":"ready","stage":"ready"}');
  });

  it("tell the versions to the bearer of the gateway token", async () => {
    const response = await call("/_kilo/version", { headers: bearer });
    expect(await response.json()).toEqual({
      controller: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      capabilities: ["logs", "pairing", "doctor", "config", "env"],
      openclaw: "2026.9.6",
      openclawInstalled: "2026.9.6",
      imageDigest: null,
      node: process.versions.node,
    });
  });

  it.each([
    ["nothing", undefined],
    ["the proxy token", `Bearer ${PROXY_TOKEN}`],
    ["a prefix", `Bearer ${GATEWAY_TOKEN.slice(0, -1)}`],
    ["something longer", `Bearer ${GATEWAY_TOKEN}0`],
    ["an empty token", "Bearer "],
    ["another scheme", `Basic ${GATEWAY_TOKEN}`],
  ])("refuse a caller who shows %s", async (_, authorization) => {
    const response = await call("/_kilo/gateway/status", {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({ status: 401, code: "unauthenticated" });
  });

  it.each(["/_kilo", "/_kilo/nope", "/_kilo/gateway/explode", "/_kilo/health/more"])(
    "answer %s, which is none of them, with a stable code",
    async (path) => {
      const response = await call(path, { headers: bearer });
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ code: "unknown_route" });
    },
  );

  it("do nothing on a GET that is meant to be a POST", async () => {
    const response = await call("/_kilo/gateway/stop", { headers: bearer });
    expect(response.status).toBe(404);
    expect(await controller.gateway("status")).toMatchObject({ state: "running" });
  });

  it.each([
    "/_KILO/version",
    "//_kilo/version",
    "/%5fkilo/version",
    "/%255fkilo/version",
    "/_kil%6F/version",
    "/x/../_kilo/version",
    "/%2e%2e/_kilo/version",
    "/x/..%2f_kilo/version",
    "/_kilo%2fversion",
    "/_kilo//version",
    "/_kilo/./version",
    "/_kilo;a=b/version",
    "/_kilo/../version",
    "/\\_kilo\\version",
    "/%5c_kilo/version",
    "/_kilo%00/version",
  ])("are never reached, nor the gateway, by %s", async (target) => {
    const answer = await exchangeRaw(
      controller.port,
      rawGet(target, [`x-kiloclaw-proxy-token: ${PROXY_TOKEN}`, `Authorization: Bearer ${GATEWAY_TOKEN}`]),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('"code":"unknown_route"');
  });
});

describe("the way to the gateway", () => {
  it("is closed to everybody without the proxy token, on loopback too", async () => {
    for (const headers of [
      {},
      { "x-kiloclaw-proxy-token": GATEWAY_TOKEN },
      { authorization: `Bearer ${GATEWAY_TOKEN}` },
    ]) {
      const response = await fetch(`${controller.url}/chat`, { headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ code: "unauthenticated" });
    }
  });

  it("carries method, target, body and ordinary headers as they are", async () => {
    const answer = await echo("/a/b%20c?d=%2f&e", {
      method: "PUT",
      body: "hello",
      headers: { cookie: "theirs=1", authorization: "Bearer for-the-gateway", "x-custom": "kept" },
    });
    expect(answer).toMatchObject({ method: "PUT", url: "/a/b%20c?d=%2f&e", bytes: 5 });
    expect(answer.headers).toMatchObject({
      cookie: "theirs=1",
      authorization: "Bearer for-the-gateway",
      "x-custom": "kept",
    });
  });

  it("replaces whatever a client says about who it is", async () => {
    const { headers } = await echo("/", {
      headers: {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-user": "admin",
        forwarded: "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
        via: "1.1 evil",
        "remote-user": "admin",
        "x-openclaw-scopes": "operator.admin",
        "x-kiloclaw-owner": "Owner",
        "fly-client-ip": "6.6.6.6",
        "x-kiloclaw-client-ip": "203.0.113.7",
        "x-kiloclaw-public-origin": "http://localhost:8787",
      },
    });
    const ours = Object.keys(headers).filter((name) => /^x-|^fly|forw|via|remote/.test(name));
    expect(ours.toSorted()).toEqual([
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      expect.stringMatching(/^x-kiloclaw-owner-[0-9a-f]{64}$/),
    ]);
    expect(headers).toMatchObject({
      host: "localhost:8787",
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-host": "localhost:8787",
      "x-forwarded-proto": "http",
    });
  });

  it("keeps our headers when the client names them in Connection", async () => {
    const answer = await exchangeRaw(
      controller.port,
      [
        "GET /trick HTTP/1.1",
        "Host: controller",
        "Connection: close, x-kiloclaw-proxy-token, x-forwarded-for, cookie",
        "Cookie: theirs=1",
        `x-kiloclaw-proxy-token: ${PROXY_TOKEN}`,
        "",
        "",
      ].join("\r\n"),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"x-forwarded-for":"192.0.2.1"');
    expect(answer).toContain('"cookie":"theirs=1"');
  });

  it("passes redirects and cookies as they are, and strips what speaks to the hops in between", async () => {
    const response = await fetch(`${controller.url}/redirect`, { headers: PROXY, redirect: "manual" });
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("http://169.254.169.254/latest");
    expect(response.headers.getSetCookie()).toEqual(["a=1; Path=/", "b=2; HttpOnly"]);
    expect(response.headers.has("fly-replay")).toBe(false);
    expect(response.headers.has("x-kiloclaw-proxy-token")).toBe(false);
  });

  it("streams an answer: its first part arrives before its second is sent", async () => {
    const response = await fetch(`${controller.url}/events`, { headers: PROXY });
    const parts = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect(await parts?.read()).toMatchObject({ value: "data: first\n\n" });
    await fetch(`${controller.url}/events`, { method: "POST", headers: PROXY });
    expect(await parts?.read()).toMatchObject({ value: "data: second\n\n" });
  });

  it("streams a body of many megabytes, of unknown length", async () => {
    const chunk = randomBytes(1_000_000);
    const body = Readable.toWeb(Readable.from(Array.from({ length: 32 }, () => chunk)));
    const answer = await echo("/upload", { method: "POST", body, duplex: "half" });
    expect(answer.bytes).toBe(32_000_000);
  });

  it("ends with the client: the gateway sees it go, and the controller survives", async () => {
    const leaving = new AbortController();
    const events = await fetch(`${controller.url}/events`, { headers: PROXY, signal: leaving.signal });
    leaving.abort();
    await expect(events.text()).rejects.toThrow(/abort/);
    await controller.logged((line) => line.message === "the client of the events has gone");

    const socket = connect({ host: "127.0.0.1", port: controller.port });
    socket.write(
      `POST /upload HTTP/1.1\r\nHost: c\r\nContent-Length: 1000\r\nx-kiloclaw-proxy-token: ${PROXY_TOKEN}\r\n\r\nhalf`,
    );
    await once(socket, "connect");
    await controller.logged((line) => line.message === "an upload begins");
    socket.resetAndDestroy();
    await controller.logged((line) => line.message === "an upload was broken off");
    expect(await echo("/after")).toMatchObject({ url: "/after" });
  });

  it("refuses a request with two ideas of its length", async () => {
    const answer = await exchangeRaw(
      controller.port,
      [
        "POST / HTTP/1.1",
        "Host: controller",
        `x-kiloclaw-proxy-token: ${PROXY_TOKEN}`,
        "Content-Length: 4",
        "Transfer-Encoding: chunked",
        "",
        "0",
        "",
        "GET /smuggled HTTP/1.1",
        "",
        "",
      ].join("\r\n"),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain("smuggled");
  });

  it.each(["http://evil.example/", "*", "controller:443"])("refuses the target %s", async (target) => {
    const answer = await exchangeRaw(
      controller.port,
      rawGet(target, [`x-kiloclaw-proxy-token: ${PROXY_TOKEN}`]),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("refuses headers without bounds", async () => {
    const answer = await exchangeRaw(controller.port, rawGet("/", [`x-big: ${"x".repeat(17_000)}`]));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe("WebSockets", () => {
  const open = async (
    headers: Record<string, string>,
  ): Promise<{ socket: WebSocket; seen: Record<string, string> }> => {
    const socket = new WebSocket(`${controller.url}/socket`, ["echo.v1", "other"], { headers });
    const [data] = await once(socket, "message");
    return { socket, seen: headersSchema.parse(JSON.parse(String(data))) };
  };

  it("carry text and binary frames, the subprotocol and the close code", async () => {
    const { socket, seen } = await open({ ...PROXY, origin: ORIGIN, "x-kiloclaw-client-ip": "203.0.113.9" });
    expect(socket.protocol).toBe("echo.v1");
    expect(seen).toMatchObject({ origin: ORIGIN, host: "127.0.0.1:8787", "x-forwarded-for": "203.0.113.9" });
    expect(seen).not.toHaveProperty("x-kiloclaw-proxy-token");

    socket.send("hello");
    expect(String((await once(socket, "message"))[0])).toBe("hello");
    const binary = randomBytes(2_000_000);
    socket.send(binary);
    const [echoed] = await once(socket, "message");
    expect(createHash("sha256").update(z.instanceof(Buffer).parse(echoed)).digest("hex")).toBe(
      createHash("sha256").update(binary).digest("hex"),
    );
    socket.send("close");
    const [code, reason] = await once(socket, "close");
    expect([code, String(reason)]).toEqual([4321, "as asked"]);
  });

  it("strip fly headers from the handshake's answer", async () => {
    const socket = new WebSocket(`${controller.url}/socket`, { headers: PROXY });
    const [answer] = await once(socket, "upgrade");
    expect(answer).toMatchObject({ statusCode: 101, headers: { upgrade: "websocket" } });
    expect(answer).not.toHaveProperty(["headers", "fly-replay"]);
    socket.terminate();
  });

  it.each([
    ["without the proxy token", "/socket", {}, 401, "unauthenticated"],
    ["for a page of another site", "/socket", { ...PROXY, origin: "https://evil.example" }, 403, "forbidden"],
    ["for a page without an origin", "/socket", { ...PROXY, origin: "null" }, 403, "forbidden"],
    [
      "for a page of another port",
      "/socket",
      { ...PROXY, origin: "http://127.0.0.1:9999" },
      403,
      "forbidden",
    ],
    ["on a controller route", "/_kilo/health", PROXY, 404, "unknown_route"],
    ["on a controller route in disguise", "/%5fkilo/health", PROXY, 404, "unknown_route"],
  ])("are refused %s", async (_, path, headers, status, code) => {
    const socket = new WebSocket(controller.url + path, { headers });
    const [, response] = await once(socket, "unexpected-response");
    const answer = z.instanceof(Readable).parse(response);
    expect(answer).toMatchObject({ statusCode: status });
    const body = z
      .string()
      .parse(await answer.setEncoding("utf8").reduce((text: string, part: string) => text + part, ""));
    expect(JSON.parse(body)).toMatchObject({ code });
    expect(socket.readyState).not.toBe(WebSocket.OPEN);
  });

  it("that the gateway refuses are refused with its own answer, without what is for the hops", async () => {
    const socket = new WebSocket(`${controller.url}/elsewhere`, { headers: PROXY });
    const [, answer] = await once(socket, "unexpected-response");
    expect(answer).toMatchObject({ statusCode: 403 });
    expect(answer).not.toHaveProperty(["headers", "fly-replay"]);
  });

  it("are the only upgrade there is", async () => {
    const request = rawGet("/", [
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
      `x-kiloclaw-proxy-token: ${PROXY_TOKEN}`,
    ]);
    const answer = await exchangeRaw(
      controller.port,
      request.replace("Connection: close", "Connection: Upgrade, HTTP2-Settings"),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("while the gateway fails", () => {
  it("cuts an answer that it breaks off, refuses what comes before it is back, and serves again", async () => {
    const response = await fetch(`${controller.url}/half`, { headers: PROXY });
    await expect(response.text()).rejects.toThrow(/terminated/);
    await controller.reached("crashed");
    const refused = await fetch(`${controller.url}/chat`, { headers: PROXY });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await refused.json()).toMatchObject({ code: "starting" });
    const socket = new WebSocket(`${controller.url}/socket`, { headers: PROXY });
    const [, answer] = await once(socket, "unexpected-response");
    expect(answer).toMatchObject({ statusCode: 503 });
    await controller.reached("running");
    expect(await echo("/again")).toMatchObject({ url: "/again" });
  });

  it("closes its WebSockets, and survives", async () => {
    const socket = new WebSocket(`${controller.url}/socket`, { headers: PROXY });
    await once(socket, "message");
    socket.send("crash");
    const [code] = await once(socket, "close");
    expect(code).toBe(1006);
    await controller.reached("crashed");
    await controller.reached("running");
    expect(await controller.health()).toMatchObject({ state: "ready" });
  });

  it("says that the connection was broken off before an answer", async () => {
    const response = await fetch(`${controller.url}/crash`, { method: "POST", headers: PROXY });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code: "upstream_failed" });
  });
});
