import { WebSocket } from "ws";

/** The status with which a WebSocket upgrade is answered: 101, or the refusal's. */
export function upgradeStatus(
  workerUrl: string,
  headers: Record<string, string>,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(workerUrl.replace("http:", "ws:"), { headers });
    socket.once("unexpected-response", (request, response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    socket.once("open", () => {
      socket.terminate();
      resolve(101);
    });
    socket.once("error", reject);
  });
}
