import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { gatewayPaths } from "./environment.ts";
import { type Environment, isSealing, type Unsealed } from "./sealed-env.ts";
import { readPlace } from "./settings.ts";
import { type OpenedMachine, openMachine, storedOutcomeSchema } from "./stored-settings.ts";

/** Tells the program that its predecessor opened the environment, and that the result is on its standard input. */
const HANDED_OVER = "KILOCLAW_HANDED_OVER";
/** Where the result is for a moment: in memory where the system has that, else on the machine's own disk, never on the volume. */
const DIRECTORIES = ["/dev/shm", tmpdir()];

const unsealedSchema: z.ZodType<Unsealed> = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), env: z.record(z.string(), z.string()), ignored: z.array(z.string()) }),
  z.object({ ok: z.literal(false), problems: z.array(z.string()) }),
]);

const openedSchema: z.ZodType<OpenedMachine> = z.object({
  unsealed: unsealedSchema,
  stored: storedOutcomeSchema,
});

/**
 * The machine's environment, opened, with settings that came later. A process shows for as long as it lives what it was started with (`/proc/<pid>/environ`,
 * proc_pid_environ(5)), whatever it has forgotten since; so one that was started with the key replaces itself by the same
 * program without it, and hands over what it opened, in a file that nobody else can open. It keeps its process id. Where a
 * process can't be replaced (execve, POSIX), it goes on as it is.
 *
 * @param machine the environment as it was given, by default this process's own
 */
export async function openEnvironment(machine: Environment = process.env): Promise<OpenedMachine> {
  if (process.env[HANDED_OVER] === "1") return takeOver(machine);
  const { settingsFile } = gatewayPaths(readPlace(machine).place.home);
  const opened = await openMachine(machine, settingsFile);
  if (Object.keys(process.env).some(isSealing)) replaceOurselves(opened);
  return opened;
}

/** Returns only where it is not possible. */
function replaceOurselves(opened: OpenedMachine): void {
  if (process.execve === undefined) return;
  const { [HANDED_OVER]: _, ...env } = process.env;
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !isSealing(entry[0]),
  );
  if (!putOnStandardInput(JSON.stringify(handedOver(opened)))) return;
  const [, ...args] = process.argv;
  try {
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...args], {
      ...Object.fromEntries(kept),
      [HANDED_OVER]: "1",
    });
  } catch {
    // The system refuses it; what was opened is not to stay readable.
    emptyStandardInput();
  }
}

/** Only what was opened; the rest stays in the environment. */
function handedOver({ unsealed, stored }: OpenedMachine): OpenedMachine {
  if (!unsealed.ok) return { unsealed, stored };
  const opened = Object.entries(unsealed.env).filter(([name, value]) => process.env[name] !== value);
  return { unsealed: { ...unsealed, env: Object.fromEntries(opened) }, stored };
}

/** Makes the text what is read from standard input, the one thing beside the output that a replaced process leaves open. */
function putOnStandardInput(text: string): boolean {
  for (const base of DIRECTORIES) {
    let directory: string | null = null;
    try {
      directory = mkdtempSync(join(base, "kiloclaw-"));
      const file = join(directory, "opened");
      writeFileSync(file, text, { mode: 0o600, flag: "wx" });
      closeSync(STANDARD_INPUT);
      // POSIX gives the lowest number that is free.
      if (openSync(file, "r") === STANDARD_INPUT) return true;
    } catch {
      // The next place may do.
    } finally {
      if (directory !== null) rmSync(directory, { recursive: true, force: true });
    }
  }
  return false;
}

function takeOver(machine: Environment): OpenedMachine {
  const { [HANDED_OVER]: _, ...given } = machine;
  const env = Object.fromEntries(Object.entries(given).filter(([name]) => !isSealing(name)));
  try {
    const { unsealed, stored } = openedSchema.parse(JSON.parse(readFileSync(STANDARD_INPUT, "utf8")));
    return { unsealed: unsealed.ok ? { ...unsealed, env: { ...env, ...unsealed.env } } : unsealed, stored };
  } catch {
    const problems = ["what was opened could not be handed over"];
    return { unsealed: { ok: false, problems }, stored: "none" };
  } finally {
    // The file has no name any more, and goes with the last that holds it open.
    emptyStandardInput();
  }
}

function emptyStandardInput(): void {
  closeSync(STANDARD_INPUT);
  openSync("/dev/null", "r");
}

const STANDARD_INPUT = 0;
