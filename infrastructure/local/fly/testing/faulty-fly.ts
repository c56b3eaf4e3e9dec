import type { LocalFlyOptions } from "../index.ts";
import { startFly, withApp, type TestFly } from "./fly.ts";
import { ManualClock } from "./manual-clock.ts";
import { startProcessFly } from "./process.ts";

/** A local Fly in test mode with an app named `acme`. */
export interface FaultyFly extends TestFly {
  /** Asks for faults of single calls. Throws if they are refused. */
  fault(...rules: Record<string, unknown>[]): Promise<void>;
  /** Lets something befall the cloud. Throws if it is refused. */
  happen(happening: Record<string, unknown>): Promise<void>;
  /** Asks under `/_test`, and gives the answer as it is. */
  test(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
}

/** One whose machines are state alone, and whose time stands still until a test moves it. */
export async function startFaultyFly(
  options: Partial<LocalFlyOptions> = {},
): Promise<FaultyFly & { clock: ManualClock }> {
  const clock = new ManualClock();
  return { ...(await faulty(await startFly({ clock, testMode: true, ...options }))), clock };
}

/** One whose machines are processes of the test's own program. */
export async function startFaultyProcessFly(): Promise<FaultyFly> {
  return faulty(await startProcessFly({ testMode: true }));
}

async function faulty(fly: TestFly): Promise<FaultyFly> {
  await withApp(fly);
  const test: FaultyFly["test"] = async (method, path, body) => {
    const response = await fetch(`${fly.apiUrl}/_test${path}`, {
      method,
      headers: { authorization: "Bearer test" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  const order = async (path: string, body: unknown): Promise<void> => {
    const answer = await test("POST", path, body);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  };
  return {
    ...fly,
    test,
    fault: (...rules) => order("/faults", { rules }),
    happen: (happening) => order("/cloud", happening),
  };
}
