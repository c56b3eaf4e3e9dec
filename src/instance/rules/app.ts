import { refused, step, unknown, wait } from "../decisions.ts";
import type { ObservedApp } from "../observation.ts";
import { appNameOf } from "../names.ts";
import { lookAgainAt, openCreateMayAppear } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";

/** Names that strangers had; a name is a hash, so the second is one already. */
const RENAMES_MAX = 5;
/** Looks at a name that is taken by nobody (an app that is being deleted) before the next name is tried. */
const NAME_CONFLICTS_MAX = 4;

export const APP_NOT_ASKED = { code: "fly_unreachable", why: "the app was not asked for" } as const;

/** An app of the tenant's own comes before everything in it; null when it is ready, or when all tenants share one. */
export function appFirst(
  state: InstanceState,
  app: ObservedApp,
  status: Status,
  now: number,
): Decision | null {
  const { ownApp } = state;
  if (ownApp === null || ownApp.stage === "ready") return null;
  if (app.kind === "unknown") return unknown(app, status, now);
  switch (ownApp.stage) {
    case "wanted":
      return makeApp(state, ownApp, app, status, now);
    case "created":
      return equipApp(state, app, status, now);
    default:
      return ownApp.stage satisfies never;
  }
}

/** The app of an instance whose ids were lost; null when it is known, or when there is none in which anything could exist. */
export function appRecovered(
  state: InstanceState,
  app: ObservedApp,
  status: Status,
  now: number,
): Decision | null {
  const { ownApp } = state;
  if (ownApp?.stage !== "wanted") return null;
  switch (app.kind) {
    case "none":
      return unknown(APP_NOT_ASKED, status, now);
    case "unknown":
      return unknown(app, status, now);
    case "ours":
      return step({ kind: "adopt_app" }, "an app of ours has the name", status);
    case "absent":
      return null;
    case "stranger":
      return rename(state, ownApp.renames, status, now);
    default:
      return app satisfies never;
  }
}

function makeApp(
  state: InstanceState,
  { renames }: NonNullable<InstanceState["ownApp"]>,
  app: Exclude<ObservedApp, { kind: "unknown" }>,
  status: Status,
  now: number,
): Decision {
  const create = step(
    { kind: "create_app", name: state.appName },
    "the tenant has no app yet",
    status,
    state.lastError,
  );
  switch (app.kind) {
    case "none":
      return create;
    case "ours":
      return step({ kind: "adopt_app" }, "an app of ours has the name", status);
    case "absent":
      if (state.nameConflicts >= NAME_CONFLICTS_MAX) return rename(state, renames, status, now);
      if (openCreateMayAppear(state, "app")) {
        return wait("time", lookAgainAt(state, now), "the app may still appear", status, state.lastError);
      }
      return create;
    case "stranger":
      return rename(state, renames, status, now);
    default:
      return app satisfies never;
  }
}

function rename(state: InstanceState, renames: number, status: Status, now: number): Decision {
  if (renames >= RENAMES_MAX) {
    return refused(status, now, {
      code: "app_name_taken",
      message: "Every name that this tenant's app could have is taken.",
    });
  }
  const name = appNameOf(state.userId, renames + 1);
  return step({ kind: "rename_app", renames: renames + 1, name }, "the app's name is taken", status);
}

function equipApp(
  state: InstanceState,
  app: Exclude<ObservedApp, { kind: "unknown" }>,
  status: Status,
  now: number,
): Decision {
  switch (app.kind) {
    case "none":
      return unknown(APP_NOT_ASKED, status, now);
    case "absent":
      // Gone, or not visible yet; where it is there all the same, its name is taken.
      return step({ kind: "create_app", name: state.appName }, "the app is gone", status, state.lastError);
    case "stranger":
      return refused(status, now, {
        code: "app_name_taken",
        message: "The tenant's app belongs to somebody else.",
      });
    case "ours":
      if (!app.hasV4)
        return step({ kind: "assign_address", type: "shared_v4" }, "the app has no IPv4 address", status);
      if (!app.hasV6)
        return step({ kind: "assign_address", type: "v6" }, "the app has no IPv6 address", status);
      return step({ kind: "set_secret" }, "the app does not have the tenant's key", status);
    default:
      return app satisfies never;
  }
}
