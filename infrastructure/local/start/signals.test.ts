import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { onStopSignal } from "./signals.ts";

let source: EventEmitter;
let wishes: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  source = new EventEmitter();
  wishes = [];
  onStopSignal(source, { stop: () => wishes.push("stop"), force: () => wishes.push("force") });
});

afterEach(() => {
  vi.useRealTimers();
});

describe("signals", () => {
  it("that come twice at once, from the terminal and from pnpm, are one wish to stop", () => {
    source.emit("SIGINT");
    vi.advanceTimersByTime(100);
    source.emit("SIGINT");
    source.emit("SIGTERM");
    expect(wishes).toEqual(["stop"]);
  });

  it("that come again after a while force the end", () => {
    source.emit("SIGTERM");
    vi.advanceTimersByTime(600);
    source.emit("SIGINT");
    expect(wishes).toEqual(["stop", "force"]);
  });

  it("of a terminal that was closed stop as well", () => {
    source.emit("SIGHUP");
    expect(wishes).toEqual(["stop"]);
  });
});
