import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createRawServer, type AddressInfo, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { exchangeRaw, rawGet } from "../testing/raw-http.ts";
import { createGatewayProxy } from "./proxy.ts";

const UPGRADE = [
  "GET /socket HTTP/1.1",
  "Host: controller",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const item of opened.splice(0)) item.close();
});

/** A proxy before a gateway that sends these bytes to whoever asks, and what comes back through it. */
async function through(answer: string, request: string): Promise<string> {
  const gateway = createRawServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(answer, "latin1"));
  });
  const proxy = createGatewayProxy({
    port: await listen(gateway),
    identity: { ownerHeader: "x-kiloclaw-owner-test", allowedOrigins: ["http://localhost:8787"] },
    log: () => undefined,
  });
  const front = createServer((incoming, response) => proxy.web(incoming, response));
  front.on("upgrade", (incoming, socket, head) => proxy.upgrade(incoming, socket, head));
  const port = await listen(front);
  opened.push(proxy, front, gateway);
  return exchangeRaw(port, request);
}

async function listen(server: Server | HttpServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

describe("a gateway's answer that HTTP does not know", () => {
  it.each([
    ["a status below all others", "HTTP/1.1 042 X\r\nContent-Length: 2\r\n\r\nhi"],
    ["a status above all others", "HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nhi"],
    ["a status above all others, and a body without an end", "HTTP/1.1 999 X\r\n\r\nhi"],
    ["no status", "HTTP/1.1 abc\r\n\r\n"],
    ["interim ones without end", "HTTP/1.1 103 Early\r\n\r\n".repeat(100)],
  ])("becomes a 502: %s", async (_, answer) => {
    for (const request of [rawGet("/"), UPGRADE]) {
      const received = await through(answer, request);
      expect(received).toMatch(/^HTTP\/1\.1 502 /);
      expect(received).toContain('"code":"upstream_failed"');
      expect(received).not.toContain("hi");
    }
  });

  it("becomes a 502 when it changes the protocol of a plain request", async () => {
    const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nsmuggled";
    const received = await through(answer, rawGet("/"));
    expect(received).toMatch(/^HTTP\/1\.1 502 /);
    expect(received).not.toContain("smuggled");
  });

  it("loses its reason phrase, whatever stands in it", async () => {
    const plain = await through("HTTP/1.1 200 a\x01b\r\nContent-Length: 2\r\n\r\nhi", rawGet("/"));
    expect(plain).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(plain).toMatch(/\r\n\r\nhi$/);
    const upgrade = await through(
      "HTTP/1.1 403 a\x01b\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
      UPGRADE,
    );
    expect(upgrade).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(upgrade).toMatch(/\r\n\r\nno$/);
  });
});
