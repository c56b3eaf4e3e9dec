/**
 * An answer of "no", as Fly words it: the HTTP status, the text of `error`, and sometimes a machine-readable
 * `status`. Operations return it in place of their value.
 */
export class Refusal {
  readonly status: 400 | 401 | 403 | 404 | 408 | 409 | 412 | 422 | 429 | 500 | 503;
  readonly error: string;
  /** The `status` field of Fly's envelope, e.g. `name_taken`. */
  readonly code: string | undefined;

  constructor(status: Refusal["status"], error: string, code?: string) {
    this.status = status;
    this.error = error;
    this.code = code;
  }
}

/** A value, or the reason why there is none. */
export type Outcome<T> = T | Refusal;

export const refusals = {
  unauthenticated: () => new Refusal(401, "Authenticate: token validation error"),
  noOrg: () => new Refusal(400, "authorization: request doesn't contain org_slug"),
  appNotFound: () => new Refusal(404, "app not found"),
  machineNotFound: () => new Refusal(404, "machine not found"),
  volumeNotFound: () => new Refusal(404, "volume not found"),
  rateLimited: () => new Refusal(429, "rate limit exceeded"),
  invalidArgument: (what: string) => new Refusal(400, `invalid_argument: ${what}`),
};
