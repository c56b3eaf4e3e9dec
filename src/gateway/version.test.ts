import { expect, inject, it } from "vitest";
import { askVersion } from "./version.ts";

const ask = (proxyUrl: string) => askVersion({ proxyUrl, machineId: "m1" }, "token");
const nobody = { kind: "silent", why: "the controller could not be reached" };

it("takes what is no answer for silence, and says why", async () => {
  expect(await ask("http://127.0.0.1:1")).toEqual(nobody);
  expect(await ask(inject("hangUpDatabaseUrl").replace(/^postgres:\/\/[^@]*@/, "http://"))).toEqual(nobody);
  expect(await ask(inject("htmlUrl"))).toEqual({ kind: "silent", why: "the controller answered 502" });
});

it("waits no longer than three seconds for one", async () => {
  const startedAt = Date.now();
  expect(await ask(inject("silentDatabaseUrl").replace(/^postgres:\/\/[^@]*@/, "http://"))).toEqual(nobody);
  expect(Date.now() - startedAt).toBeLessThan(6_000);
});
