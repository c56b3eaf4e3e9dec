/** Which browsers a real gateway of each version lets in, seen in Chromium and in what goes over its WebSockets. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { OPENCLAW_VERSIONS } from "../../infrastructure/docker/openclaw.ts";
import { launchChromium } from "../support/chromium.ts";
import { type LocalStart, localStart } from "../support/local-start.ts";

const ARTEFACTS = fileURLToPath(new URL("../../.local/test-artefacts", import.meta.url));
/** A cold OpenClaw on two busy cores takes its time over the first answer. */
const PATIENCE_MS = 120_000;
/** What a page shows that asks for a pairing or a token, in the words of either version. */
const ASKS = /pairing required|approve this browser|devices approve|unauthorized|disconnected from gateway/i;

const frameSchema = z.looseObject({
  type: z.string(),
  ok: z.boolean().optional(),
  method: z.string().optional(),
  params: z.looseObject({ auth: z.record(z.string(), z.unknown()).optional() }).optional(),
  payload: z.unknown().optional(),
  error: z.unknown().optional(),
});
const helloSchema = z.looseObject({ type: z.literal("hello-ok") });
type Frame = z.infer<typeof frameSchema>;

describe.each(OPENCLAW_VERSIONS)("with OpenClaw %s", (version) => {
  let dir: string;
  let local: LocalStart;
  let browser: Browser;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "kiloclaw-browsers-"));
    await mkdir(ARTEFACTS, { recursive: true });
    browser = await launchChromium();
    local = await localStart(dir, { openclaw: version });
  });

  afterAll(async () => {
    await browser?.close();
    await local?.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 10 });
  });

  it("the owner's connects by itself: no pairing step, no token typed, none sent", async () => {
    await using profile = await newProfile(browser);
    const { page, sent, received } = profile;
    await page.goto(local.ready.signInUrl);
    await page.getByLabel("Access code").fill(local.ready.accessCode);
    await page.getByRole("button", { name: "Continue" }).click();
    await expect.poll(() => received.some(isHello), { timeout: PATIENCE_MS }).toBe(true);
    const asked = sent.filter(({ method }) => method === "connect");
    expect(asked.length).toBeGreaterThan(0);
    for (const { params } of asked) expect(Object.values(params?.auth ?? {}).filter(Boolean)).toEqual([]);
    expect(received.filter(({ type, ok }) => type === "res" && ok === false)).toEqual([]);
    await page.getByPlaceholder(/^Message/).waitFor();
    expect(await page.locator("body").innerText()).not.toMatch(ASKS);
    expect(new URL(page.url()).origin).toBe(local.ready.workerUrl);
    await page.screenshot({ path: join(ARTEFACTS, `owner-${version}.png`) });
  });

  it("a second profile with the same address and no session is shown the door, and gets no WebSocket", async () => {
    await using profile = await newProfile(browser);
    const { page, received } = profile;
    expect((await page.goto(local.ready.workerUrl))?.status()).toBe(401);
    expect(await openSocket(page, local.ready.workerUrl)).toBe("refused");
    expect(received).toEqual([]);
  });

  it("one on the gateway's own port sees its pages, and is let in by nobody", async () => {
    await using profile = await newProfile(browser);
    const { page, received } = profile;
    const { gatewayUrl, controllerUrl } = await addressesIn(dir);
    expect((await page.goto(gatewayUrl))?.status()).toBe(200);
    await expect
      .poll(() => received.find(({ ok }) => ok === false), { timeout: PATIENCE_MS })
      .toMatchObject({ error: { details: { authReason: "trusted_proxy_user_missing" } } });
    expect(received.filter(isHello)).toEqual([]);
    expect((await page.goto(controllerUrl))?.status()).toBe(401);
    expect(await openSocket(page, controllerUrl)).toBe("refused");
  });
});

interface Profile extends AsyncDisposable {
  readonly page: Page;
  /** What went over all WebSockets of the page. */
  readonly sent: readonly Frame[];
  readonly received: readonly Frame[];
}

async function newProfile(browser: Browser): Promise<Profile> {
  const context: BrowserContext = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const sent: Frame[] = [];
  const received: Frame[] = [];
  const note = (frames: Frame[]) => (data: { payload: string | Buffer }) =>
    frames.push(frameSchema.parse(JSON.parse(data.payload.toString())));
  page.on("websocket", (socket) => socket.on("framesent", note(sent)).on("framereceived", note(received)));
  return { page, sent, received, [Symbol.asyncDispose]: () => context.close() };
}

function isHello({ payload }: Frame): boolean {
  return helloSchema.safeParse(payload).success;
}

/** What becomes of a WebSocket that a script of the page opens. */
function openSocket(page: Page, url: string): Promise<"open" | "refused"> {
  return page.evaluate(
    (address) =>
      new Promise<"open" | "refused">((resolve) => {
        const socket = new WebSocket(address);
        socket.addEventListener("open", () => resolve("open"));
        socket.addEventListener("error", () => resolve("refused"));
      }),
    url.replace(/^http/, "ws"),
  );
}

/** Where the demo user's machine listens on this computer; the controller has the port before its gateway's. */
async function addressesIn(dir: string): Promise<{ gatewayUrl: string; controllerUrl: string }> {
  const files = await readdir(dir, { recursive: true });
  const file = files.find((name) => basename(name) === "openclaw.json");
  const { gateway } = z
    .object({ gateway: z.object({ port: z.int() }) })
    .parse(JSON.parse(await readFile(join(dir, file ?? ""), "utf8")));
  const address = (port: number): string => `http://127.0.0.1:${port}`;
  return { gatewayUrl: address(gateway.port), controllerUrl: address(gateway.port - 1) };
}
