import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const LAUNCH = fileURLToPath(new URL("launch.js", import.meta.url));

/** Runs the launcher in a Node that says that it is of this version. */
function launch(version: string, ...args: string[]) {
  return launchDisguised(
    `Object.defineProperty(process.versions, "node", { value: ${JSON.stringify(version)} })`,
    ...args,
  );
}

/** Runs the launcher in a Node whose idea of itself `disguise` changes first. */
function launchDisguised(disguise: string, ...args: string[]) {
  return promisify(execFile)(process.execPath, [
    "--import",
    `data:text/javascript,${disguise}`,
    LAUNCH,
    ...args,
  ]);
}

describe("the launcher", () => {
  it.each(["20.20.2", "22.23.3", "24.15.9", "25.9.0", "26.0.0"])(
    "tells on Node %s what to do",
    async (version) => {
      await expect(launch(version)).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(new RegExp(`this is Node ${version}\\.[^]*npx -y pnpm start`, "u")),
      });
    },
  );

  it.each(["24.16.0", "26.1.0", "26.10.0", "27.0.0"])("goes on to the start on Node %s", async (version) => {
    expect((await launch(version, "--help")).stdout).toContain("Usage: pnpm start");
  });

  it("says on Windows where it runs", async () => {
    const disguise = `Object.defineProperty(process, "platform", { value: "win32" })`;
    await expect(launchDisguised(disguise)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^KiloClaw runs on Linux and macOS\./u),
    });
  });

  it("answers an unknown flag with the usage and code 2", async () => {
    await expect(launch(process.versions.node, "--prot")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^Unknown option '--prot'\.[^]*Usage: pnpm start/u),
    });
  });
});
