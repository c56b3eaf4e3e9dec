import { once } from "node:events";
import { connect } from "node:net";

/**
 * Sends bytes to a port as they are and resolves with all that comes back until the other side closes.
 * For what no HTTP client would send.
 */
export async function exchangeRaw(port: number, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
  socket.write(text);
  await once(socket, "close");
  return answer;
}

/** A GET request with a raw target and extra header lines, after which the connection is to be closed. */
export function rawGet(target: string, headers: readonly string[] = []): string {
  return [`GET ${target} HTTP/1.1`, "Host: controller", "Connection: close", ...headers, "", ""].join("\r\n");
}
