import { Hono, type Context } from "hono";
import { z } from "zod";
import {
  cordonMachine,
  restartMachine,
  signalMachine,
  startMachine,
  stopMachine,
  suspendMachine,
} from "../cloud/actions.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { execInMachine } from "../cloud/exec.ts";
import { findMachine } from "../cloud/find.ts";
import { stopSignals, type StopSettings } from "../cloud/stop-settings.ts";
import { parseDurationMs } from "../duration.ts";
import { Refusal, refusals, type Outcome } from "../refusal.ts";
import type { Machine } from "../state/model.ts";
import type { ActionMiddleware } from "./actions.ts";
import { readBody } from "./body.ts";
import { nonceOf, refuse, replyOk } from "./reply.ts";

const stopSchema = z.object({
  signal: z.enum(stopSignals).optional(),
  timeout: z.union([z.string(), z.number()]).optional(),
});

const signals = [
  ...stopSignals,
  "SIGABRT",
  "SIGALRM",
  "SIGFPE",
  "SIGILL",
  "SIGPIPE",
  "SIGSEGV",
  "SIGTRAP",
] as const satisfies NodeJS.Signals[];
const signalNumbers = new Map<number, NodeJS.Signals>([
  [1, "SIGHUP"],
  [2, "SIGINT"],
  [3, "SIGQUIT"],
  [9, "SIGKILL"],
  [15, "SIGTERM"],
]);
// flyctl sends the number.
const signalSchema = z.object({ signal: z.union([z.enum(signals), z.number()]) });

const execSchema = z.object({
  command: z.array(z.string()).optional(),
  cmd: z.string().optional(),
  timeout: z.number().int().min(0).optional(),
});

/** What is done to a machine that exists: start, stop, exec and the like (fly-machines-api.md §4.5 to §4.9, §4.15). */
export function machineActionRoutes(cloud: Cloud, action: ActionMiddleware): Hono {
  const routes = new Hono();
  const machineOf = (context: Context<object, MachinePath>): Outcome<Machine> =>
    findMachine(cloud, context.req.param("app"), context.req.param("machine"));

  routes.post("/apps/:app/machines/:machine/start", action("machine_start", "machine"), (context) => {
    const machine = machineOf(context);
    const started = machine instanceof Refusal ? machine : startMachine(cloud, machine, nonceOf(context));
    if (started instanceof Refusal) return refuse(context, started);
    return context.json({ previous_state: started.previousState, migrated: false, new_host: "" });
  });

  routes.post("/apps/:app/machines/:machine/stop", action("machine_stop", "machine"), async (context) => {
    const body = await readBody(context, stopSchema, { isOptional: true });
    if (body instanceof Refusal) return refuse(context, body);
    const machine = machineOf(context);
    if (machine instanceof Refusal) return refuse(context, machine);
    const settings = settingsOf(body.signal, body.timeout);
    if (settings instanceof Refusal) return refuse(context, settings);
    const { signal } = context.req.raw;
    return replyOk(context, await stopMachine(cloud, machine.id, nonceOf(context), settings, signal));
  });

  routes.post("/apps/:app/machines/:machine/suspend", action("machine_suspend", "machine"), (context) => {
    const machine = machineOf(context);
    const refused = machine instanceof Refusal ? machine : suspendMachine(cloud, machine, nonceOf(context));
    return replyOk(context, refused);
  });

  routes.post("/apps/:app/machines/:machine/restart", action("machine_restart", "machine"), (context) => {
    const machine = machineOf(context);
    if (machine instanceof Refusal) return refuse(context, machine);
    const settings = settingsOf(context.req.query("signal"), secondsOrGo(context.req.query("timeout")));
    if (settings instanceof Refusal) return refuse(context, settings);
    return replyOk(context, restartMachine(cloud, machine, nonceOf(context), settings));
  });

  routes.post("/apps/:app/machines/:machine/signal", action("machine_signal", "machine"), async (context) => {
    const body = await readBody(context, signalSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const machine = machineOf(context);
    if (machine instanceof Refusal) return refuse(context, machine);
    const signal = typeof body.signal === "number" ? signalNumbers.get(body.signal) : body.signal;
    if (signal === undefined) return refuse(context, refusals.invalidArgument("unknown signal"));
    return replyOk(context, signalMachine(cloud, machine, nonceOf(context), signal));
  });

  routes.post("/apps/:app/machines/:machine/exec", action("machine_exec", "machine"), async (context) => {
    const body = await readBody(context, execSchema);
    if (body instanceof Refusal) return refuse(context, body);
    const machine = machineOf(context);
    if (machine instanceof Refusal) return refuse(context, machine);
    const argv = body.command ?? (body.cmd === undefined ? [] : ["sh", "-c", body.cmd]);
    if (argv.length === 0) return refuse(context, refusals.invalidArgument("command is required"));
    const request = { argv, timeoutSeconds: body.timeout === 0 ? undefined : body.timeout };
    const answer = await execInMachine(cloud, machine, nonceOf(context), request);
    return answer instanceof Refusal ? refuse(context, answer) : context.json({ ...answer });
  });

  for (const [verb, cordoned] of [
    ["cordon", true],
    ["uncordon", false],
  ] as const) {
    routes.post(`/apps/:app/machines/:machine/${verb}`, action(`machine_${verb}`, "machine"), (context) => {
      const machine = findMachine(cloud, context.req.param("app"), context.req.param("machine"));
      const refused =
        machine instanceof Refusal ? machine : cordonMachine(cloud, machine, nonceOf(context), cordoned);
      return replyOk(context, refused);
    });
  }

  return routes;
}

type MachinePath = "/apps/:app/machines/:machine";

function settingsOf(
  signalName: string | undefined,
  timeout: string | number | undefined,
): Outcome<Partial<StopSettings>> {
  const signal = stopSignals.find((name) => name === signalName);
  if (signalName !== undefined && signal === undefined) {
    return refusals.invalidArgument(`invalid signal '${signalName}'`);
  }
  const timeoutMs = timeout === undefined ? undefined : parseDurationMs(timeout);
  if (timeout !== undefined && timeoutMs === undefined) {
    return new Refusal(400, `time: invalid duration "${timeout}"`);
  }
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** `restart` takes a Go duration or a bare number of seconds. */
function secondsOrGo(timeout: string | undefined): string | undefined {
  return timeout !== undefined && /^\d+$/.test(timeout) ? `${timeout}s` : timeout;
}
