import { describe, expect, it } from "vitest";
import { cleanResponseHeaders, requestHeaders, UNKNOWN_CLIENT_ADDRESS } from "./headers.ts";

const identity = {
  ownerHeader: "x-kiloclaw-owner-abc",
  allowedOrigins: ["https://claw.kilo.ai", "https://other.example:8443"],
} as const;

describe("the client's address", () => {
  const seen = (address: string): unknown =>
    requestHeaders({ "x-kiloclaw-client-ip": address }, identity, { upgrade: false })["x-forwarded-for"];

  it.each(["203.0.113.7", "10.1.2.3", "2001:db8::1", " 203.0.113.7 "])("%s is passed on", (address) =>
    expect(seen(address)).toBe(address.trim()),
  );

  it.each([
    "",
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "localhost",
    "203.0.113.7, 10.0.0.1",
    "203.0.113.7:1234",
    "999.1.1.1",
  ])("%s, which the gateway would refuse, is replaced", (address) =>
    expect(seen(address)).toBe(UNKNOWN_CLIENT_ADDRESS),
  );
});

describe("the public origin", () => {
  it.each([
    ["https://other.example:8443", "other.example:8443"],
    ["https://evil.example", "claw.kilo.ai"],
    ["https://claw.kilo.ai/", "claw.kilo.ai"],
    ["", "claw.kilo.ai"],
  ])("%s gives the host %s", (origin, host) => {
    const headers = requestHeaders({ host: "machine", "x-kiloclaw-public-origin": origin }, identity, {
      upgrade: false,
    });
    expect(headers).toMatchObject({ host, "x-forwarded-host": host, "x-forwarded-proto": "https" });
  });
});

it("keeps the headers of a WebSocket handshake and none that is hop-by-hop otherwise", () => {
  const incoming = {
    connection: "keep-alive, Upgrade",
    upgrade: "WebSocket",
    te: "trailers",
    "sec-websocket-key": "k",
    "sec-websocket-protocol": "a, b",
    expect: "100-continue",
  };
  expect(requestHeaders(incoming, identity, { upgrade: true })).toMatchObject({
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "k",
    "sec-websocket-protocol": "a, b",
  });
  const plain = requestHeaders(incoming, identity, { upgrade: false });
  for (const name of ["connection", "upgrade", "te", "expect"]) expect(plain).not.toHaveProperty(name);
});

it("lets no client be the owner by a header of its own", () => {
  const headers = requestHeaders({ "x-kiloclaw-owner-abc": "Mallory" }, identity, { upgrade: false });
  expect(headers["x-kiloclaw-owner-abc"]).toBe("Owner");
});

it("takes from a response what is not for the browser, and keeps a handshake's upgrade", () => {
  const response = {
    "fly-replay": "app=x",
    connection: "Upgrade",
    upgrade: "websocket",
    "set-cookie": ["a=1"],
  };
  const handshake = { ...response };
  cleanResponseHeaders(handshake, { upgrade: true });
  expect(handshake).toEqual({ connection: "Upgrade", upgrade: "websocket", "set-cookie": ["a=1"] });
  cleanResponseHeaders(response, { upgrade: false });
  expect(response).toEqual({ "set-cookie": ["a=1"] });
});
