import { decodeProtectedHeader } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { sealSecret } from "../client/index.ts";
import { createSecretBox, SEALED_CHARS_MAX } from "./secret-box.ts";
import { newPrivateKey } from "./testing/private-key.ts";

const mine = { name: "MY_SECRET", userId: "user-1" };
let current: string;
let previous: string;

beforeAll(async () => {
  [current, previous] = await Promise.all([newPrivateKey(), newPrivateKey()]);
});

const boxOf = (keys: { current: string | null; previous?: string | null }) =>
  createSecretBox({ previous: null, ...keys });

async function sealedFor(pem: string, value: string, target = mine): Promise<string> {
  const key = await boxOf({ current: pem }).publicKey();
  return sealSecret(value, key ?? { kty: "none" }, target);
}

describe("a secret that an app seals", () => {
  it.each([
    ["a short text", "s"],
    ["many lines and languages", 'a\nb "c" \\ é 日本 😀 \uFEFF'],
    ["the longest of one byte each", "x".repeat(16_384)],
    ["the longest of three bytes each", "日".repeat(10_922)],
  ])("opens as what it was: %s", async (_what, value) => {
    const sealed = await sealedFor(current, value);
    expect(sealed.length).toBeLessThan(SEALED_CHARS_MAX);
    expect(await boxOf({ current }).open(sealed, mine)).toEqual({ kind: "opened", value });
  });

  it("names its key by the thumbprint that the public key has, what it is for, and nothing of its value", async () => {
    const key = await boxOf({ current }).publicKey();
    const sealed = await sealedFor(current, "canary-value");
    expect(decodeProtectedHeader(sealed)).toEqual({
      alg: "RSA-OAEP-256",
      enc: "A256GCM",
      kid: key?.kid,
      v: 1,
      name: "MY_SECRET",
      user: "user-1",
    });
    expect(atob((sealed.split(".")[0] ?? "").replaceAll("-", "+").replaceAll("_", "/"))).not.toContain(
      "canary",
    );
    expect(Object.keys(key ?? {}).toSorted()).toEqual(["alg", "e", "kid", "kty", "n", "use"]);
  });

  it("opens by the previous key too, and is told from one for the current", async () => {
    const box = boxOf({ current, previous });
    const old = await sealedFor(previous, "old");
    expect(await box.open(old, mine)).toEqual({ kind: "opened", value: "old" });
    expect(await box.isCurrent(old)).toBe(false);
    const anew = await box.seal("old", mine);
    expect(await box.isCurrent(anew ?? "")).toBe(true);
    expect(await boxOf({ current }).open(anew ?? "", mine)).toEqual({ kind: "opened", value: "old" });
  });

  it("is for a user id of any length and language", async () => {
    const target = { name: "N".repeat(128), userId: "語".repeat(1_024) };
    const sealed = await sealedFor(current, "日".repeat(10_922), target);
    expect(await boxOf({ current }).open(sealed, target)).toMatchObject({ kind: "opened" });
  });
});

describe("S03: a sealed value", () => {
  it("does not open under another name, or for another user", async () => {
    const sealed = await sealedFor(current, "value");
    const box = boxOf({ current });
    expect(await box.open(sealed, { ...mine, name: "OTHER" })).toEqual({ kind: "not_for_it" });
    expect(await box.open(sealed, { ...mine, userId: "user-2" })).toEqual({ kind: "not_for_it" });
  });

  it.each(["name", "user", "kid", "v"])(
    "does not open with another %s written into its header",
    async (field) => {
      const sealed = await sealedFor(current, "value");
      const [, ...rest] = sealed.split(".");
      const header = { ...decodeProtectedHeader(sealed), [field]: field === "v" ? 2 : "changed" };
      const moved = [encoded(JSON.stringify(header)), ...rest].join(".");
      const target = { name: String(header["name"]), userId: String(header["user"]) };
      expect((await boxOf({ current }).open(moved, target)).kind).not.toBe("opened");
    },
  );

  it.each([1, 2, 3, 4])("does not open with its part %i altered", async (part) => {
    const parts = (await sealedFor(current, "value")).split(".");
    parts[part] = (parts[part] ?? "").replace(/^./, (first) => (first === "A" ? "B" : "A"));
    expect(await boxOf({ current }).open(parts.join("."), mine)).toEqual({ kind: "not_authentic" });
  });
});

it.each([
  ["nothing", ""],
  ["plain text", "sk-plain"],
  ["too few parts", "a.b.c"],
  ["more than anybody seals", `${"a.".repeat(4)}${"a".repeat(SEALED_CHARS_MAX)}`],
  [
    "another algorithm",
    jweOf({ alg: "dir", enc: "A256GCM", kid: "k", v: 1, name: "MY_SECRET", user: "user-1" }),
  ],
  ["a password's algorithm", jweOf({ alg: "PBES2-HS512+A256KW", enc: "A256GCM", kid: "k", p2c: 2 ** 30 })],
  [
    "a header that says more",
    jweOf({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: "k", v: 1, name: "n", user: "u", zip: "DEF" }),
  ],
  ["a header that is no JSON", `${encoded("{")}.a.a.a.a`],
])("takes %s for malformed", async (_what, text) => {
  expect(await boxOf({ current }).open(text, mine)).toEqual({ kind: "malformed" });
});

it("opens nothing by a key that was taken away, or without a key", async () => {
  const sealed = await sealedFor(previous, "value");
  expect(await boxOf({ current }).open(sealed, mine)).toEqual({ kind: "unknown_key" });
  const without = boxOf({ current: null });
  expect(await without.open(sealed, mine)).toEqual({ kind: "no_key" });
  expect(await without.publicKey()).toBeNull();
  expect(await without.seal("value", mine)).toBeNull();
  expect(await without.isCurrent(sealed)).toBe(false);
});

it("is not sealed for what is no RSA key", async () => {
  await expect(sealSecret("value", { kty: "oct" }, mine)).rejects.toThrow(TypeError);
});

function jweOf(header: Record<string, unknown>): string {
  return `${encoded(JSON.stringify(header))}.a.a.a.a`;
}

function encoded(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
