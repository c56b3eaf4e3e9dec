import { Hono } from "hono";
import { z } from "zod";
import { deleteMachine } from "../cloud/actions.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { eventsMax } from "../cloud/events.ts";
import { findApp, findMachine, findOpenApp } from "../cloud/find.ts";
import { createMachine, listMachines, updateMachine, type LaunchRequest } from "../cloud/machines.ts";
import { waitForMachine, waitStates } from "../cloud/wait.ts";
import { Refusal, refusals, type Outcome } from "../refusal.ts";
import { machineConfigSchema } from "../state/config.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { isSet, listOf, nonceOf, refuse, replyOk } from "./reply.ts";
import { machineView, summaryView } from "./views.ts";

const launchSchema = z.object({
  name: z.string().optional(),
  region: z.string().optional(),
  config: machineConfigSchema.default({}),
  skip_launch: z.boolean().default(false),
  skip_service_registration: z.boolean().default(false),
  skip_secrets: z.boolean().default(false),
  min_secrets_version: z.number().int().min(0).optional(),
  lease_ttl: z.number().int().min(0).optional(),
});
const updateSchema = launchSchema.extend({ current_version: z.string().optional() });

/** Lists, makes, shows, updates and destroys machines, and lists their events and versions (fly-machines-api.md §4). */
export function machineRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();

  routes.get("/apps/:app/machines", action("machine_list", "app"), (context) => {
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    const metadata = Object.entries(context.req.query())
      .filter(([name]) => name.startsWith("metadata."))
      .map(([name, value]) => [name.slice("metadata.".length), value] as const);
    const machines = listMachines(cloud, app, {
      includeDeleted: isSet(context.req.query("include_deleted")),
      regions: listOf(context.req.queries("region")),
      states: listOf(context.req.queries("state")),
      metadata: new Map(metadata),
    });
    const view = isSet(context.req.query("summary")) ? summaryView : machineView;
    return context.json(machines.map((machine) => view(machine)));
  });

  routes.post("/apps/:app/machines", action("machine_create", "app"), async (context) => {
    const body = await readBody(context, launchSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = findOpenApp(cloud, context.req.param("app"));
    const launched = app instanceof Refusal ? app : createMachine(cloud, app, launchRequest(body));
    if (launched instanceof Refusal) return refuse(context, launched);
    return context.json(machineView(launched.machine, launched.lease?.nonce));
  });

  routes.get("/apps/:app/machines/:machine", action("machine_get", "machine"), (context) => {
    const { app, machine: id } = context.req.param();
    const machine = findMachine(cloud, app, id);
    return machine instanceof Refusal ? refuse(context, machine) : context.json(machineView(machine));
  });

  routes.post("/apps/:app/machines/:machine", action("machine_update", "machine"), async (context) => {
    const body = await readBody(context, updateSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const app = findApp(cloud, context.req.param("app"));
    if (app instanceof Refusal) return refuse(context, app);
    const machine = findMachine(cloud, app.name, context.req.param("machine"));
    if (machine instanceof Refusal) return refuse(context, machine);
    const updated = updateMachine(cloud, app, machine, nonceOf(context), {
      ...launchRequest(body),
      currentVersion: body.current_version,
    });
    if (updated instanceof Refusal) return refuse(context, updated);
    return context.json(machineView(updated.machine, updated.lease?.nonce));
  });

  routes.delete("/apps/:app/machines/:machine", action("machine_delete", "machine"), async (context) => {
    const { app, machine: id } = context.req.param();
    const machine = findMachine(cloud, app, id);
    if (machine instanceof Refusal) return refuse(context, machine);
    const force = isSet(context.req.query("force")) || isSet(context.req.query("kill"));
    const { signal } = context.req.raw;
    return replyOk(context, await deleteMachine(cloud, machine.id, nonceOf(context), force, signal));
  });

  routes.get("/apps/:app/machines/:machine/wait", action("machine_wait", "machine"), async (context) => {
    const { app, machine: id } = context.req.param();
    const machine = findMachine(cloud, app, id);
    if (machine instanceof Refusal) return refuse(context, machine);
    const states = waitStatesOf(listOf(context.req.queries("state")));
    if (states instanceof Refusal) return refuse(context, states);
    const timeoutMs = waitTimeoutMs(context.req.query("timeout"));
    if (timeoutMs instanceof Refusal) return refuse(context, timeoutMs);
    const request = {
      states,
      timeoutMs,
      version: context.req.query("version") ?? context.req.query("instance_id"),
      fromEventId: context.req.query("from_event_id"),
    };
    const answer = await waitForMachine(cloud, machine.id, request, context.req.raw.signal);
    return answer instanceof Refusal ? refuse(context, answer) : context.json(answer);
  });

  routes.get("/apps/:app/machines/:machine/events", action("machine_events", "machine"), (context) => {
    const { app, machine: id } = context.req.param();
    const machine = findMachine(cloud, app, id);
    if (machine instanceof Refusal) return refuse(context, machine);
    const limit = Number(context.req.query("limit") ?? "20");
    if (!Number.isInteger(limit) || limit < 1 || limit > eventsMax) {
      return refuse(context, refusals.invalidArgument(`limit must be inside range [1, ${eventsMax}]`));
    }
    return context.json(machine.events.slice(0, limit));
  });

  routes.get("/apps/:app/machines/:machine/versions", action("machine_versions", "machine"), (context) => {
    const { app, machine: id } = context.req.param();
    const machine = findMachine(cloud, app, id);
    if (machine instanceof Refusal) return refuse(context, machine);
    return context.json(machine.versions.map(({ version, config }) => ({ version, user_config: config })));
  });

  return routes;
}

function launchRequest(body: z.infer<typeof launchSchema>): LaunchRequest {
  return {
    name: body.name === "" ? undefined : body.name,
    region: body.region === "" ? undefined : body.region,
    config: body.config,
    skipLaunch: body.skip_launch,
    skipServiceRegistration: body.skip_service_registration,
    skipSecrets: body.skip_secrets,
    minSecretsVersion: body.min_secrets_version,
    leaseTtlSeconds: body.lease_ttl,
  };
}

function waitStatesOf(names: readonly string[]): Outcome<(typeof waitStates)[number][]> {
  if (names.length === 0) return ["started"];
  const states = waitStates.filter((state) => names.includes(state));
  const unknown = names.find((name) => !states.some((state) => state === name));
  return unknown === undefined ? states : refusals.invalidArgument(`cannot wait for state '${unknown}'`);
}

function waitTimeoutMs(text: string | undefined): Outcome<number> {
  const seconds = Number(text ?? "60");
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 60) return seconds * 1000;
  return refusals.invalidArgument(
    "invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]",
  );
}
