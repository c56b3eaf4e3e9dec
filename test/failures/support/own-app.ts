import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { envKeyOf, machineTokensOf } from "../../../src/auth/machine-tokens.ts";
import type { World } from "./world.ts";

export const ORG_SLUG = "kilo-tenants";

/** The Worker's bindings that give each tenant an app of its own. */
export const OWN_APPS = { FLY_APP_NAME: "", FLY_ORG_SLUG: ORG_SLUG, FLY_REGISTRY_APP: "kiloclaw-images" };

/** What a tenant sets, and nobody else may read. Each value is unlike any other text. */
export const SECRET_SETTINGS = {
  envVars: { MY_PASSWORD: "correct-horse-battery-staple" },
  kilocodeApiKey: "kilo-key-0c5f1d",
  channels: {
    telegramBotToken: "123456:telegram-token",
    discordBotToken: "discord-token-77",
    slackBotToken: "xoxb-slack-bot",
    slackAppToken: "xapp-slack-app",
  },
} as const;

/** Everything of a tenant that is worth stealing, by name. */
export async function secretsOf(world: World, sandboxId: string): Promise<Record<string, string>> {
  const { envVars, kilocodeApiKey, channels } = SECRET_SETTINGS;
  const { gatewayToken, proxyToken } = await tokensOf(world, sandboxId);
  return { ...envVars, kilocodeApiKey, ...channels, gatewayToken, proxyToken };
}

export function tokensOf(world: World, sandboxId: string): ReturnType<typeof machineTokensOf> {
  return machineTokensOf(world.secrets.GATEWAY_TOKEN_SECRET, sandboxId);
}

/** The key of a version to a machine's sealed environment. */
export function keyOf(world: World, sandboxId: string, version = 1): Promise<string> {
  return envKeyOf(world.secrets.GATEWAY_TOKEN_SECRET, sandboxId, version);
}

/** All that the local Fly has written down, also of what has changed since. */
export async function everythingAtFly(world: World): Promise<string> {
  const files = ["state.json", "state.log"].map((file) => readFile(join(world.dir, "fly", file), "utf8"));
  return (await Promise.all(files)).join("\n");
}

/** Which of these stand in a text, by name. */
export function foundIn(text: string, secrets: Record<string, string>): string[] {
  return Object.entries(secrets).flatMap(([name, value]) => (text.includes(value) ? [name] : []));
}

/** What the stand-in machine tells of itself. */
export const pageSchema = z.object({ url: z.string(), env: z.array(z.string()) });
