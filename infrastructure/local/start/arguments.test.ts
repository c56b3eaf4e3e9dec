import { describe, expect, it } from "vitest";
import { readArguments, WORKER_PORT } from "./arguments.ts";

describe("the command line of start", () => {
  it("starts on the default port when nothing is said", () => {
    expect(readArguments([])).toEqual({
      kind: "start",
      fresh: false,
      verbose: false,
      port: WORKER_PORT,
      worker: true,
      openclaw: "2026.9.6",
    });
  });

  it("takes a port, a fresh beginning and a full log", () => {
    expect(readArguments(["--fresh", "--port", "9000", "--verbose"])).toEqual({
      kind: "start",
      fresh: true,
      verbose: true,
      port: 9000,
      worker: true,
      openclaw: "2026.9.6",
    });
    expect(readArguments(["--port=9000"])).toMatchObject({ port: 9000 });
  });

  it("takes the OpenClaw that the machines are to run", () => {
    expect(readArguments(["--openclaw", "2026.2.26"])).toMatchObject({ openclaw: "2026.2.26" });
  });

  it("leaves the Worker out when asked to", () => {
    expect(readArguments(["--no-worker"])).toMatchObject({ kind: "start", worker: false });
  });

  it.each([["--help"], ["-h"]])("explains itself with %s", (flag) => {
    expect(readArguments([flag])).toEqual({ kind: "help" });
  });

  it.each([
    [["--prot", "1"], "Unknown option '--prot'."],
    [["9000"], "Unexpected argument '9000'."],
    [["--port", "0"], "--port takes a number from 1 to 65535, not '0'."],
    [["--port", "70000"], "--port takes a number from 1 to 65535, not '70000'."],
    [["--port", "1e3"], "--port takes a number from 1 to 65535, not '1e3'."],
    [["--openclaw", "2031.1.1"], "--openclaw takes 2026.9.6 or 2026.2.26, not '2031.1.1'."],
    [["--fresh=yes"], "Option '--fresh' does not take an argument."],
  ])("refuses %j", (argv, problem) => {
    expect(readArguments(argv)).toEqual({ kind: "invalid", problem });
  });

  it("refuses a port without its number", () => {
    expect(readArguments(["--port"])).toMatchObject({ kind: "invalid" });
  });
});
