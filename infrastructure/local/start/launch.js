// `pnpm start` begins here, in JavaScript that an old Node understands too: the rest is TypeScript, which only a newer one runs
// by itself, and OpenClaw 2026.9.6 asks for ">=24.16.0 <25 || >=26.1.0" (its package.json).
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (process.platform === "win32") {
  process.stderr.write(
    "KiloClaw runs on Linux and macOS. On Windows, use it in the Windows Subsystem for Linux (WSL).\n",
  );
  process.exitCode = 1;
} else if (major > 26 || (major === 26 && minor >= 1) || (major === 24 && minor >= 16)) {
  await import("./main.ts");
} else {
  process.stderr.write(
    `KiloClaw runs on Node 24.16 or later, or 26.1 or later; this is Node ${process.versions.node}.\n` +
      "Start it with `npx -y pnpm start`: the project brings a Node of its own (its optional dependency `node`).\n" +
      "Where that can't be installed, take Node 26 from https://nodejs.org.\n",
  );
  process.exitCode = 1;
}
