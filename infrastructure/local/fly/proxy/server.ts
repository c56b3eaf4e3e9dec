import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Cloud } from "../cloud/cloud.ts";
import { messageOf } from "../log.ts";
import { forward } from "./forward.ts";
import { locate } from "./locate.ts";
import { PatientAgent } from "./upstream.ts";
import { upgrade } from "./upgrade.ts";

/** Connections of clients at a time; more are dropped. */
const connectionsMax = 10_000;

/** Longer than clients keep idle connections, so that none is closed while a request is on its way. */
const keepAliveTimeoutMs = 75_000;

/** Fly Proxy: takes HTTP requests and WebSockets to machines. `closeAll` ends every connection for good. */
export function flyProxy(cloud: Cloud): { server: Server; closeAll(): void } {
  const { log } = cloud;
  const agent = new PatientAgent({ keepAlive: true });
  const upgradeAgent = new PatientAgent({ keepAlive: false });
  /** Sockets that the server has handed over and does not close itself. */
  const upgraded = new Set<Duplex>();
  let isClosed = false;

  // A slow upload is the client's own affair, hence no limit on the time of a whole request.
  const server = createServer({ requestTimeout: 0, noDelay: true, keepAliveTimeout: keepAliveTimeoutMs });
  server.maxConnections = connectionsMax;
  server.on("request", (request, response) => {
    locate(cloud, request)
      .then((target) => forward(request, response, target, { agent, log }))
      .catch((error: unknown) => {
        log({ kind: "problem", message: `The proxy failed on a request: ${messageOf(error)}` });
        response.destroy();
      });
  });
  server.on("upgrade", (request, client, head) => {
    client.on("error", () => client.destroy());
    if (isClosed) {
      client.destroy();
      return;
    }
    upgraded.add(client);
    client.once("close", () => upgraded.delete(client));
    locate(cloud, request)
      .then((target) => upgrade(request, client, head, target, { agent: upgradeAgent, log }))
      .catch((error: unknown) => {
        log({ kind: "problem", message: `The proxy failed on an upgrade: ${messageOf(error)}` });
        client.destroy();
      });
  });
  return {
    server,
    closeAll() {
      isClosed = true;
      server.closeAllConnections();
      for (const client of upgraded) client.destroy();
      agent.destroy();
      upgradeAgent.destroy();
    },
  };
}
