import { askController, jsonOf, type MachineAddress } from "./ask.ts";
import { type ControllerVersion, controllerVersionSchema } from "./wire.ts";

export type VersionAnswer =
  | { kind: "told"; version: ControllerVersion }
  /** Nothing that can be read came, which says nothing about what runs. */
  | { kind: "silent"; why: string };

/** Somebody may wait for the start that this belongs to, and what it tells is never in the way. */
const VERSION_TIMEOUT_MS = 3_000;
/** Thirty-two names and a few versions. */
const VERSION_BYTES_MAX = 8_192;

/** Asks the machine's controller what runs in it. `bearer` is the machine's gateway token. */
export async function askVersion(address: MachineAddress, bearer: string): Promise<VersionAnswer> {
  const answer = await askController(address, {
    method: "GET",
    path: "/_kilo/version",
    bearer,
    timeoutMs: VERSION_TIMEOUT_MS,
    bytesMax: VERSION_BYTES_MAX,
  });
  if (answer.kind === "silent") return { kind: "silent", why: "the controller could not be reached" };
  if (answer.status !== 200) return { kind: "silent", why: `the controller answered ${answer.status}` };
  const parsed = controllerVersionSchema.safeParse(
    answer.kind === "answered" ? jsonOf(answer.text) : undefined,
  );
  if (!parsed.success) return { kind: "silent", why: "the controller's answer could not be read" };
  return { kind: "told", version: parsed.data };
}
