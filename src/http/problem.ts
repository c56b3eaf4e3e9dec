/** The stable codes of errors on the wire, each with its HTTP status (RFC 9457 problem details). */
const STATUS_OF = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  not_provisioned: 404,
  method_not_allowed: 405,
  conflict: 409,
  destroying: 409,
  too_large: 413,
  unsupported_media_type: 415,
  state_unreadable: 500,
  internal_error: 500,
  upstream_failed: 502,
  not_running: 503,
  starting: 503,
  misconfigured: 503,
  unavailable: 503,
} as const;

export type ProblemCode = keyof typeof STATUS_OF;

export type ProblemOptions = {
  /** A sentence for the reader: what is wrong and what to do. Never a cause from inside. */
  detail: string;
  retryAfterS?: number;
  /** The methods that the path has, where the request's is none of them. */
  allow?: string;
  /** Members beside those of the RFC. */
  extra?: Record<string, unknown>;
};

/** An `application/problem+json` answer with a stable `code`. */
export function problem(
  code: ProblemCode,
  { detail, retryAfterS, allow, extra = {} }: ProblemOptions,
): Response {
  const status = STATUS_OF[code];
  const body = { type: "about:blank", title: code.replaceAll("_", " "), status, code, detail, ...extra };
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) }),
      ...(allow === undefined ? {} : { allow }),
    },
  });
}

/** For the rest of the methods of a path of ours. */
export function onlyMethods(allow: string): () => Response {
  return () => problem("method_not_allowed", { detail: `This route takes ${allow} only.`, allow });
}

/** What a caller is told when the Worker lacks its configuration; which variable, only the log says. */
export function misconfigured(): Response {
  return problem("misconfigured", {
    detail: "The service is not configured. Its operator finds the cause in the log.",
  });
}
