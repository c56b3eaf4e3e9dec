import { once } from "node:events";
import { createConnection } from "node:net";
import { request as httpRequest, STATUS_CODES } from "node:http";
import { expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import {
  startedMachine,
  startFly,
  waitFor,
  withApp,
  type TestFly,
  type WireMachine,
} from "../testing/fly.ts";
import { ask, linesOf, services, startProcessFly, untilSaid } from "../testing/process.ts";

const machines = "/apps/acme/machines";
const echoSchema = z.object({
  method: z.string(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});

it("takes a request to the pinned machine with Fly's headers, and strips the pin and the hop's own", async () => {
  const { fly, machine } = await oneMachine();
  await fly.call("POST", "/apps/acme/ip_assignments", { type: "shared_v4" });
  const answer = await raw(fly, machine, "POST", "/echo?x=1", "hello", {
    host: "claw.example.com",
    connection: "close, x-secret-hop",
    "x-secret-hop": "1",
    te: "trailers",
    "proxy-authorization": "Basic x",
    "fly-client-ip": "6.6.6.6",
    "fly-region": "faked",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "http",
    "x-kept": "yes",
    "content-length": "5",
  });
  const echo = echoSchema.parse(JSON.parse(answer.body));
  expect(echo).toMatchObject({ method: "POST", url: "/echo?x=1", body: "hello" });
  expect(echo.headers).toMatchObject({
    host: "claw.example.com",
    "x-kept": "yes",
    "content-length": "5",
    "fly-client-ip": "127.0.0.1",
    "fly-region": "ams",
    "fly-forwarded-port": "443",
    "fly-request-id": expect.stringMatching(/^[0-9A-Z]{26}-ams$/),
    "x-forwarded-for": "203.0.113.7, 127.0.0.1, 66.241.124.1",
    "x-forwarded-proto": "https",
    "x-forwarded-port": "443",
    "x-forwarded-ssl": "on",
    via: "2 fly.io",
  });
  for (const name of ["fly-force-instance-id", "x-secret-hop", "te", "proxy-authorization"]) {
    expect(echo.headers).not.toHaveProperty(name);
  }
  expect(answer.headers).toMatchObject({
    "set-cookie": ["one=1", "two=2"],
    server: expect.stringMatching(/^Fly\//),
    via: "1.1 fly.io",
    "fly-request-id": echo.headers["fly-request-id"],
  });
  expect(answer.headers).not.toHaveProperty("x-hop");
  expect(answer.headers["keep-alive"]).not.toBe("timeout=99");
});

it("passes on bodies of unknown length, answers without one, and any status", async () => {
  const { fly, machine } = await oneMachine();
  const chunked = await raw(fly, machine, "PUT", "/echo", "in chunks", { "transfer-encoding": "chunked" });
  expect(echoSchema.parse(JSON.parse(chunked.body)).body).toBe("in chunks");
  const empty = await raw(fly, machine, "POST", "/echo", undefined, { "content-length": "0" });
  expect(echoSchema.parse(JSON.parse(empty.body)).body).toBe("");
  expect((await ask(fly, machine, "/echo", { method: "HEAD" })).status).toBe(200);
  for (const code of [204, 302, 304, 418, 500]) {
    const answer = await raw(fly, machine, "GET", `/status?code=${code}&text=Because`);
    expect([answer.status, answer.reason, answer.body]).toEqual([code, STATUS_CODES[code], ""]);
  }
});

it("streams both ways at once", async () => {
  const { fly, machine } = await oneMachine();
  const request = httpRequest(`${fly.proxyUrl}/stream`, {
    method: "POST",
    headers: { "fly-force-instance-id": machine.id, "transfer-encoding": "chunked" },
  });
  request.flushHeaders();
  // The head comes though neither side has sent anything yet.
  const [response] = await once(request, "response");
  expect(response.headers["content-type"]).toBe("text/event-stream");
  response.setEncoding("utf8");
  for (const word of ["one", "two"]) {
    request.write(word);
    expect(await once(response, "data")).toEqual([`heard ${word}`]);
  }
  request.end();
  expect(await once(response, "data")).toEqual(["end"]);
});

it("cuts the answer off where the machine does", async () => {
  const { fly, machine } = await oneMachine();
  await expect(ask(fly, machine, "/cut").then((response) => response.text())).rejects.toThrow(/terminated/);
});

const close = "Connection: close\r\nContent-Length: 0\r\n\r\n";
const unusable = [
  { what: "a status below all", head: `HTTP/1.1 042 X\r\n${close}`, status: 502 },
  { what: "a status above all", head: `HTTP/1.1 999 X\r\n${close}`, status: 502 },
  { what: "nothing", head: "", status: 502 },
  { what: "words that are none", head: `HTTP/1.1 403 a\u0001b\r\n${close}`, status: 403 },
];
const switched = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

it.each([...unusable, { what: "another protocol, unasked", head: switched, status: 502 }])(
  "outlives a program that answers with $what",
  async ({ head, status }) => {
    const { fly, machine } = await oneMachine();
    const answer = await raw(fly, machine, "GET", `/raw?text=${encodeURIComponent(head)}`);
    expect(answer.status).toBe(status);
    expect((await ask(fly, machine, "/echo")).status).toBe(200);
  },
);

it.each(unusable)("outlives a program that refuses a WebSocket with $what", async ({ head, status }) => {
  const { fly, machine } = await oneMachine();
  expect(await upgradeStatus(fly, `/raw?text=${encodeURIComponent(head)}`, machine.id)).toBe(status);
  expect((await ask(fly, machine, "/echo")).status).toBe(200);
});

it("tells the machine when the client goes away", async () => {
  const { fly, machine } = await oneMachine();
  const request = httpRequest(`${fly.proxyUrl}/stream`, {
    method: "POST",
    headers: { "fly-force-instance-id": machine.id, "transfer-encoding": "chunked" },
  });
  request.on("error", () => undefined);
  request.flushHeaders();
  await once(request, "response");
  request.destroy();
  await untilSaid(fly, machine, "client went away");
  expect(linesOf(fly, machine)).not.toContain("got SIGINT");
});

it("takes a target in absolute form as the path that it names", async () => {
  const { fly, machine } = await oneMachine();
  const answer = await raw(fly, machine, "GET", "http://evil.example/echo?a=b");
  expect(echoSchema.parse(JSON.parse(answer.body)).url).toBe("/echo?a=b");
});

it("waits for a program that does not listen yet", async () => {
  const { fly, machine } = await oneMachine({ env: { LISTEN_AFTER_MS: "150" } });
  expect((await ask(fly, machine, "/echo")).status).toBe(200);
});

it("answers 502 with no body when the program never listens", async () => {
  const { fly, machine } = await oneMachine({ env: { LISTEN_AFTER_MS: "60000" } });
  const answer = await raw(fly, machine, "GET", "/echo");
  expect([answer.status, answer.body]).toEqual([502, ""]);
  expect(fly.log).toContainEqual({ kind: "proxy", code: "PC01", message: expect.any(String) });
});

it("answers for machines that are stopped, destroyed, unknown, without a service or without a process", async () => {
  const { fly, machine } = await oneMachine();
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
  const stopped = await raw(fly, machine, "GET", "/");
  expect([stopped.status, stopped.body]).toEqual([503, ""]);
  expect(stopped.headers["server"]).toMatch(/^Fly\//);
  expect(stopped.headers["fly-request-id"]).toBeDefined();
  expect((await fly.call("GET", `${machines}/${machine.id}`)).body).toMatchObject({ state: "stopped" });
  await fly.call("DELETE", `${machines}/${machine.id}`);
  await waitFor(fly, machine, "destroyed");
  expect((await raw(fly, machine, "GET", "/")).status).toBe(502);
  expect((await raw(fly, { id: "0123456789abcd" }, "GET", "/")).status).toBe(502);
  const closed = await startedMachine(fly, { config: { services: [] } });
  expect((await raw(fly, closed, "GET", "/")).status).toBe(502);

  const stateOnly = await startFly();
  await withApp(stateOnly);
  const machineOfState = await startedMachine(stateOnly, { config: { services } });
  expect((await raw(stateOnly, machineOfState, "GET", "/")).status).toBe(502);
});

it("wakes a stopped machine whose service starts by itself", async () => {
  const { fly, machine } = await oneMachine({ services: [{ ...services[0], autostart: true }] });
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
  expect((await ask(fly, machine, "/echo")).status).toBe(200);
  expect((await fly.call("GET", `${machines}/${machine.id}/events`)).body).toContainEqual(
    expect.objectContaining({ type: "start", status: "starting", source: "proxy" }),
  );
});

it("finds a machine by the app in the host, but not a cordoned one", async () => {
  const { fly, machine } = await oneMachine();
  const byHost = async (host: string): Promise<number> =>
    (await raw(fly, undefined, "GET", "/echo", undefined, { host })).status;
  expect(await byHost("acme.fly.dev")).toBe(200);
  expect(await byHost("acme.localhost:4281")).toBe(200);
  expect(await byHost("other.fly.dev")).toBe(404);
  expect(await byHost("127.0.0.1")).toBe(404);
  await fly.call("POST", `${machines}/${machine.id}/cordon`);
  expect(await byHost("acme.fly.dev")).toBe(502);
  expect((await ask(fly, machine, "/echo")).status).toBe(200);
  await fly.call("POST", `${machines}/${machine.id}/uncordon`);
  expect(await byHost("acme.fly.dev")).toBe(200);
});

it("passes a WebSocket through: subprotocol, headers, text, binary and the close", async () => {
  const { fly, machine } = await oneMachine();
  const socket = new WebSocket(`${fly.proxyUrl.replace("http", "ws")}/ws`, ["claw.v1"], {
    headers: { "fly-force-instance-id": machine.id, origin: "https://claw.example.com" },
  });
  const [first] = await once(socket, "message");
  const headers = z.record(z.string(), z.string()).parse(JSON.parse(String(first)));
  expect(headers).toMatchObject({
    origin: "https://claw.example.com",
    "x-forwarded-proto": "https",
    "fly-client-ip": "127.0.0.1",
  });
  expect(headers).not.toHaveProperty("fly-force-instance-id");
  expect(socket.protocol).toBe("claw.v1");
  const large = Buffer.alloc(1024 * 1024, 7);
  socket.send(large);
  const [echoed, isBinary] = await once(socket, "message");
  expect([large.equals(Buffer.from(z.instanceof(Buffer).parse(echoed))), isBinary]).toEqual([true, true]);
  socket.send("close");
  const [code, reason] = await once(socket, "close");
  expect([code, String(reason)]).toEqual([4321, "as you wish"]);
});

it("refuses a WebSocket as it refuses a request, and passes on the machine's own refusal", async () => {
  const { fly, machine } = await oneMachine();
  const upgrade = (path: string, id: string): Promise<number> => upgradeStatus(fly, path, id);
  expect(await upgrade("/not-a-socket", machine.id)).toBe(400);
  expect(await upgrade("/ws", "0123456789abcd")).toBe(502);
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  await waitFor(fly, machine, "stopped");
  expect(await upgrade("/ws", machine.id)).toBe(503);
});

it("ends a WebSocket when its machine stops, and when the proxy closes", async () => {
  const { fly, machine } = await oneMachine();
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`${fly.proxyUrl.replace("http", "ws")}/ws`, {
      headers: { "fly-force-instance-id": machine.id },
    });
    await once(socket, "message");
    return socket;
  };
  const first = await open();
  const firstClosed = once(first, "close");
  await fly.call("POST", `${machines}/${machine.id}/stop`);
  expect((await firstClosed)[0]).toBe(1006);
  await waitFor(fly, machine, "stopped");
  await fly.call("POST", `${machines}/${machine.id}/start`);
  await waitFor(fly, machine, "started");
  const second = await open();
  const secondClosed = once(second, "close");
  await fly.close();
  expect((await secondClosed)[0]).toBe(1006);
});

it("forwards no request that could be read as two", async () => {
  const { fly, machine } = await oneMachine();
  const answer = await sendRaw(
    fly,
    `POST /echo HTTP/1.1\r\nHost: a\r\nfly-force-instance-id: ${machine.id}\r\n` +
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /diary HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
});

interface RawAnswer {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

async function oneMachine(
  config: Record<string, unknown> = {},
): Promise<{ fly: TestFly; machine: WireMachine }> {
  const fly = await startProcessFly();
  await withApp(fly);
  return { fly, machine: await startedMachine(fly, { config: { services, ...config } }) };
}

/** A request with headers that fetch does not let one set. */
async function raw(
  fly: TestFly,
  machine: { id: string } | undefined,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  const pin = machine === undefined ? {} : { "fly-force-instance-id": machine.id };
  const { hostname, port } = new URL(fly.proxyUrl);
  const request = httpRequest({ hostname, port, method, path, headers: { ...pin, ...headers } });
  request.end(body);
  const [response] = await once(request, "response");
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) text += chunk;
  return {
    status: response.statusCode,
    reason: response.statusMessage,
    headers: response.headers,
    body: text,
  };
}

async function upgradeStatus(fly: TestFly, path: string, id: string): Promise<number> {
  const socket = new WebSocket(`${fly.proxyUrl.replace("http", "ws")}${path}`, {
    headers: { "fly-force-instance-id": id },
  });
  const [request, response] = await once(socket, "unexpected-response");
  request.destroy();
  return response.statusCode;
}

async function sendRaw(fly: TestFly, text: string): Promise<string> {
  const { hostname, port } = new URL(fly.proxyUrl);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.write(text);
  let answer = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket) answer += chunk;
  return answer;
}
