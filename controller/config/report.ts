import { basename } from "node:path";
import type { ConfigReport } from "../../src/gateway/wire.ts";
import type { Settings } from "../settings.ts";
import type { WriteOutcome } from "./file.ts";

const REFUSED_KEYS_MAX = 64;
const KEY_CHARS_MAX = 256;

export const NOTHING_WRITTEN: ConfigReport = {
  kind: "never_written",
  at: null,
  setAside: null,
  refusedKeys: [],
  channels: [],
  model: null,
};

/** What the control plane may know of a configuration file that was brought up to date: names, and never a value. */
export function reportOf(outcome: WriteOutcome, before: ConfigReport, settings: Settings): ConfigReport {
  const { channels, model } = settings;
  const refused = outcome.kind === "written" || outcome.kind === "unchanged" ? outcome.refusedKeys : [];
  return {
    kind: outcome.kind,
    at: new Date().toISOString(),
    // That a file was lost sight of stays told, though the next start finds a good one.
    setAside: outcome.kind === "begun_anew" ? basename(outcome.setAside) : before.setAside,
    refusedKeys: refused.slice(0, REFUSED_KEYS_MAX).map((key) => key.slice(0, KEY_CHARS_MAX)),
    channels: Object.entries(channels).flatMap(([name, isSet]) => (isSet ? [name] : [])),
    model: model?.id ?? null,
  };
}
