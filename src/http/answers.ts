import type {
  OperationResult,
  Refusal,
  RouteResult,
  SettingsRefusal,
  SettingsResult,
} from "../instance/operations.ts";
import { misconfigured, problem } from "./problem.ts";

const ISSUES_MAX = 20;

/**
 * The answer to changed settings: as to any operation, and whether the gateway uses them by now; one that is stopped does from
 * its next start on.
 */
export function settingsAnswer(result: SettingsResult, now: number): Response {
  switch (result.kind) {
    case "settled":
    case "under_way": {
      const isSettled = result.kind === "settled";
      const applied = isSettled && result.status === "running";
      return Response.json({ ok: true, status: result.status, applied }, { status: isSettled ? 200 : 202 });
    }
    case "invalid_secrets":
    case "no_secrets_key":
    case "secrets_unreadable":
    case "settings_too_large":
    case "recovering":
    case "settings_lost":
      return refusalAnswer(result);
    case "hindered":
    case "not_provisioned":
    case "destroying":
    case "misconfigured":
    case "state_unreadable":
    case "registry_unreachable":
      return operationAnswer(result, now);
    default:
      return result satisfies never;
  }
}

/** The answer to start, stop, restart, destroy and repair: 200 settled, 202 under way, else a problem. */
export function operationAnswer(result: OperationResult, now: number): Response {
  switch (result.kind) {
    case "settled":
      return Response.json({ ok: true, status: result.status }, { status: 200 });
    case "under_way":
      return Response.json({ ok: true, status: result.status }, { status: 202 });
    case "hindered": {
      const { status, code, message, nextTryAt } = result;
      const retryAfterS = nextTryAt === null ? 60 : Math.max(1, Math.ceil((nextTryAt - now) / 1_000));
      return problem("upstream_failed", {
        detail: `${message} The wish is stored and tried again by itself.`,
        retryAfterS,
        extra: { reason: code, instanceStatus: status },
      });
    }
    case "not_provisioned":
    case "destroying":
    case "misconfigured":
    case "state_unreadable":
    case "registry_unreachable":
      return refusalAnswer(result);
    default:
      return result satisfies never;
  }
}

/** The problem (RFC 9457) of an operation that changed nothing. */
export function refusalAnswer(refusal: Refusal | SettingsRefusal): Response {
  switch (refusal.kind) {
    case "not_provisioned":
      return problem("not_provisioned", { detail: "This user has no instance. Provision one first." });
    case "destroying":
      return problem("destroying", {
        detail: "The instance is being destroyed. Provision a new one when that is done.",
        retryAfterS: 60,
      });
    case "misconfigured":
      return misconfigured();
    case "state_unreadable":
      return problem("state_unreadable", {
        detail: "The instance's record can't be read. Nothing was changed; an operator has to look at it.",
      });
    case "registry_unreachable":
      return problem("upstream_failed", {
        detail: "The registry can't be asked whether this user has an instance. Nothing was changed.",
        retryAfterS: 10,
      });
    case "invalid_secrets": {
      const [first] = refusal.issues;
      const where = first === undefined ? "" : ` (${first.path}: ${first.message})`;
      return problem("invalid_request", {
        detail: `The request is not valid${where}.`,
        extra: { issues: refusal.issues.slice(0, ISSUES_MAX) },
      });
    }
    case "no_secrets_key":
      return problem("misconfigured", {
        detail: "Sealed values can't be taken: the service has no key to open them. Nothing was changed.",
      });
    case "secrets_unreadable":
      return problem("conflict", {
        detail: "Some stored values are sealed for a key that is gone. Set them anew. Nothing was changed.",
        extra: { reason: refusal.kind, names: refusal.names },
      });
    case "settings_too_large":
      return problem("too_large", {
        detail: "All settings of the instance together would be too large. Nothing was changed.",
      });
    case "recovering":
      return problem("unavailable", {
        detail: "The instance's record is being recovered. Nothing was changed; try again shortly.",
        retryAfterS: 10,
        extra: { reason: refusal.kind },
      });
    case "settings_lost":
      return problem("conflict", {
        detail:
          "The instance's settings were lost. Provision it again with all of them. Nothing was changed.",
        extra: { reason: refusal.kind },
      });
    default:
      return refusal satisfies never;
  }
}

/** The problem of a request for the machine of an instance that is not up. */
export function notRunningAnswer(route: Extract<RouteResult, { kind: "not_running" }>): Response {
  const isRising = route.status === "starting" || route.status === "recovering" || route.status === "running";
  return problem(isRising ? "starting" : "not_running", {
    detail: isRising ? "The assistant is starting. Try again shortly." : `The assistant is ${route.status}.`,
    extra: { instanceStatus: route.status, lastError: route.lastError },
    retryAfterS: isRising ? 3 : 60,
  });
}
