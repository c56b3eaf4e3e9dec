import { createServer } from "node:net";
import { expect, it } from "vitest";
import { PortBlocks } from "./ports.ts";

it("gives a machine the same block again, and no two machines the same", async () => {
  const ports = new PortBlocks();
  const [a, b] = [await ports.acquire("machine-a"), await ports.acquire("machine-b")];
  expect(a % 2).toBe(0);
  expect(a).not.toBe(b);
  expect(await ports.acquire("machine-a")).not.toBe(a);
  ports.release(a);
  expect(await ports.acquire("machine-a")).toBe(a);
});

it("passes over a block of which one port is taken", async () => {
  const first = await new PortBlocks().acquire("machine-c");
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(first + 1, "127.0.0.1", resolve));
  try {
    expect(await new PortBlocks().acquire("machine-c")).toBe(first + 2);
  } finally {
    other.close();
  }
});
