import { z } from "zod";
import type { Circumstances } from "./circumstances.ts";

const itemSchema = z.looseObject({ id: z.string() });
type Item = z.infer<typeof itemSchema>;

/**
 * What the caller gets to see of an answer: lists leave out what cannot be read yet, and what is on a dead host says so, a
 * machine without its config (contracts/fly-machines-api §5.2).
 */
export async function asSeen(response: Response, circumstances: Circumstances): Promise<Response> {
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const isDistorted = circumstances.hosts.anyIsDown || circumstances.newcomers.anyIsHidden;
  if (!isDistorted || !isJson || !response.ok) return response;
  const body: unknown = await response.json();
  return Response.json(seen(body, circumstances), { status: response.status, headers: response.headers });
}

function seen(body: unknown, circumstances: Circumstances): unknown {
  const list = z.array(itemSchema).safeParse(body);
  if (list.success) {
    return list.data
      .filter(({ id }) => !circumstances.newcomers.isHidden(id))
      .map((item) => seenItem(item, circumstances));
  }
  const item = itemSchema.safeParse(body);
  return item.success ? seenItem(item.data, circumstances) : body;
}

function seenItem(item: Item, { hosts }: Circumstances): Item {
  if (hosts.refusalOf(hosts.ofVolume(item.id)) !== undefined) return { ...item, host_status: "unreachable" };
  if (!("image_ref" in item) || hosts.refusalOf(hosts.ofMachine(item.id)) === undefined) return item;
  const { config, ...rest } = item;
  const known = knownConfigSchema.safeParse(config);
  return {
    ...rest,
    host_status: "unreachable",
    ...(known.success ? { incomplete_config: known.data } : {}),
  };
}

/** What Fly knows of a machine without asking its host. */
const knownConfigSchema = z.object({
  image: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});
