import { rm } from "node:fs/promises";
import { z } from "zod";
import { writeFileAtomically } from "./atomic-file.ts";

/** What `.local/ready.json` holds while KiloClaw is up, for programs that want to use it. `databaseUrl` is the administrator's. */
export const Ready = z.strictObject({
  workerUrl: z.url(),
  flyApiUrl: z.url(),
  flyProxyUrl: z.url(),
  databaseUrl: z.string(),
  internalApiSecret: z.string(),
  userId: z.string(),
  signInUrl: z.url(),
  accessCode: z.string(),
});

export type Ready = z.output<typeof Ready>;

export async function writeReadyFile(path: string, ready: Ready): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(Ready.parse(ready), null, 2)}\n`);
}

export async function removeReadyFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
