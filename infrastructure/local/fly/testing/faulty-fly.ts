import type { LocalFlyOptions } from "../index.ts";
import { startFly, withApp, type TestFly } from "./fly.ts";
import { ManualClock } from "./manual-clock.ts";

/** A local Fly in test mode with an app named `acme`, whose time stands still until a test moves it. */
export interface FaultyFly extends TestFly {
  clock: ManualClock;
  /** Asks for faults of single calls. Throws if they are refused. */
  fault(...rules: Record<string, unknown>[]): Promise<void>;
  /** Lets something befall the cloud. Throws if it is refused. */
  happen(happening: Record<string, unknown>): Promise<void>;
  /** Asks under `/_test`, and gives the answer as it is. */
  test(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
}

export async function startFaultyFly(options: Partial<LocalFlyOptions> = {}): Promise<FaultyFly> {
  const clock = new ManualClock();
  const fly = await startFly({ clock, testMode: true, ...options });
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
  await withApp(fly);
  return {
    ...fly,
    clock,
    test,
    fault: (...rules) => order("/faults", { rules }),
    happen: (happening) => order("/cloud", happening),
  };
}
