import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { banner } from "./banner.ts";
import { createSteps } from "./steps.ts";
import { createTerminal } from "./terminal.ts";
import { createRecorder } from "./testing.ts";

describe("the terminal", () => {
  it("keeps the live line under what is printed, cut to the width", () => {
    const output = createRecorder({ isTTY: true, columns: 12 });
    const terminal = createTerminal(output, { colours: false });
    terminal.live("Postgres 0.1 s · Worker 0.2 s");
    terminal.print("a line");
    expect(stripVTControlCharacters(output.text())).toBe("Postgres 0…\ra line\nPostgres 0…");
  });

  it("shows no progress any more once that has ended", () => {
    const output = createRecorder({ isTTY: true, columns: 0 });
    const terminal = createTerminal(output, { colours: false });
    terminal.live("Postgres 0.1 s");
    terminal.endLive();
    terminal.live("Postgres 0.2 s");
    terminal.print("Stopping.");
    expect(stripVTControlCharacters(output.text())).toBe("Postgres 0.1 s\rStopping.\n");
  });

  it("writes lines and nothing else where there is no terminal", () => {
    const output = createRecorder();
    const terminal = createTerminal(output, { colours: false });
    terminal.live("busy");
    terminal.print("a line");
    expect(output.text()).toBe("a line\n");
  });

  it("shows every running step with its note, and removes what is done", async () => {
    const output = createRecorder({ isTTY: true, columns: 100 });
    const step = createSteps(createTerminal(output, { colours: false }));
    const work = Promise.withResolvers<string>();
    const done = step("OpenClaw", (note) => {
      note("downloading");
      return work.promise;
    });
    expect(output.text()).toContain("OpenClaw 0.0 s");
    work.resolve("result");
    expect(await done).toBe("result");
    expect(output.text().endsWith("\r\u{1b}[2K")).toBe(true);
  });

  it("hands on the failure of a step", async () => {
    const step = createSteps(createTerminal(createRecorder(), { colours: false }));
    await expect(step("Worker", () => Promise.reject(new Error("no build")))).rejects.toThrow("no build");
  });

  it("frames the URL and the code evenly, coloured or not", () => {
    for (const colours of [true, false]) {
      const lines = banner(createTerminal(createRecorder(), { colours }), {
        signInUrl: "http://127.0.0.1:8787/kilo-access-gateway?userId=demo-user",
        accessCode: "ABCDE-23456",
        until: new Date(0),
      }).map((line) => stripVTControlCharacters(line));
      expect(new Set(lines.map((line) => line.length)).size).toBe(1);
      expect(lines.join("\n")).toContain("http://127.0.0.1:8787/kilo-access-gateway?userId=demo-user");
      expect(lines.join("\n")).toContain("ABCDE-23456");
    }
  });
});
