import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { freshDirectory } from "../testing/fly.ts";
import { isRunning } from "../testing/process.ts";
import { dataMark, killMarked } from "./leftovers.ts";

it("resolves when none of the marked is left, nor one that was started in its place meanwhile", async () => {
  const [ours, others] = [dataMark(await freshDirectory()), dataMark(await freshDirectory())];
  const begin = (mark: typeof ours): ChildProcess => {
    const child = spawn("sleep", ["300"], { env: { [mark.name]: mark.value }, stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
  const [first, other] = [begin(ours), begin(others)];
  const second = once(first, "exit").then(() => begin(ours));
  await killMarked(ours);
  expect([first, await second, other].map(({ pid }) => isRunning(pid ?? 0))).toEqual([false, false, true]);
});
