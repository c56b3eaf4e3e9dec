import { expect, it } from "vitest";
import { classifyTarget } from "./target.ts";

it.each(["/_kilo", "/_kilo/health", "/_kilo/gateway/status", "/_kilo/health?x=/../.."])(
  "knows %s as the controller's own",
  (target) => expect(classifyTarget(target)).toMatchObject({ kind: "controller" }),
);

it.each([
  "/_kilo/",
  "/_kilo/Health",
  "/_KILO",
  "/_\u212Ailo",
  "/%5Fkilo",
  "/%25255fkilo",
  "/ _kilo",
  "/%09_kilo",
  "/_kil%00o/version",
  "/.//_kilo",
  "/a/%2e%2e/_kilo",
  "/a%2f..%2f_kilo",
  "/..;/_kilo",
  "/a/..;x/_kilo/version",
  `/%${"25".repeat(40)}5fkilo`,
])("sends %s to nobody", (target) => expect(classifyTarget(target)).toEqual({ kind: "reserved" }));

it.each([
  "/",
  "/chat/main",
  "/kilo",
  "/_kilowatt",
  "/a/_kilo",
  "/?next=/_kilo/version",
  "/__openclaw/control-ui-config.json",
  "/%zz",
  "/%E4%BD%A0",
  "/100%",
  "/_kilo/../../etc/passwd/../..".slice(6),
])("leaves %s to the gateway", (target) => expect(classifyTarget(target)).toEqual({ kind: "gateway" }));

it.each([undefined, "", "*", "http://evil.example/", "controller:443", "_kilo/health"])(
  "takes %s for no target",
  (target) => expect(classifyTarget(target)).toEqual({ kind: "malformed" }),
);
