const COOKIE_NAME = "fly_flaps_affinity";
const APPS_MAX = 256;
/** Octets that a cookie's value may have (RFC 6265 §4.1.1), and far more of them than Fly sends. */
const COOKIE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}$/;

/** The cookies by which an app's calls reach the API node that knows of the app's latest changes. */
export type Affinity = {
  /** The value of the `cookie` header for a call about this app. */
  cookieOf(app: string): string | null;
  /** Takes what an answer to a call about this app sets. */
  keep(app: string, answer: Headers): void;
};

/**
 * Fly's API is eventually consistent between its nodes. After a change it may bind an app's next calls to one node by the cookie
 * `fly_flaps_affinity` with a path of the app (fly-machines-api.md §1.3).
 */
export function createAffinity(): Affinity {
  const values = new Map<string, string>();
  return {
    cookieOf(app) {
      const value = values.get(app);
      return value === undefined ? null : `${COOKIE_NAME}=${value}`;
    },
    keep(app, answer) {
      for (const line of answer.getSetCookie()) {
        const cookie = readCookie(line);
        if (cookie === null) continue;
        const owner = cookie.app ?? app;
        values.delete(owner);
        if (cookie.value === null) continue;
        values.set(owner, cookie.value);
        const [oldest] = values.keys();
        if (values.size > APPS_MAX && oldest !== undefined) values.delete(oldest);
      }
    },
  };
}

/** The affinity cookie of a `set-cookie` line: null if it is another one, a null value if it is to be forgotten. */
function readCookie(line: string): { app: string | null; value: string | null } | null {
  const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
  if (!pair.startsWith(`${COOKIE_NAME}=`)) return null;
  const value = pair.slice(COOKIE_NAME.length + 1);
  const path = attributes.find((attribute) => /^path=/i.test(attribute)) ?? "";
  const isOver = attributes.some((attribute) => /^max-age=(?:0|-\d+)$/i.test(attribute));
  return {
    app: /^path=\/v1\/apps\/([^/]+)/i.exec(path)?.[1] ?? null,
    value: COOKIE_VALUE.test(value) && !isOver ? value : null,
  };
}
