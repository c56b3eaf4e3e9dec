import { expect, it } from "vitest";
import { isControllerPath } from "./paths.ts";

it.each([
  "/_kilo",
  "/_kilo/env",
  "/_KILO/env",
  "//_kilo/env",
  "/%5fkilo/env",
  "/%255fkilo/env",
  "/_kilo%2fenv",
  "/x/..%2f_kilo/env",
  "/x/%2e%2e/_kilo/env",
  "/_kilo;a=b/env",
  "/%5c_kilo/env",
  "/\\_kilo\\env",
  "/_ki%6co/env",
])("keeps %s inside the Worker", (path) => {
  expect(isControllerPath(path)).toBe(true);
});

it.each(["/", "/chat", "/_kilometre", "/a_kilo", "/assets/_kilo.js", "/%", "/%zz"])(
  "passes %s on",
  (path) => {
    expect(isControllerPath(path)).toBe(false);
  },
);
