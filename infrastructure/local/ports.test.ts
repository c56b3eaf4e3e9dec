import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { assertPortFree, PortTakenError, preferPort } from "./ports.ts";

const HOST = "127.0.0.1";
const other = createServer();
let taken: number;

beforeAll(async () => {
  other.listen(0, HOST);
  await once(other, "listening");
  taken = z.object({ port: z.int() }).parse(other.address()).port;
});

afterAll(async () => {
  const closed = once(other, "close");
  other.close();
  await closed;
});

describe("ports", () => {
  it("that are taken are named", async () => {
    await expect(assertPortFree(HOST, taken)).rejects.toThrow(new PortTakenError(HOST, taken));
  });

  it("are the preferred ones when these are free, and can be bound then", async () => {
    const free = await preferPort(HOST, 0);
    expect(free).toBeGreaterThan(0);
    expect(await preferPort(HOST, free)).toBe(free);
    await assertPortFree(HOST, free);
  });

  it("are others when the preferred ones are taken", async () => {
    const port = await preferPort(HOST, taken);
    expect(port).not.toBe(taken);
    expect(port).toBeGreaterThan(0);
  });

  it("on an address that this computer does not have are told as what they are", async () => {
    await expect(assertPortFree("192.0.2.1", 9)).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  });
});
