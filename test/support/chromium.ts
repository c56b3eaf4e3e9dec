import { existsSync } from "node:fs";
import sparticuz from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/** Where systems keep a browser of the Chromium family. */
const SYSTEM_BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** A browser asked for by a test has no business with anybody but the test. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Starts a headless Chromium: the system's where there is one, else the one that ships inside an npm package (Linux x64). */
export async function launchChromium(): Promise<Browser> {
  const system = [process.env["CHROMIUM_PATH"] ?? "", ...SYSTEM_BROWSERS].find(
    (path) => path !== "" && existsSync(path),
  );
  if (system !== undefined) return chromium.launch({ executablePath: system, args: QUIET, headless: true });
  // Not with that package's own arguments: they switch off the browser's boundary between origins, which is under test.
  return chromium.launch({ executablePath: await sparticuz.executablePath(), args: QUIET, headless: true });
}
