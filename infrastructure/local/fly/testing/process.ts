import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { LocalFlyOptions } from "../index.ts";
import { startFly, type TestFly } from "./fly.ts";

/** A service as the control plane's machines have it. */
export const services = [
  {
    protocol: "tcp",
    internal_port: 18_789,
    autostart: false,
    autostop: "off",
    ports: [{ port: 443, handlers: ["tls", "http"] }],
  },
];

/** What a machine of the tests runs. */
export const imageCommand = [process.execPath, fileURLToPath(import.meta.resolve("./image.ts"))];

/** A local Fly whose machines are processes of the test's own program. */
export function startProcessFly(options: Partial<LocalFlyOptions> = {}): Promise<TestFly> {
  return startFly({
    runtime: {
      kind: "process",
      image: {
        command: imageCommand,
        env: { FROM_IMAGE: "image", OVERRIDDEN: "image" },
      },
    },
    ...options,
  });
}

/** Asks the machine's program through the proxy. */
export function ask(
  fly: TestFly,
  machine: { id: string },
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("fly-force-instance-id", machine.id);
  return fetch(`${fly.proxyUrl}${path}`, { redirect: "manual", ...init, headers });
}

/** The lines that the machine has written so far. */
export function linesOf(fly: TestFly, machine: { id: string }): string[] {
  return fly.log.flatMap((entry) =>
    entry.kind === "machine_output" && entry.machineId === machine.id ? [entry.line] : [],
  );
}

/** Waits until the machine's program has said so. */
export async function untilSaid(fly: TestFly, machine: { id: string }, line: string): Promise<void> {
  await expect.poll(() => linesOf(fly, machine), { timeout: 10_000 }).toContain(line);
}
