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
      const { path, body } = inItsWords(happening);
      const response = await fetch(`${fly.apiUrl}/_test/${path}`, {
        method: "POST",
        headers: { authorization: "Bearer test" },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    },
  };
}

function inItsWords(happening: Happening): { path: string; body: object } {
  switch (happening.kind) {
    case "lists_behind":
      return { path: "faults", body: { rules: listsBehind(happening.byMs) } };
    case "wedged":
      return { path: "cloud", body: { ...happening, state: "stopping" } };
    case "region_full":
    case "host_full":
    case "host_down":
    case "host_up":
    case "leased":
    case "machine_dies":
    case "machine_lost":
    case "volume_lost":
    case "foreign_app":
      return { path: "cloud", body: happening };
    default:
      return happening satisfies never;
  }
}

function listsBehind(agoMs: number): object[] {
  const effect = { kind: "stale", agoMs };
  return ["machine_list", "volume_list"].map((action) => ({ match: { action }, effect, times: 1000 }));
}
