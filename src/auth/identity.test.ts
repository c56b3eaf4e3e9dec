import { expect, it } from "vitest";
import { toHex } from "../hex.ts";
import { volumeNameOf } from "../instance/names.ts";
import { envKeyOf, machineTokensOf } from "./machine-tokens.ts";
import { sandboxIdOf } from "./sandbox-id.ts";
import { secretsEqual } from "./secrets.ts";

it("names a sandbox by the base64url of the user id where that fits, else by a hash", async () => {
  expect(await sandboxIdOf("user-1")).toBe("dXNlci0x");
  expect(await sandboxIdOf("a".repeat(47))).toHaveLength(63);
  expect(await sandboxIdOf("a".repeat(48))).toMatch(/^h_[A-Za-z0-9_-]{43}$/);
});

it("gives every user id a sandbox id of its own, whatever is in it", async () => {
  const ids = [
    "a:b",
    "a/b",
    "a%2fb",
    "a b",
    "a\0b",
    "A",
    "a",
    "é",
    "e\u0301",
    "x".repeat(48),
    "x".repeat(49),
    "x".repeat(10_000),
  ];
  // No base64url text has the length of the hashed form, so a user id can't be made to look like a hash.
  const hashed = await sandboxIdOf("x".repeat(48));
  expect(hashed.length % 4).toBe(1);
  expect(new Set(await Promise.all(ids.map(sandboxIdOf))).size).toBe(ids.length);
});

it("names a volume in Fly's alphabet and length, without cutting sandbox ids that begin alike", async () => {
  const a = await volumeNameOf(`${"x".repeat(40)}a`);
  const b = await volumeNameOf(`${"x".repeat(40)}b`);
  expect(a).toMatch(/^kc_[0-9a-f]{27}$/);
  expect(a).not.toBe(b);
});

it("derives the gateway token as HMAC-SHA256 of the sandbox id, and others for other purposes", async () => {
  const tokens = await machineTokensOf("key", "The quick brown fox jumps over the lazy dog");
  // The well-known test value of this key and text.
  expect(tokens.gatewayToken).toBe("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  expect(tokens.proxyToken).toMatch(/^[0-9a-f]{64}$/);
  expect(tokens.proxyToken).not.toBe(tokens.gatewayToken);
  const other = await machineTokensOf("key", "another-sandbox");
  expect(new Set([...Object.values(tokens), ...Object.values(other)]).size).toBe(4);
});

it("derives a key for each version of a machine's sealed environment, the first as it always was", async () => {
  const sandboxId = "dXNlci0x";
  const tokens = await machineTokensOf("key", sandboxId);
  const keys = await Promise.all([1, 2, 3].map((version) => envKeyOf("key", sandboxId, version)));
  const bytes = keys.map((key) => Uint8Array.from(atob(key), (char) => char.codePointAt(0) ?? 0));
  expect(bytes.map(({ length }) => length)).toEqual([32, 32, 32]);
  const all = [...bytes.map(({ buffer }) => toHex(buffer)), ...Object.values(tokens)];
  expect(new Set(all).size).toBe(5);
  expect(await envKeyOf("a secret of the Worker, long enough", sandboxId, 1)).toBe(
    "ytFQO1qGju9OGgHGEXaisbQPyAuYKj8hePcoMam5kOg=",
  );
  expect(await envKeyOf("key", "another", 1)).not.toBe(keys[0]);
});

it("compares secrets by value, prefixes and lengths included", async () => {
  expect(await secretsEqual("secret", "secret")).toBe(true);
  for (const wrong of ["", "secre", "secrets", "Secret"])
    expect(await secretsEqual(wrong, "secret")).toBe(false);
});
