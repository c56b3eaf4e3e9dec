import { readArguments, USAGE } from "./arguments.ts";

// `pnpm start`. A terminal that is gone must not keep the rest from ending in order.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

const args = readArguments(process.argv.slice(2));
switch (args.kind) {
  case "help":
    process.stdout.write(USAGE);
    break;
  case "invalid":
    process.stderr.write(`${args.problem}\n\n${USAGE}`);
    process.exitCode = 2;
    break;
  case "start": {
    const { start } = await import("./start.ts");
    await start(args);
    break;
  }
  default:
    args satisfies never;
}
