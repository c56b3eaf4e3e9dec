import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { expect, it } from "vitest";
import { writeDevEnv } from "./dev-env.ts";

it("writes what wrangler needs to run the Worker, for the owner's eyes only", async () => {
  const dir = await mkdtemp(join(tmpdir(), "kiloclaw-dev-env-"));
  try {
    const path = join(dir, "dev.env");
    const databaseUrl = "postgres://kiloclaw_worker:pa#ss@127.0.0.1:1/kiloclaw";
    const pem = "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n";
    await writeDevEnv(
      path,
      { FLY_REGION: "ams,fra", AGENT_ENV_VARS_PRIVATE_KEY: pem },
      { databaseUrl, envVars: {} },
    );
    expect(parseEnv(await readFile(path, "utf8"))).toEqual({
      FLY_REGION: "ams,fra",
      AGENT_ENV_VARS_PRIVATE_KEY: pem,
      CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: databaseUrl,
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  } finally {
    await rm(dir, { recursive: true });
  }
});
