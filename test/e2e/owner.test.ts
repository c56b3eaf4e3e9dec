import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { launchChromium } from "../support/chromium.ts";
import { type LocalStart, localStart } from "../support/local-start.ts";

const ARTEFACTS = fileURLToPath(new URL("../../.local/test-artefacts", import.meta.url));
/** A cold OpenClaw on two busy cores takes its time over the first answer. */
const PATIENCE_MS = 120_000;

let dir: string;
let local: LocalStart;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const urls: string[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "kiloclaw-e2e-"));
  await mkdir(ARTEFACTS, { recursive: true });
  browser = await launchChromium();
  local = await localStart(dir);
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  page = await context.newPage();
  context.on("request", (request) => urls.push(request.url()));
});

afterAll(async () => {
  await browser?.close();
  await local?.stop();
  await rm(dir, { recursive: true, force: true });
});

const platform = (operation: string) => call("POST", operation, {});
const call = async (
  method: "POST" | "PATCH",
  operation: string,
  fields: Record<string, unknown>,
): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(`${local.ready.workerUrl}/api/platform/${operation}`, {
    method,
    headers: { "content-type": "application/json", "x-internal-api-key": local.ready.internalApiSecret },
    body: JSON.stringify({ userId: local.ready.userId, ...fields }),
  });
  return { status: response.status, body: await response.json() };
};

const composer = () => page.getByPlaceholder("Message Assistant");
const answerTo = (word: string) => page.getByText(new RegExp(`You wrote: .*${word}`)).first();

it("asks for the code, and opens the owner's Control UI connected, with no other question", async () => {
  await page.goto(local.ready.signInUrl);
  await page.getByLabel("Access code").fill(local.ready.accessCode);
  await page.getByRole("button", { name: "Continue" }).click();
  await composer().waitFor();
  await page.getByText("Connected", { exact: true }).first().waitFor({ state: "attached" });
  expect(new URL(page.url()).origin).toBe(local.ready.workerUrl);
});

it("answers a message", async () => {
  await composer().fill("The word is heliotrope");
  await composer().press("Enter");
  await answerTo("heliotrope").waitFor();
  expect(await answerTo("heliotrope").textContent()).toContain('You wrote: "The word is heliotrope"');
  await page.screenshot({ path: join(ARTEFACTS, "control-ui.png") });
});

it("takes another key and model while it runs: in effect, in the same process of the same machine, and nobody is cut off", async () => {
  const before = await status();
  const process = await gateway();
  const changed = await call("PATCH", "kilocode-config", {
    kilocodeApiKey: "another-key-of-the-test",
    kilocodeDefaultModel: "local/another",
  });
  expect(changed).toEqual({ status: 200, body: { ok: true, status: "running", applied: true } });
  const after = await status();
  for (const field of ["flyMachineId", "lastStartedAt", "status"]) expect(after[field]).toBe(before[field]);
  expect(await gateway()).toMatchObject({ pid: process["pid"], restarts: 0 });
  await composer().fill("The word is cinnabar");
  await composer().press("Enter");
  await answerTo("cinnabar").waitFor();
});

it("sent no secret in any URL", async () => {
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ name: "kiloclaw-auth", httpOnly: true, sameSite: "Lax" });
  const all = urls.join("\n");
  expect(urls.length).toBeGreaterThan(5);
  expect(all).not.toMatch(/[?&#](?:token|code|password|secret)=/);
  expect(all).not.toContain(local.ready.accessCode);
  expect(all).not.toContain(cookie?.value ?? "no cookie");
});

it("keeps out a browser that is not signed in, and a code that was used", async () => {
  const stranger = await browser.newContext();
  const strangersPage = await stranger.newPage();
  const refused = await strangersPage.goto(local.ready.workerUrl);
  expect(refused?.status()).toBe(401);
  await strangersPage.goto(local.ready.signInUrl);
  await strangersPage.getByLabel("Access code").fill(local.ready.accessCode);
  await strangersPage.getByRole("button", { name: "Continue" }).click();
  await strangersPage.getByRole("alert").waitFor();
  expect(await strangersPage.getByRole("alert").textContent()).toContain("not valid");
  await stranger.close();
});

it("lets nobody past the Worker: the machine's own address answers only to the Worker", async () => {
  const machines = await fetch(`${local.ready.flyApiUrl}/v1/apps/kiloclaw-local/machines`, {
    headers: { authorization: "Bearer any" },
  });
  const [machine] = z.array(z.object({ id: z.string() })).parse(await machines.json());
  const headers = { "fly-force-instance-id": machine?.id ?? "" };
  const direct = await fetch(local.ready.flyProxyUrl, { headers });
  expect(direct.status).toBe(401);
  const health = await fetch(`${local.ready.flyProxyUrl}/_kilo/health`, { headers });
  expect(await health.json()).toMatchObject({ state: "ready" });
});

it("shows that it is stopped, starts again from that page, and has kept the conversation", async () => {
  expect(await platform("stop")).toEqual({ status: 200, body: { ok: true, status: "stopped" } });
  const stopped = await page.goto(local.ready.workerUrl);
  expect(stopped?.status()).toBe(503);
  await page.getByRole("heading", { name: "Your assistant is stopped" }).waitFor();
  await page.screenshot({ path: join(ARTEFACTS, "stopped.png") });
  await page.getByRole("button", { name: "Start it" }).click();
  await composer().waitFor();
  await answerTo("heliotrope").waitFor();
});

it("ends with everything it started, and finds the same instance with its data again", async () => {
  const before = await status();
  const { code } = await local.stop();
  expect(code).toBe(0);
  expect(await processesOf(dir)).toEqual([]);
  const first = new URL(local.ready.workerUrl);
  local = await localStart(dir, { port: Number(first.port) });
  const after = await status();
  for (const field of ["sandboxId", "flyMachineId", "flyVolumeId"]) expect(after[field]).toBe(before[field]);
  await page.goto(local.ready.workerUrl);
  await answerTo("heliotrope").waitFor();
});

const status = (): Promise<Record<string, unknown>> => read("status");
const gateway = (): Promise<Record<string, unknown>> => read("gateway");

async function read(what: string): Promise<Record<string, unknown>> {
  const url = `${local.ready.workerUrl}/api/platform/${what}?userId=${local.ready.userId}`;
  const response = await fetch(url, { headers: { "x-internal-api-key": local.ready.internalApiSecret } });
  return z.record(z.string(), z.unknown()).parse(await response.json());
}

/** Command lines of processes that have the directory in their arguments or environment (Linux; elsewhere none are found). */
async function processesOf(directory: string): Promise<string[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter(
    (name) => /^\d+$/.test(name) && name !== String(process.pid),
  );
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [command, environment] = await Promise.all(
        ["cmdline", "environ"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")),
      );
      return `${command}\0${environment}`.includes(directory) ? [(command ?? "").replaceAll("\0", " ")] : [];
    }),
  );
  return found.flat();
}
