import { describe, expect, it } from "vitest";
import { createParts } from "./parts.ts";
import type { Part } from "./parts.ts";

function createPart(): Part & { readonly crash: (reason: string) => void; readonly isClosed: () => boolean } {
  const crashed = Promise.withResolvers<string>();
  let closed = false;
  return {
    crashed: crashed.promise,
    crash: crashed.resolve,
    isClosed: () => closed,
    close: async () => {
      closed = true;
      crashed.resolve("closed");
    },
  };
}

describe("the parts", () => {
  it("are all closed, also the one that was still starting", async () => {
    const parts = createParts(() => {});
    const running = createPart();
    const starting = Promise.withResolvers<ReturnType<typeof createPart>>();
    await parts.start("running", async () => running);
    const started = parts.start("starting", () => starting.promise);

    const closed = parts.close(10_000);
    const late = createPart();
    starting.resolve(late);
    expect(await closed).toEqual([]);
    expect(await started).toBe(late);
    expect([running.isClosed(), late.isClosed()]).toEqual([true, true]);
  });

  it("tell which one crashed, and call no close a crash", async () => {
    const crashes = Promise.withResolvers<string>();
    const all: string[] = [];
    const parts = createParts((name, reason) => {
      all.push(name);
      crashes.resolve(`${name}: ${reason}`);
    });
    const first = await parts.start("first", async () => createPart());
    await parts.start("second", async () => createPart());
    first.crash("out of memory");
    expect(await crashes.promise).toBe("first: out of memory");
    await parts.close(10_000);
    expect(all).toEqual(["first"]);
  });

  it("name those that do not end in time or fail to end, and end the rest all the same", async () => {
    const parts = createParts(() => {});
    const fine = createPart();
    await parts.start("hangs", async () => ({ close: () => new Promise<void>(() => {}) }));
    await parts.start("breaks", async () => ({ close: () => Promise.reject(new Error("no")) }));
    await parts.start("fine", async () => fine);
    expect(await parts.close(20)).toEqual(["hangs", "breaks"]);
    expect(fine.isClosed()).toBe(true);
  });

  it("are not started any more once they are being closed", async () => {
    const parts = createParts(() => {});
    await parts.close(20);
    await expect(parts.start("late", async () => createPart())).rejects.toThrow(/late is not started/u);
  });

  it("hand on why one of them did not start, and close without it", async () => {
    const parts = createParts(() => {});
    await expect(parts.start("bad", () => Promise.reject(new Error("no disk")))).rejects.toThrow("no disk");
    expect(await parts.close(20)).toEqual([]);
  });
});
