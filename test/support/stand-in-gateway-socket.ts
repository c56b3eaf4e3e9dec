import { appendFileSync, existsSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { z } from "zod";

const frameSchema = z.object({
  id: z.string(),
  method: z.string(),
  params: z.looseObject({
    requestId: z.string().optional(),
    auth: z.object({ password: z.string().optional() }).optional(),
    device: z.unknown().optional(),
  }),
});
const deviceSchema = z.object({ deviceId: z.string(), role: z.string(), scopes: z.array(z.string()) });

/**
 * The gateway's socket of a stand-in machine, as far as devices go (openclaw-gateway.md §3.1, §4.1), on the same files as the command
 * line's. It lets in a backend with its password, and nobody while there is a file `locked`. Devices that are in are files in `paired`, and with a file
 * `keeps` none is removed. With a file `generous` it grants more than
 * a device asked for; with a file `hangs-up` it does, and ends the connection instead of an answer. What it was called for is appended to `calls.jsonl`.
 */
export function serveGateway(port: number, directory: string, password: string): void {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  const has = (name: string): boolean => existsSync(join(directory, name));
  /** 2026.2.26 adds what a device had before. */
  const granted = (device: z.infer<typeof deviceSchema>): unknown => {
    const had = filesIn(join(directory, "paired"))
      .flatMap((entry) => deviceSchema.safeParse(entry).data ?? [])
      .filter(({ deviceId }) => deviceId === device.deviceId);
    const scopes = [...had, device].flatMap((entry) => entry.scopes);
    return { ...device, scopes: has("generous") ? [...scopes, "operator.admin"] : scopes };
  };
  server.on("connection", (socket) => {
    socket.send(
      JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } }),
    );
    socket.on("message", (data) => {
      if (!Buffer.isBuffer(data)) return;
      const { id, method, params } = frameSchema.parse(JSON.parse(data.toString("utf8")));
      const answer = (payload: unknown): void =>
        socket.send(JSON.stringify({ type: "res", id, ok: true, payload }));
      const refuse = (message: string): void =>
        socket.send(JSON.stringify({ type: "res", id, ok: false, error: { code: "NO", message } }));
      if (method === "connect") {
        if (has("locked") || params.auth?.password !== password || params.device !== undefined)
          refuse("unauthorized");
        else answer({ type: "hello-ok" });
        return;
      }
      appendFileSync(join(directory, "calls.jsonl"), `${JSON.stringify({ method, ...params })}\n`);
      switch (method) {
        case "device.pair.list":
          answer({
            pending: filesIn(join(directory, "devices")),
            paired: [{ publicKey: "paired-key" }, ...filesIn(join(directory, "paired"))],
          });
          return;
        case "device.pair.approve": {
          const file = join(directory, "devices", `${params.requestId}.json`);
          const device = taken(file);
          if (device === null) refuse("unknown requestId");
          else if (has("hangs-up")) socket.terminate();
          else answer({ requestId: params.requestId, device: granted(device) });
          return;
        }
        case "device.pair.remove":
          if (has("keeps")) refuse("unknown deviceId");
          else answer({});
          return;
        default:
          answer({});
      }
    });
  });
}

function filesIn(directory: string): unknown[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name): unknown =>
    JSON.parse(readFileSync(join(directory, name), "utf8")),
  );
}

/** Of two who take at a time it is one. */
function taken(file: string): z.infer<typeof deviceSchema> | null {
  try {
    const device = deviceSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    unlinkSync(file);
    return device;
  } catch {
    return null;
  }
}
