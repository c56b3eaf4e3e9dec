import { describe, expect, it } from "vitest";
import { downstreamHeaders, upstreamHeaders } from "./headers.ts";

const identity = { machineId: "m1", proxyToken: "proxy", publicOrigin: "https://claw.kilo.ai" };
const upstream = (headers: Record<string, string>) =>
  upstreamHeaders(new Request("https://claw.kilo.ai/", { headers }), identity);

describe("to the machine", () => {
  it("removes what the sender claims, and sets ours", () => {
    const headers = upstream({
      "fly-force-instance-id": "other",
      "fly-replay": "app=other",
      "x-kiloclaw-proxy-token": "forged",
      "x-openclaw-scopes": "operator.admin",
      "x-forwarded-for": "1.2.3.4",
      "x-forwarded-user": "root",
      forwarded: "for=1.2.3.4",
      "x-real-ip": "1.2.3.4",
      "true-client-ip": "1.2.3.4",
      "remote-user": "root",
      "cf-ray": "x",
      via: "1.1 x",
      "x-internal-api-key": "guess",
      accept: "text/html",
    });
    expect(Object.fromEntries(headers)).toEqual({
      accept: "text/html",
      "fly-force-instance-id": "m1",
      "x-kiloclaw-proxy-token": "proxy",
      "x-kiloclaw-public-origin": "https://claw.kilo.ai",
    });
  });

  it("never carries our credentials, and keeps the tenant's own cookies", () => {
    const headers = upstream({
      authorization: "Bearer session",
      cookie: "theme=dark; kiloclaw-auth=session; __Host-kiloclaw-auth=session; __HOST-kiloclaw-auth=x; a=b",
    });
    expect(headers.get("authorization")).toBeNull();
    expect(headers.get("cookie")).toBe("theme=dark; a=b");
  });

  it("lets Connection name no header of ours away", () => {
    const headers = upstream({ connection: "x-kiloclaw-proxy-token, cookie", cookie: "a=b" });
    expect(headers.get("x-kiloclaw-proxy-token")).toBe("proxy");
    expect(headers.get("cookie")).toBe("a=b");
    expect(headers.get("connection")).toBeNull();
  });

  it("tells the browser's address as Cloudflare saw it, and nobody else's word", () => {
    expect(upstream({ "cf-connecting-ip": "203.0.113.9" }).get("x-kiloclaw-client-ip")).toBe("203.0.113.9");
    expect(upstream({ "x-kiloclaw-client-ip": "203.0.113.9" }).get("x-kiloclaw-client-ip")).toBeNull();
  });
});

describe("to the browser", () => {
  it("drops what would steer Fly, wipe the site or set our cookie, and keeps the rest", () => {
    const headers = new Headers({
      "fly-replay": "app=other",
      "clear-site-data": "*",
      "content-type": "text/html",
    });
    headers.append("set-cookie", "kiloclaw-auth=evil; Path=/");
    headers.append("set-cookie", "theme=dark");
    headers.append("set-cookie", "__host-kiloclaw-auth=evil");
    headers.append("set-cookie", "=kiloclaw-auth=evil");
    headers.append("set-cookie", "kiloclaw-auth");
    headers.append("set-cookie", "wide=1; Path=/; Domain=kilo.ai; Secure");
    headers.append("strict-transport-security", "max-age=1");
    const passed = downstreamHeaders(new Response(null, { headers }));
    expect(passed.getSetCookie()).toEqual(["theme=dark", "wide=1; Path=/; Secure"]);
    expect([...new Set(passed.keys())]).toEqual(["content-type", "set-cookie"]);
  });
});
