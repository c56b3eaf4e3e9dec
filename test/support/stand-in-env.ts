import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { type EnvUpdate, envUpdateSchema } from "../../src/gateway/wire.ts";

type Env = Record<string, string | undefined>;

/**
 * Settings that a stand-in machine takes while it runs: kept on its volume, so that they outlive a restart in its place. A variable
 * `TAKES_SETTINGS` in the settings themselves says how it takes them: `yes`, `without_effect`, `refused`, or `silently`.
 */
export function standInSettings(machine: Env) {
  const file = join(machine["HOME"] ?? "", "settings.json");
  const told = Number(machine["KILOCLAW_GENERATION"] ?? 0);
  const kept = existsSync(file) ? envUpdateSchema.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
  let current: EnvUpdate | null = kept !== null && kept.generation > told ? kept : null;

  return {
    /** What the gateway uses: the machine's own environment, or what it was given since. */
    env(): Env {
      return current === null ? machine : { ...machine, ...current.settings };
    },
    /** `PUT /_kilo/env`, after its bearer was looked at. */
    async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const update = envUpdateSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
      const { generation, settings } = update;
      const how = settings["TAKES_SETTINGS"] ?? "yes";
      if (generation < Math.max(told, current?.generation ?? 0))
        return problem(response, 409, "stale_generation");
      if (how === "refused") return problem(response, 422, "invalid_request");
      if (how !== "without_effect") {
        current = update;
        writeFileSync(file, JSON.stringify(update));
      }
      if (how === "silently") {
        response.destroy();
        return;
      }
      const applied = { generation, how: "hot", inEffect: how === "yes" };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(applied));
    },
  };
}

function problem(response: ServerResponse, status: number, code: string): void {
  const body = { type: "about:blank", title: "The settings were not taken.", status, code };
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
}
