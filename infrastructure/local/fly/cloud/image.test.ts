import { expect, it } from "vitest";
import { resolveImage } from "./image.ts";

const digest = `sha256:${"a".repeat(64)}`;

it.each([
  ["registry.fly.io/acme:v1", { registry: "registry.fly.io", repository: "acme", tag: "v1" }],
  ["registry.fly.io/acme", { registry: "registry.fly.io", repository: "acme", tag: "latest" }],
  ["localhost:5000/a/b:v1", { registry: "localhost:5000", repository: "a/b", tag: "v1" }],
  ["nginx", { registry: "registry-1.docker.io", repository: "library/nginx", tag: "latest" }],
  [
    "flyio/hellofly:latest",
    { registry: "registry-1.docker.io", repository: "flyio/hellofly", tag: "latest" },
  ],
])("resolves %s", (reference, parts) => {
  expect(resolveImage(reference)).toEqual({
    ...parts,
    digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
  });
  expect(resolveImage(reference)).toEqual(resolveImage(reference));
});

it("keeps a given digest and shows no tag beside it", () => {
  expect(resolveImage(`registry.fly.io/acme:v1@${digest}`)).toEqual({
    registry: "registry.fly.io",
    repository: "acme",
    digest,
  });
});
