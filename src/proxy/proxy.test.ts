import { expect, it } from "vitest";
import { upstreamUrl } from "./proxy.ts";

it.each([
  "//evil.example/x",
  "///evil.example/x",
  "/\\\\evil.example/x",
  "/\\evil.example",
  "/@evil.example",
  "/:80/x",
])("sends %s to the machine and to no other host", (path) => {
  const { origin } = upstreamUrl("http://machine.example:4281", new URL(`https://claw.kilo.ai${path}`));
  expect(origin).toBe("http://machine.example:4281");
});

it("keeps path and query as they are", () => {
  const url = new URL("https://claw.kilo.ai/a%20b/%2Fc?x=%26&y");
  expect(upstreamUrl("https://app.fly.dev", url).href).toBe("https://app.fly.dev/a%20b/%2Fc?x=%26&y");
});
