import { expect, it } from "vitest";
import { readableLine } from "./readable-line.ts";

it.each([
  [
    '749372 {"time":"2026-11-20T11:25:36Z","level":"error","message":"the gateway is down","failure":"exited","pauseMs":4000,"pid":null}',
    "749372 the gateway is down failure=exited pauseMs=4000",
  ],
  [
    '{"level":"warn","room":"instance","event":"fly_call","status":503,"path":"/v1/apps"}',
    "instance: fly_call status=503 path=/v1/apps",
  ],
  ["an ordinary line", "an ordinary line"],
  ['{"level":"warn"}', '{"level":"warn"}'],
  ["{ not json }", "{ not json }"],
])("makes %s readable", (line, readable) => {
  expect(readableLine(line)).toBe(readable);
});
