import { expect, it } from "vitest";
import { createMask } from "./mask.ts";

const SECRETS = [
  'with "quotes" and \\',
  "line one\nline two",
  "<markup> & more",
  "plain-secret",
  "\u2028étage",
];

it.each([
  ["as it is", (secret: string) => secret],
  ["in JSON", (secret: string) => JSON.stringify({ value: secret })],
  ["in JSON in JSON", (secret: string) => JSON.stringify({ error: JSON.stringify({ value: secret }) })],
  ["as Go writes JSON", (secret: string) => asGo(JSON.stringify(secret))],
  ["as Go writes JSON, in JSON", (secret: string) => JSON.stringify(asGo(JSON.stringify(secret)))],
])("finds a secret %s", (_where, quote) => {
  const mask = createMask(SECRETS);
  for (const secret of SECRETS) {
    const masked = mask(`before ${quote(secret)} after`);
    expect(masked).toContain("[redacted]");
    expect(masked).not.toContain(quote(secret));
    expect(masked).toMatch(/^before .* after$/);
  }
});

it("leaves nothing of a secret readable that has another one in it", () => {
  expect(createMask(["inner", "outer inner rest"])("say outer inner rest")).toBe("say [redacted]");
});

it("leaves short values alone, and a text without secrets as it is", () => {
  expect(createMask(["on", "", "yes"])("only a pony says yes")).toBe("only a pony says yes");
});

const asGo = (json: string): string =>
  json
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("&", "\\u0026")
    .replaceAll("\u2028", "\\u2028");
