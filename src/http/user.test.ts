import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { insertCode, insertUser, ORIGIN, platform, request, setPepper, signedIn } from "./testing/client.ts";

const OWNER = "owner";
const html = { accept: "text/html" };
let owner: Record<string, string>;

type Echo = { method: string; url: string; headers: Record<string, string>; bytes: number; env: string[] };

beforeAll(async () => {
  await Promise.all([
    insertUser(OWNER),
    insertUser("without-instance"),
    insertUser("codes"),
    insertUser("rotated"),
  ]);
  owner = await signedIn(OWNER);
  await platform("provision", { userId: OWNER, envVars: { FOO: "bar" }, kilocodeApiKey: "sk-very-secret" });
  await platform("start", { userId: OWNER });
});

afterAll(async () => {
  await platform("destroy", { userId: OWNER });
});

describe("signing in", () => {
  const redeem = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    request("/kilo-access-gateway", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: new URLSearchParams(fields).toString(),
    });

  it("asks for the code, and keeps the page to itself", async () => {
    const page = await request("/kilo-access-gateway?userId=a%22%3E%3Cscript%3E", { headers: html });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(await page.text()).not.toContain('"><script>');
  });

  it("turns a code into a session once, and only for its user", async () => {
    await insertCode("codes", "ABCDE-23456");
    expect((await redeem({ userId: OWNER, code: "ABCDE-23456" })).status).toBe(401);
    const redeemed = await redeem({ userId: "codes", code: " abcde23456 " }, { origin: ORIGIN });
    expect([redeemed.status, redeemed.headers.get("location")]).toEqual([303, "/"]);
    const cookie = redeemed.headers.getSetCookie()[0] ?? "";
    expect(cookie).toMatch(/^kiloclaw-auth=[^;]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/);
    const status = await request("/api/kiloclaw/status", { headers: { cookie: cookie.split(";")[0] ?? "" } });
    expect(status.status).toBe(200);
    expect((await redeem({ userId: "codes", code: "ABCDE-23456" })).status).toBe(401);
  });

  it("refuses wrong and expired codes alike", async () => {
    await insertCode("codes", "FGHJK-23456", -1);
    const [wrong, expired] = await Promise.all([
      redeem({ userId: "codes", code: "WRONG-23456" }),
      redeem({ userId: "codes", code: "FGHJK-23456" }),
    ]);
    expect([wrong.status, expired.status]).toEqual([401, 401]);
    const withoutNonce = async (page: Response) => (await page.text()).replaceAll(/nonce="[^"]+"/g, "");
    expect(await withoutNonce(wrong)).toBe(await withoutNonce(expired));
  });

  it("takes the form from its own page only", async () => {
    const fields = { userId: "codes", code: "WRONG-23456" };
    expect((await redeem(fields, { origin: "https://evil.example" })).status).toBe(403);
    expect((await redeem(fields, { origin: "null" })).status).toBe(403);
    expect((await redeem(fields, { origin: "null", "sec-fetch-site": "cross-site" })).status).toBe(403);
    // What a browser sends from a page that keeps its address to itself, as ours does.
    expect((await redeem(fields, { origin: "null", "sec-fetch-site": "same-origin" })).status).toBe(401);
    expect((await redeem(fields, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await redeem(fields, { "content-type": "application/json" })).status).toBe(415);
    expect((await redeem({ userId: "codes" })).status).toBe(400);
  });

  it("tells somebody without a session how to get one", async () => {
    const page = await request("/", { headers: html });
    expect(page.status).toBe(401);
    expect(await page.text()).toContain("/kilo-access-gateway");
    const problem = await request("/");
    expect([problem.status, (await problem.json<{ code: string }>()).code]).toEqual([401, "unauthenticated"]);
  });

  it("ends every session when the pepper is rotated", async () => {
    const session = await signedIn("rotated");
    expect((await request("/api/kiloclaw/status", { headers: session })).status).toBe(200);
    await setPepper("rotated", "another");
    expect((await request("/api/kiloclaw/status", { headers: session })).status).toBe(401);
  });

  it("does not know a user whom the registry does not know", async () => {
    expect((await request("/api/kiloclaw/status", { headers: await signedIn("ghost") })).status).toBe(401);
  });

  it("looks at the bearer token alone where both come", async () => {
    const headers = { ...owner, authorization: "Bearer nonsense" };
    expect((await request("/api/kiloclaw/status", { headers })).status).toBe(401);
  });
});

describe("the user's own view", () => {
  it("shows the instance without a secret's value", async () => {
    const config = await request("/api/kiloclaw/config", { headers: owner });
    const text = await config.text();
    expect(JSON.parse(text)).toMatchObject({ kilocodeApiKeySet: true, envVarNames: ["FOO"] });
    expect(text).not.toContain("sk-very-secret");
    expect(text).not.toContain("bar");
    const events = await (await request("/api/kiloclaw/events", { headers: owner })).text();
    expect(events).not.toContain("sk-very-secret");
  });

  it("acts for a page of another origin on nothing", async () => {
    const post = (headers: Record<string, string>) =>
      request("/api/kiloclaw/stop", { method: "POST", headers: { ...owner, ...headers } });
    expect((await post({ origin: "https://evil.example" })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "same-site" })).status).toBe(403);
    const status = await request("/api/kiloclaw/status", { headers: owner });
    expect(await status.json()).toMatchObject({ status: "running" });
  });

  it("has no instance before one is provisioned", async () => {
    const headers = await signedIn("without-instance");
    expect((await request("/api/kiloclaw/start", { method: "POST", headers })).status).toBe(404);
    expect((await request("/", { headers: { ...headers, ...html } })).status).toBe(404);
  });
});

describe("the proxy", () => {
  const echo = async (
    path: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ) => (await request(path, { ...init, headers: { ...owner, ...init.headers } })).json<Echo>();

  it("passes method, path, query and body on to the user's own machine", async () => {
    const body = "x".repeat(1_000_000);
    const seen = await echo("/chat/a%20b?x=1&y=%2F", { method: "PUT", body });
    expect(seen).toMatchObject({ method: "PUT", url: "/chat/a%20b?x=1&y=%2F", bytes: body.length });
  });

  it("hands the machine none of our credentials, and nothing that the sender claims", async () => {
    const { headers } = await echo("/", {
      headers: {
        cookie: `${owner["cookie"] ?? ""}; theme=dark`,
        "x-forwarded-for": "6.6.6.6",
        "x-openclaw-scopes": "operator.admin",
        "fly-replay-src": "x",
        "x-kiloclaw-client-ip": "6.6.6.6",
      },
    });
    expect(headers["cookie"]).toBe("theme=dark");
    expect(headers["authorization"]).toBeUndefined();
    expect(headers["x-kiloclaw-client-ip"]).toBeUndefined();
    expect(headers["x-openclaw-scopes"]).toBeUndefined();
    expect(headers["x-kiloclaw-public-origin"]).toBe(ORIGIN);
    expect(JSON.stringify(headers)).not.toContain("6.6.6.6");
  });

  it("believes the machine nothing that is ours to say", async () => {
    const answer = await request("/headers-back", { headers: owner });
    expect(answer.headers.getSetCookie()).toEqual(["theme=dark"]);
    expect(answer.headers.get("x-own")).toBe("kept");
    for (const name of ["fly-replay", "x-kiloclaw-secret", "clear-site-data"])
      expect(answer.headers.has(name)).toBe(false);
  });

  it("leaves redirects to the browser", async () => {
    const answer = await request("/redirect", { headers: owner });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://169.254.169.254/latest"]);
  });

  it("streams events as they come", async () => {
    const answer = await request("/events", { headers: owner });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect(await reader?.read()).toEqual({ done: false, value: "data: first\n\n" });
    await request("/more", { headers: owner });
    expect(await reader?.read()).toEqual({ done: false, value: "data: second\n\n" });
    expect((await reader?.read())?.done).toBe(true);
  });

  it("goes to no other host, however the path is written", async () => {
    expect((await echo("//evil.example/x")).url).toBe("//evil.example/x");
    expect((await echo("/\\evil.example/x")).url).toBe("//evil.example/x");
  });

  it("acts for a page of another origin on nothing", async () => {
    const post = (headers: Record<string, string>) =>
      request("/tools/invoke", { method: "POST", headers: { ...owner, ...headers } });
    expect((await post({ origin: "https://evil.example" })).status).toBe(403);
    expect((await post({ "sec-fetch-site": "same-site" })).status).toBe(403);
    expect((await post({ origin: ORIGIN })).status).toBe(200);
  });

  it.each([
    ["/chat?gatewayUrl=wss://evil.example&x=1", "/chat?x=1"],
    ["//evil.example?token=abc", "/evil.example"],
  ])("takes what would steer the page out of %s", async (path, location) => {
    const answer = await request(path, { headers: { ...owner, ...html } });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, location]);
  });

  it.each(["/_kilo/health", "/_KILO/env", "/%5fkilo/env", "//_kilo/env"])(
    "never lets %s out",
    async (path) => {
      const answer = await request(path, { headers: owner });
      expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([404, "not_found"]);
    },
  );

  it("passes WebSockets through, from our own pages only", async () => {
    const upgrade = (headers: Record<string, string>) =>
      request("/socket", { headers: { ...owner, upgrade: "websocket", ...headers } });
    expect((await upgrade({})).status).toBe(403);
    expect((await upgrade({ origin: "https://evil.example" })).status).toBe(403);
    expect((await upgrade({ origin: "null", "sec-fetch-site": "same-origin" })).status).toBe(403);
    const answer = await upgrade({ origin: ORIGIN, "sec-websocket-protocol": "v1" });
    expect(answer.status).toBe(101);
    expect(answer.headers.get("sec-websocket-protocol")).toBe("v1");
    const socket = answer.webSocket;
    const next = () =>
      new Promise<MessageEvent | CloseEvent>((resolve) => {
        socket?.addEventListener("message", resolve, { once: true });
        socket?.addEventListener("close", resolve, { once: true });
      });
    const hello = next();
    socket?.accept();
    const first = await hello;
    const greeting = "data" in first ? String(first.data) : "";
    expect(greeting).toContain('"url":"/socket"');
    expect(greeting).not.toContain("kiloclaw-auth");
    socket?.send("ping");
    expect(await next()).toMatchObject({ data: "ping" });
    socket?.send("close");
    expect(await next()).toMatchObject({ code: 4_321, reason: "as asked" });
  });

  it("shows the visitor of a stopped instance that it is stopped, and how to start it", async () => {
    await platform("stop", { userId: OWNER });
    const page = await request("/chat", { headers: { ...owner, ...html } });
    expect(page.status).toBe(503);
    const text = await page.text();
    expect(text).toContain("Your assistant is stopped");
    expect(text).toContain('data-action="start"');
    const problem = await request("/chat", { headers: owner });
    expect(problem.headers.get("retry-after")).toBe("60");
    expect(await problem.json()).toMatchObject({ status: 503, code: "not_running" });
    const socket = await request("/", { headers: { ...owner, upgrade: "websocket", origin: ORIGIN } });
    expect(socket.status).toBe(503);

    expect((await request("/api/kiloclaw/start", { method: "POST", headers: owner })).status).toBe(200);
    expect((await echo("/chat")).url).toBe("/chat");
  });
});
