import { html, raw } from "hono/html";
import type { RouteResult } from "../instance/operations.ts";
import { pageScript, pageStyle } from "./page-assets.ts";

type Html = ReturnType<typeof html>;

/** The form that asks for an access code. */
export function accessCodePage(options: {
  userId: string;
  message: "refused" | "unavailable" | null;
  status: number;
}): Promise<Response> {
  const { userId, message } = options;
  const account =
    userId === ""
      ? html`<label
          >Account id <input name="userId" required maxlength="1024" autocomplete="username"
        /></label>`
      : html`<input type="hidden" name="userId" value="${userId}" />`;
  return page(
    options.status,
    "Open your assistant",
    html`
      <h1>Open your assistant</h1>
      ${message === null ? "" : html`<p role="alert" class="alert">${MESSAGES[message]}</p>`}
      <form method="post" action="/kilo-access-gateway">
        ${account}
        <label>
          Access code
          <input
            name="code"
            required
            maxlength="256"
            autofocus
            autocomplete="one-time-code"
            autocapitalize="characters"
            spellcheck="false"
            placeholder="XXXXX-XXXXX"
          />
        </label>
        <button type="submit">Continue</button>
      </form>
      <p class="hint">
        A code works once and for a short time. You get a new one where you started your assistant.
      </p>
    `,
    message === "unavailable" ? { "retry-after": "5" } : {},
  );
}

const MESSAGES = {
  refused: "That code is not valid. It may be mistyped, used or expired: ask for a new one.",
  unavailable: "Codes can't be checked right now. Try again in a moment.",
} as const;

/** What somebody sees who is not signed in, or not any more. */
export function signedOutPage(): Promise<Response> {
  return page(
    401,
    "Signed out",
    html`
      <h1>You are signed out</h1>
      <p>Open your assistant with an access code.</p>
      <p><a class="button" href="/kilo-access-gateway">Enter a code</a></p>
    `,
  );
}

/** What a visitor sees while sign-ins can't be checked. */
export function unavailablePage(): Promise<Response> {
  return page(
    503,
    "Unavailable",
    html`
      <main data-status="unavailable">
        <h1>One moment</h1>
        <p>Sign-ins can't be checked right now. This page tries again by itself.</p>
      </main>
    `,
    { "retry-after": "5" },
  );
}

type NotRunning = Extract<RouteResult, { kind: "not_running" }>;

/** What the owner sees of an instance that does not run: why, and what can be done about it. */
export function statusPage({ status, lastError }: NotRunning): Promise<Response> {
  const text = STATUS_TEXTS[status];
  const problemText = lastError === null ? "" : html`<p class="alert" role="alert">${lastError.message}</p>`;
  const start = text.canStart ? html`<button type="button" data-action="start">Start it</button>` : "";
  return page(
    503,
    text.title,
    html`
      <main data-status="${status}">
        <h1>${text.title}</h1>
        <p>${text.body}</p>
        ${problemText} ${start}
      </main>
    `,
    { "retry-after": String(text.retryAfterS) },
  );
}

/** What the owner sees whose machine is up by our knowledge but did not answer. */
export function unreachablePage(): Promise<Response> {
  return page(
    502,
    "Your assistant did not answer",
    html`
      <main data-status="unreachable">
        <h1>Your assistant did not answer</h1>
        <p>It is looked after. This page tries again by itself.</p>
      </main>
    `,
    { "retry-after": "5" },
  );
}

/** The page for a signed-in user without an instance: 404. */
export function notProvisionedPage(): Promise<Response> {
  return page(
    404,
    "No assistant yet",
    html`
      <h1>No assistant yet</h1>
      <p>There is no assistant for this account. Create one where you signed up.</p>
    `,
  );
}

const STATUS_TEXTS: Record<
  NotRunning["status"],
  { title: string; body: string; canStart: boolean; retryAfterS: number }
> = {
  provisioned: {
    title: "Your assistant is ready to start",
    body: "It has not been started yet.",
    canStart: true,
    retryAfterS: 30,
  },
  starting: {
    title: "Your assistant is starting",
    body: "This takes up to a minute. The page opens by itself.",
    canStart: false,
    retryAfterS: 2,
  },
  running: {
    title: "Your assistant is running",
    body: "The page opens by itself.",
    canStart: false,
    retryAfterS: 2,
  },
  stopping: {
    title: "Your assistant is stopping",
    body: "It can be started again when it has stopped.",
    canStart: false,
    retryAfterS: 5,
  },
  stopped: {
    title: "Your assistant is stopped",
    body: "Everything it remembers is kept.",
    canStart: true,
    retryAfterS: 30,
  },
  recovering: {
    title: "Your assistant is being brought back",
    body: "It went down and is started again. The page opens by itself.",
    canStart: false,
    retryAfterS: 5,
  },
  destroying: {
    title: "Your assistant is being deleted",
    body: "It can't be started any more.",
    canStart: false,
    retryAfterS: 60,
  },
};

/** Every page of ours: nothing from elsewhere, not framed, not cached, its script and style allowed by nonce. */
async function page(
  status: number,
  title: string,
  body: Html,
  headers: Record<string, string> = {},
): Promise<Response> {
  const nonce = crypto.randomUUID();
  const document = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · KiloClaw</title>
        <style nonce="${nonce}">
          ${raw(pageStyle)}
        </style>
      </head>
      <body>
        <div class="card">${body}</div>
        <script nonce="${nonce}">
          ${raw(pageScript)};
        </script>
      </body>
    </html>`;
  return new Response(String(document), {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; ` +
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      ...headers,
    },
  });
}
