import { createHash } from "node:crypto";
import type { ImageRef } from "../state/model.ts";

/**
 * The parts of an image reference. A tag is resolved to a digest made from the reference itself, so that the same
 * reference always means the same image.
 */
export function resolveImage(reference: string): ImageRef {
  const [named = "", digest] = reference.split("@", 2);
  const lastSlash = named.lastIndexOf("/");
  const colon = named.indexOf(":", lastSlash + 1);
  const path = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const slash = path.indexOf("/");
  const host = slash === -1 ? "" : path.slice(0, slash);
  const isHost = host.includes(".") || host.includes(":") || host === "localhost";
  const repository = isHost ? path.slice(slash + 1) : path;
  return {
    registry: isHost ? host : "registry-1.docker.io",
    repository: isHost || repository.includes("/") ? repository : `library/${repository}`,
    ...(digest === undefined ? { tag: tag ?? "latest" } : {}),
    digest: digest ?? `sha256:${createHash("sha256").update(reference).digest("hex")}`,
  };
}
