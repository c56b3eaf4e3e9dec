import { describe } from "vitest";
import { startFly } from "../../infrastructure/local/fly/testing/fly.ts";
import { ManualClock } from "../../infrastructure/local/fly/testing/manual-clock.ts";
import type { Happening, ServedCloud } from "./cloud.ts";
import { describeConformance } from "./suite.ts";

describe("the local Fly", () => {
  describeConformance(startLocalFly);
});

async function startLocalFly(): Promise<ServedCloud> {
  const clock = new ManualClock();
  const fly = await startFly({ clock, testMode: true, strictWait: true });
  return {
    baseUrl: fly.apiUrl,
    token: "test",
    now: () => clock.now(),
    advance: (ms) => clock.advance(ms),
    async happen(happening) {
      const response = await fetch(`${fly.apiUrl}/_test/cloud`, {
        method: "POST",
        headers: { authorization: "Bearer test" },
        body: JSON.stringify(inItsWords(happening)),
      });
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    },
  };
}

function inItsWords(happening: Happening): Record<string, unknown> {
  return happening.kind === "wedged" ? { ...happening, state: "stopping" } : { ...happening };
}
