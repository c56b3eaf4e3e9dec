// A Worker with one of each thing that the local Worker must carry: variables, Hyperdrive, a Durable Object with storage and
// an alarm. JavaScript, because the Workers types and Node's can't be loaded into one TypeScript project.
import { connect } from "cloudflare:sockets";
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async increment() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }

  async ring(inMs) {
    await this.ctx.storage.put("rung", false);
    await this.ctx.storage.setAlarm(Date.now() + inMs);
  }

  async rung() {
    return (await this.ctx.storage.get("rung")) ?? null;
  }

  async alarm() {
    await this.ctx.storage.put("rung", true);
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const counter = env.COUNTER.getByName("one");
    switch (url.pathname) {
      case "/vars":
        return Response.json({ ...env, COUNTER: null, KV: null, HYPERDRIVE: env.HYPERDRIVE.database });
      case "/count":
        return Response.json(await counter.increment());
      case "/ring":
        await counter.ring(Number(url.searchParams.get("ms")));
        return Response.json("set");
      case "/rung":
        return Response.json(await counter.rung());
      case "/throw":
        throw new Error("an error of the Worker");
      case "/database": {
        const socket = connect({ hostname: env.HYPERDRIVE.host, port: env.HYPERDRIVE.port });
        const { value } = await socket.readable.getReader().read();
        return new Response(value);
      }
      default:
        return new Response("not found", { status: 404 });
    }
  },
};
