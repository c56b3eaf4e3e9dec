import { STATUS_CODES, type IncomingMessage } from "node:http";
import { cleanResponseHeaders } from "./headers.ts";

const STATUS_MIN = 200;
const STATUS_MAX = 599;

/**
 * Makes a gateway's answer fit to be passed on: without headers for the hops in between and without its reason
 * phrase, which may hold what Node refuses to write (and clients ignore it, RFC 9112 §4). An answer whose status
 * is no final one of RFC 9110 §15 is cut; the caller says so to the client.
 *
 * @returns whether the answer may go on
 */
export function acceptAnswer(answer: IncomingMessage): boolean {
  const status = answer.statusCode ?? 0;
  if (status < STATUS_MIN || status > STATUS_MAX) {
    answer.destroy();
    return false;
  }
  answer.statusMessage = STATUS_CODES[status] ?? "";
  cleanResponseHeaders(answer.headers, { upgrade: false });
  return true;
}
