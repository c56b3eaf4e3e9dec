import { expect, it } from "vitest";
import { withoutRetired } from "./retired.ts";

it("drops what 2026.9 has no use for, and keeps the rest of the same object", () => {
  const meta = { lastTouchedVersion: "2026.2.26", lastTouchedAt: "2026-11-20T08:00:00.000Z" };
  expect(withoutRetired({ canvasHost: { port: 1 }, meta, mine: true })).toEqual({
    meta: { lastTouchedVersion: "2026.2.26" },
    mine: true,
  });
});

it.each([
  [true, { mode: "partial" }],
  [false, { mode: "off" }],
  ["block", { mode: "block" }],
  [{ mode: "progress" }, { mode: "progress" }],
])("takes a channel's streaming %j for %j", (streaming, today) => {
  expect(withoutRetired({ channels: { telegram: { streaming } } })).toEqual({
    channels: { telegram: { streaming: today } },
  });
});

it("moves a channel's keys, and those of its accounts, to where they are looked for", () => {
  const config = withoutRetired({
    channels: {
      discord: {
        dm: { policy: "allowlist", allowFrom: ["1"], groupEnabled: true },
        streaming: "partial",
        chunkMode: "newline",
        accounts: { second: { blockStreaming: true, draftChunk: { minChars: 5 } }, third: { token: "t" } },
      },
      slack: { nativeStreaming: false },
    },
  });
  expect(config).toEqual({
    channels: {
      discord: {
        dm: { groupEnabled: true },
        dmPolicy: "allowlist",
        allowFrom: ["1"],
        streaming: { mode: "partial", chunkMode: "newline" },
        accounts: {
          second: { streaming: { block: { enabled: true }, preview: { chunk: { minChars: 5 } } } },
          third: { token: "t" },
        },
      },
      slack: { streaming: { nativeTransport: false } },
    },
  });
  expect(withoutRetired(config)).toEqual(config);
});

it("prefers what stands in the place of today", () => {
  const telegram = { streaming: { mode: "off" }, streamMode: "block" };
  expect(withoutRetired({ channels: { telegram } })).toEqual({
    channels: { telegram: { streaming: { mode: "off" } } },
  });
});
