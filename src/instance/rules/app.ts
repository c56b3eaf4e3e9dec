import { refused, step, unknown, wait } from "../decisions.ts";
import { APP_RENAMES_MAX, appNameOf } from "../names.ts";
import type { Observation, ObservedApp } from "../observation.ts";
import { appMayAppear, isAppNotVisibleYet, lookAgainAt, mayRetryCreate } from "../patience.ts";
import type { InstanceState, Status } from "../state.ts";
import type { Decision } from "../step.ts";

const SECOND_MS = 1_000;
/** Looks at a name that is taken by nobody (an app that is being deleted) before the next name is tried. */
const NAME_CONFLICTS_MAX = 4;

const APP_NOT_ASKED = { code: "fly_unreachable", why: "the app was not asked for" } as const;

type OwnApp = NonNullable<InstanceState["ownApp"]>;

/**
 * An app of the tenant's own comes before everything in it; null when it is ready, or when all tenants share one. A machine that is
 * to be stopped is stopped first.
 */
export function appFirst(
  state: InstanceState,
  seen: Observation,
  status: Status,
  now: number,
): Decision | null {
  const { ownApp, machine, intent } = state;
  if (ownApp === null || ownApp.stage === "ready") return null;
  if (intent === "stopped" && machine !== null) return null;
  const { app } = seen;
  if (app.kind === "unknown") return unknown(app, status, now);
  return ownApp.stage === "wanted"
    ? makeApp(state, ownApp, app, status, now)
    : equipApp(state, ownApp, seen, status, now);
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
    case "stranger":
      // It may have had to take a later name; when there is none under any, the first is as good as new.
      if (state.recovery?.appSearched === true)
        return app.kind === "absent" ? null : rename(state, ownApp, status, now);
      return ownApp.renames < APP_RENAMES_MAX
        ? renameTo(state, ownApp.renames + 1, false, "the app is looked for under its next name", status)
        : renameTo(state, 0, true, "there is no app under any name", status);
    default:
      return app satisfies never;
  }
}

/** At the end of a destroy; null when there is none of ours. */
export function appGone(
  state: InstanceState,
  app: ObservedApp,
  askedAt: number,
  now: number,
): Decision | null {
  const status = "destroying";
  const { ownApp } = state;
  if (ownApp === null) return null;
  switch (app.kind) {
    case "none":
      return unknown(APP_NOT_ASKED, status, now);
    case "unknown":
      return unknown(app, status, now);
    case "ours":
      return step({ kind: "delete_app" }, "the instance is to go", status, state.lastError);
    case "absent":
    case "stranger":
      break;
    default:
      return app satisfies never;
  }
  if (ownApp.stage !== "wanted" && app.kind === "stranger") {
    // A token that sees nothing looks the same, so it tells nothing of what was ours.
    return refused(status, now, {
      code: "fly_unauthorized",
      message: "Fly no longer shows us the tenant's app.",
    });
  }
  if (appMayAppear(state, askedAt)) {
    return wait("time", lookAgainAt(state, now), "the app may still appear", status, state.lastError);
  }
  if (ownApp.stage !== "wanted" || !state.doubtful || ownApp.renames >= APP_RENAMES_MAX) return null;
  return renameTo(state, ownApp.renames + 1, false, "the app is looked for under its next name", status);
}

function makeApp(
  state: InstanceState,
  ownApp: OwnApp,
  app: Exclude<ObservedApp, { kind: "unknown" }>,
  status: Status,
  now: number,
): Decision {
  switch (app.kind) {
    case "ours":
      return step({ kind: "adopt_app" }, "an app of ours has the name", status);
    case "stranger":
      return rename(state, ownApp, status, now);
    case "none":
    case "absent":
      if (state.nameConflicts >= NAME_CONFLICTS_MAX) return rename(state, ownApp, status, now);
      if (!mayRetryCreate(state, "app", now)) {
        return wait("time", now + SECOND_MS, "the app may still appear", status, state.lastError);
      }
      return step(
        { kind: "create_app", name: state.appName },
        "the tenant has no app yet",
        status,
        state.lastError,
      );
    default:
      return app satisfies never;
  }
}

function equipApp(
  state: InstanceState,
  ownApp: OwnApp,
  { app, askedAt }: Observation,
  status: Status,
  now: number,
): Decision {
  switch (app.kind) {
    case "none":
    case "unknown":
      return unknown(APP_NOT_ASKED, status, now);
    case "absent":
      return isAppNotVisibleYet(state, askedAt)
        ? wait("time", now + SECOND_MS, "the new app is not visible yet", status)
        : step({ kind: "create_app", name: state.appName }, "the app is gone", status, state.lastError);
    case "stranger":
      return refused(status, now, {
        code: "app_name_taken",
        message: "The tenant's app belongs to somebody else.",
      });
    case "ours":
      break;
    default:
      return app satisfies never;
  }
  if (state.creating?.kind === "app") {
    return step({ kind: "adopt_app" }, "the app that was asked for exists", status);
  }
  if (!app.hasV4 && !ownApp.hasV4) {
    return step({ kind: "assign_address", type: "shared_v4" }, "the app has no IPv4 address", status);
  }
  if (!app.hasV6 && !ownApp.hasV6) {
    return step({ kind: "assign_address", type: "v6" }, "the app has no IPv6 address", status);
  }
  return step({ kind: "set_secret" }, "the app does not have the tenant's key", status);
}

function rename(state: InstanceState, { renames }: OwnApp, status: Status, now: number): Decision {
  if (renames >= APP_RENAMES_MAX) {
    return refused(status, now, {
      code: "app_name_taken",
      message: "Every name that this tenant's app could have is taken.",
    });
  }
  return renameTo(
    state,
    renames + 1,
    state.recovery?.appSearched ?? false,
    "the app's name is taken",
    status,
  );
}

function renameTo(
  { userId }: InstanceState,
  renames: number,
  isSearched: boolean,
  reason: string,
  status: Status,
): Decision {
  return step({ kind: "rename_app", renames, name: appNameOf(userId, renames), isSearched }, reason, status);
}
