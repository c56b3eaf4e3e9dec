import { expect, it } from "vitest";
import { createAffinity } from "./affinity.ts";

const setting = (...lines: string[]): Headers => {
  const headers = new Headers();
  for (const line of lines) headers.append("set-cookie", line);
  return headers;
};

it("sends back what an app's answer set, and only for that app", () => {
  const affinity = createAffinity();
  expect(affinity.cookieOf("tenant")).toBeNull();
  affinity.keep(
    "tenant",
    setting("other=1; Path=/", "fly_flaps_affinity=node-1; Path=/v1/apps/tenant; Secure"),
  );
  expect(affinity.cookieOf("tenant")).toBe("fly_flaps_affinity=node-1");
  expect(affinity.cookieOf("stranger")).toBeNull();
});

it("goes by the path of the cookie, and without one by the app that was asked about", () => {
  const affinity = createAffinity();
  affinity.keep("new", setting("fly_flaps_affinity=a; path=/v1/apps/made"));
  affinity.keep("new", setting("fly_flaps_affinity=b"));
  expect(affinity.cookieOf("made")).toBe("fly_flaps_affinity=a");
  expect(affinity.cookieOf("new")).toBe("fly_flaps_affinity=b");
});

it("takes a later cookie, and forgets one that ends or is none", () => {
  const affinity = createAffinity();
  affinity.keep("a", setting("fly_flaps_affinity=1"));
  affinity.keep("a", setting("fly_flaps_affinity=2"));
  expect(affinity.cookieOf("a")).toBe("fly_flaps_affinity=2");
  affinity.keep("a", setting());
  expect(affinity.cookieOf("a")).toBe("fly_flaps_affinity=2");
  affinity.keep("a", setting("fly_flaps_affinity=3; Max-Age=0"));
  expect(affinity.cookieOf("a")).toBeNull();
  for (const value of ["", "a b", 'a"b', "x".repeat(4_097)]) {
    affinity.keep("a", setting(`fly_flaps_affinity=${value}`));
    expect(affinity.cookieOf("a")).toBeNull();
  }
});

it("forgets the app whose cookie is oldest when there are too many", () => {
  const affinity = createAffinity();
  for (let i = 0; i < 256; i += 1) affinity.keep(`app-${i}`, setting(`fly_flaps_affinity=${i}`));
  affinity.keep("app-0", setting("fly_flaps_affinity=again"));
  affinity.keep("one-more", setting("fly_flaps_affinity=x"));
  expect(affinity.cookieOf("app-0")).toBe("fly_flaps_affinity=again");
  expect(affinity.cookieOf("app-1")).toBeNull();
  expect(affinity.cookieOf("app-2")).toBe("fly_flaps_affinity=2");
});
