import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { isRunning } from "../../../process/testing.ts";
import { freshDirectory } from "../testing/fly.ts";
import { dataMark, killMarked } from "./leftovers.ts";

it("leaves none of the marked running, also of a family that grows meanwhile, and no other harmed", async () => {
  const [ours, others] = [dataMark(await freshDirectory()), dataMark(await freshDirectory())];
  const other = spawn("sleep", ["300"], { env: { [others.name]: others.value }, stdio: "ignore" });
  onTestFinished(() => void other.kill("SIGKILL"));
  const growing = "i=0; while [ $i -lt 2000 ]; do sleep 30 & echo; i=$((i+1)); done; wait";
  const family = spawn("sh", ["-c", growing], {
    env: { PATH: process.env["PATH"], [ours.name]: ours.value },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(family.stdout, "readable");
  await killMarked(ours);
  // Each of them holds this stream, so that it ends only with the last.
  await text(family.stdout);
  expect(isRunning(other.pid ?? 0)).toBe(true);
});
