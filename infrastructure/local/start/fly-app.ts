/** The one app that holds all local machines. */
export const FLY_APP_NAME = "kiloclaw-local";

/**
 * Creates the app, as an operator does once with `fly apps create`. One that exists is fine: Fly answers 422 to a taken name,
 * so its existence is asked first (https://docs.machines.dev/#tag/apps).
 */
export async function ensureFlyApp(api: { url: string; token: string }): Promise<void> {
  const headers = { authorization: `Bearer ${api.token}`, "content-type": "application/json" };
  const found = await fetch(`${api.url}/v1/apps/${FLY_APP_NAME}`, {
    headers,
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  await found.body?.cancel();
  if (found.status === 200) return;
  const created = await fetch(`${api.url}/v1/apps`, {
    method: "POST",
    headers,
    body: JSON.stringify({ app_name: FLY_APP_NAME, org_slug: "personal" }),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  if (!created.ok) {
    throw new Error(`The local Fly refused to create the app: ${created.status} ${await created.text()}`);
  }
  await created.body?.cancel();
}

const CALL_MS_MAX = 10_000;
