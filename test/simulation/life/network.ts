import type { FlyResult } from "../../../src/fly/client.ts";
import { classifyFlyAnswer, type FlyError, noAnswer } from "../../../src/fly/errors.ts";
import type { Health } from "../../../src/gateway/health.ts";
import type { ControllerAnswer } from "../../../src/gateway/client.ts";
import type { ControllerVersion, EnvApplied, EnvUpdate } from "../../../src/gateway/wire.ts";
import { type Answer, type Refusal, refuse, REFUSALS } from "../cloud/answers.ts";
import type { Call } from "../cloud/client.ts";
import type { Cloud } from "../cloud/cloud.ts";
import { STREAM } from "../cloud/streams.ts";
import { askHealth, askVersion, type EnvSaid, putEnv } from "../cloud/program.ts";
import { EPOCH_MS } from "../clock.ts";
import { type CallFault, Counter, type Failure, type Place, type PlaceRefusal } from "./plan.ts";
import type { Trace } from "./trace.ts";

/** What the network tells whoever watches over a life. */
export type NetworkEvents = {
  /** The call leaves the object; nothing can take it back. */
  sent(call: Call<unknown>): void;
  /** The call is at Fly. */
  before(call: Call<unknown>): void;
  /** The cloud has done what was asked, or refused it. */
  took(call: Call<unknown>, answer: Answer<unknown>): void;
  /** Settings leave the object for a machine. */
  settingsSent(machineId: string): void;
  /** What goes wrong with the call. */
  faultOf(call: Place): CallFault | null;
};

/** What is sent to the controller of a machine, and who waits for the answer until when. */
export type SentSettings = { app: string; machineId: string; update: EnvUpdate; signal: AbortSignal };

type Flight<T> = {
  call: Call<T>;
  /** The caller, until it has its answer or gave up. */
  deliver: ((result: FlyResult<T>) => void) | null;
};

const OUT: CallFault = { kind: "before", how: "503" };
const HEALTH_MS = 3_000;
const SILENT: Health = { kind: "silent", why: "the controller could not be reached" };
/** So long the object waits for a controller that was given settings (src/gateway/client.ts). */
const ENV_MS = 90_000;
const LATE_MS = [0, 40_000] as const;
const UNANSWERED = { kind: "silent", why: "it could not be reached" } as const;
const RESET_MS = 30;

/** Between one object and the cloud: calls take time, may fail on both ways, and outlive their caller. */
export class Network {
  readonly #cloud: Cloud;
  readonly #events: NetworkEvents;
  readonly #trace: Trace;
  /** Calls made in this turn; they leave once all that was written before them is durable. */
  #outbox: (() => void)[] = [];
  readonly #calls: Counter;

  constructor(cloud: Cloud, events: NetworkEvents, byName: boolean, trace: Trace) {
    this.#cloud = cloud;
    this.#events = events;
    this.#trace = trace;
    this.#calls = new Counter(byName);
  }

  get calls(): number {
    return this.#calls.count;
  }

  get hasOutbox(): boolean {
    return this.#outbox.length > 0;
  }

  /** The promise stays open for good when the caller is gone: `isAlive` says so when the answer is there. */
  send<T>(call: Call<T>, isAlive: () => boolean): Promise<FlyResult<T>> {
    return new Promise((resolve) => {
      const flight: Flight<T> = {
        call,
        deliver: (result) => {
          if (isAlive()) resolve(result);
        },
      };
      this.#outbox.push(() => this.#leave(flight));
      call.signal?.addEventListener("abort", () =>
        this.#answer(flight, failed(noAnswer("Fly could not be reached"))),
      );
    });
  }

  /** Sends what was called for; the object's writes are durable. */
  flush(): number {
    const leaving = this.#outbox;
    if (leaving.length === 0) return 0;
    this.#outbox = [];
    for (const leave of leaving) leave();
    return leaving.length;
  }

  /** The object is gone before its calls left it. */
  drop(): void {
    this.#outbox = [];
  }

  /** The controller's word through Fly's proxy, and when it is there. */
  health(app: string, machineId: string): { health: Health; afterMs: number } {
    const cloud = this.#cloud;
    const latency = cloud.between(STREAM.health, cloud.world.latency);
    const isUnheard = cloud.chance(STREAM.unheard, cloud.world.unheardShare);
    const heard = isUnheard ? null : askHealth(cloud, app, machineId);
    return heard === null
      ? { health: SILENT, afterMs: isUnheard ? HEALTH_MS : latency }
      : { health: { kind: "answered", ...heard }, afterMs: 2 * latency };
  }

  /** What the controller says that runs, and when it is there. */
  version(app: string, machineId: string): { answer: ControllerAnswer<ControllerVersion>; afterMs: number } {
    const cloud = this.#cloud;
    const latency = cloud.between(STREAM.health, cloud.world.latency);
    const isUnheard = cloud.chance(STREAM.unheard, cloud.world.unheardShare);
    const version = isUnheard ? null : askVersion(cloud, app, machineId);
    return version === null
      ? { answer: UNANSWERED, afterMs: isUnheard ? HEALTH_MS : latency }
      : { answer: { kind: "answered", value: version }, afterMs: 2 * latency };
  }

  /**
   * Settings for the controller, which leave with what was written before them. They may arrive late, not at all, or without an
   * answer; and whoever does not wait for the answer does not take them back.
   */
  applyEnv(settings: SentSettings, isAlive: () => boolean): Promise<ControllerAnswer<EnvApplied>> {
    const cloud = this.#cloud;
    const { app, machineId, update, signal } = settings;
    return new Promise((resolve) => {
      const answer = (said: ControllerAnswer<EnvApplied>): void => {
        if (isAlive()) resolve(said);
      };
      signal.addEventListener("abort", () => answer(UNANSWERED));
      this.#outbox.push(() => {
        this.#events.settingsSent(machineId);
        this.#trace.add(() => `→ PUT /_kilo/env of ${machineId}, generation ${update.generation}`);
        const latency = cloud.between(STREAM.health, cloud.world.latency);
        const isLost = cloud.chance(STREAM.settings, cloud.world.unheardShare);
        const isMute = cloud.chance(STREAM.settings, cloud.world.unheardShare);
        const isLate = cloud.chance(STREAM.settings, cloud.world.unheardShare);
        cloud.clock.at(ENV_MS, () => answer(UNANSWERED));
        if (isLost) return;
        const there = latency + (isLate ? cloud.between(STREAM.settings, LATE_MS) : 0);
        cloud.clock.at(there, () => {
          const said = putEnv(cloud, app, machineId, update);
          this.#trace.add(() => `  at ${machineId}: ${JSON.stringify(said)}`);
          cloud.onChange();
          if (isMute) return;
          const afterMs = said?.status === 200 ? said.afterMs : 0;
          cloud.clock.at(latency + afterMs, () => answer(answerOf(said, update)));
        });
      });
    });
  }

  #leave<T>(flight: Flight<T>): void {
    const { call } = flight;
    const place = this.#calls.next(call.action, this.#cloud.now - EPOCH_MS);
    const fault = this.#cloud.isOut ? OUT : this.#events.faultOf(place);
    this.#trace.add(() => `→ ${place.index} ${call.method} ${call.path()}${describe(fault)}`);
    this.#events.sent(call);
    const cloud = this.#cloud;
    const there = cloud.between(STREAM.latency, cloud.world.latency);
    const back = cloud.between(STREAM.latency, cloud.world.latency);
    switch (fault?.kind) {
      case "before":
        this.#fail(flight, fault.how, there + back);
        break;
      case "after":
        cloud.clock.at(there, () => this.#arrive(flight, () => this.#fail(flight, fault.how, back)));
        break;
      case "late":
        cloud.clock.at(fault.effectMs, () => this.#arrive(flight, () => undefined));
        this.#fail(flight, fault.how, there + back);
        break;
      case "refused": {
        const refusal = placing(call) ? refusalOf(fault.how, call) : null;
        if (refusal === null) this.#deliverIn(flight, there, back);
        else cloud.clock.at(there + back, () => this.#answer(flight, resultOf(cloud, refusal)));
        break;
      }
      case "empty_lists":
      case "stale_list":
        this.#deliverIn(flight, there, back, fault);
        break;
      case "slow":
        this.#deliverIn(flight, there, Math.min(back + fault.ms, call.timeoutMs - there - 1));
        break;
      case undefined:
        this.#deliverIn(flight, there, back);
        break;
      default:
        fault satisfies never;
    }
  }

  #deliverIn<T>(flight: Flight<T>, there: number, back: number, list: CallFault | null = null): void {
    const cloud = this.#cloud;
    cloud.clock.at(there, () => {
      const before = cloud.listLagMs;
      if (list?.kind === "empty_lists") cloud.emptyLists(list.ms);
      if (list?.kind === "stale_list") cloud.listLagMs = list.ms;
      this.#arrive(flight, (answer) => {
        cloud.clock.at(back, () => this.#answer(flight, resultOf(cloud, answer)));
      });
      cloud.listLagMs = before;
    });
  }

  /** The call takes effect; `then` gets the answer that Fly sends. */
  #arrive<T>(flight: Flight<T>, then: (answer: Answer<T>) => void): void {
    const { call } = flight;
    this.#events.before(call);
    const handled = call.effect();
    if (typeof handled !== "function") {
      this.#took(call, handled);
      then(handled);
      return;
    }
    // Whoever waits at Fly's end is not waited for longer than the caller does.
    const cloud = this.#cloud;
    const leave = handled((answer) => {
      over();
      this.#took(call, answer);
      then(answer);
    });
    const over = cloud.clock.at(call.timeoutMs, () => {
      leave();
      this.#answer(flight, failed(noAnswer(`Fly did not answer within ${call.timeoutMs / 1_000} s`)));
    });
    call.signal?.addEventListener("abort", () => {
      over();
      leave();
    });
  }

  #took(call: Call<unknown>, answer: Answer<unknown>): void {
    this.#trace.add(
      () => `  at Fly: ${call.method} ${call.path()} ${answer.status}${answer.ok ? "" : ` ${answer.text}`}`,
    );
    this.#events.took(call, answer);
  }

  #fail<T>(flight: Flight<T>, how: Failure, latencyMs: number): void {
    const cloud = this.#cloud;
    const { timeoutMs } = flight.call;
    if (how === "timeout") {
      cloud.clock.at(timeoutMs, () =>
        this.#answer(flight, failed(noAnswer(`Fly did not answer within ${timeoutMs / 1_000} s`))),
      );
      return;
    }
    if (how === "reset" || how === "unreadable") {
      cloud.clock.at(latencyMs + RESET_MS, () =>
        this.#answer(flight, failed(noAnswer("Fly could not be reached"))),
      );
      return;
    }
    cloud.clock.at(latencyMs, () => this.#answer(flight, resultOf(cloud, FAILURES[how])));
  }

  #answer<T>(flight: Flight<T>, result: FlyResult<T>): void {
    const { deliver, call } = flight;
    if (deliver === null) return;
    flight.deliver = null;
    this.#trace.add(
      () =>
        `← ${call.method} ${call.path()} ${result.ok ? "ok" : `${result.error.kind}: ${result.error.message}`}`,
    );
    deliver(result);
  }
}

function answerOf(said: EnvSaid | null, { generation }: EnvUpdate): ControllerAnswer<EnvApplied> {
  if (said === null) return UNANSWERED;
  switch (said.status) {
    case 200: {
      const how = said.afterMs > 0 ? "gateway_restart" : "hot";
      return { kind: "answered", value: { generation, how, inEffect: said.inEffect } };
    }
    case 404:
      return { kind: "unknown_route" };
    case 409:
      return { kind: "refused", status: 409, code: "stale_generation" };
    case 422:
      return { kind: "refused", status: 422, code: "invalid_request" };
    default:
      return said satisfies never;
  }
}

function failed(error: FlyError): FlyResult<never> {
  return { ok: false, error };
}

const HTML = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>";

const FAILURES: Record<Exclude<Failure, "reset" | "timeout" | "unreadable">, Refusal> = {
  "408": refuse(408, "deadline_exceeded: context deadline exceeded"),
  "429": refuse(429, "rate limit exceeded"),
  "429_later": { ...refuse(429, "rate limit exceeded"), retryAfterS: 7 },
  "500": refuse(500, "internal server error"),
  "502_html": { ok: false, status: 502, text: HTML, retryAfterS: null },
  "503": refuse(503, "unavailable: upstream connect error"),
  "404_plain": { ok: false, status: 404, text: "404 page not found", retryAfterS: null },
  "401": refuse(401, "Authenticate: token validation error"),
};

function placing({ action }: Call<unknown>): boolean {
  return (
    action === "createMachine" ||
    action === "startMachine" ||
    action === "updateMachine" ||
    action === "createVolume"
  );
}

function refusalOf(how: PlaceRefusal, { action }: Call<unknown>): Refusal {
  switch (how) {
    case "capacity":
      if (action === "createVolume") return REFUSALS.noVolumeRoom();
      return action === "createMachine"
        ? REFUSALS.volumeHostFull("vol_4y5gkog8p5kj839r")
        : REFUSALS.hostFull();
    case "quota":
      return REFUSALS.quota("ams");
    case "limit":
      return refuse(422, "Your organization has reached its machine limit. Please contact billing@fly.io");
    case "host_disabled":
      return refuse(
        503,
        "unavailable: deploys to this host are temporarily disabled, please try again later or check the status page: https://status.flyio.net/",
      );
    case "image":
      return refuse(
        400,
        "invalid_argument: failed to get manifest registry.fly.io/app:tag: manifest unknown [http 404]",
      );
    case "conflict":
      return REFUSALS.concurrentUpdate();
    default:
      return how satisfies never;
  }
}

const NO_HEADERS = new Headers();
const sorted = new Map<string, FlyError>();
const SORTED_MAX = 2_048;

/** The real table sorts every answer; answers that were sorted before are not sorted again. */
function resultOf<T>(cloud: Cloud, answer: Answer<T>): FlyResult<T> {
  if (answer.ok) return { ok: true, value: answer.body };
  const { status, text, retryAfterS } = answer;
  const key = `${status} ${retryAfterS ?? ""} ${text}`;
  const known = sorted.get(key);
  if (known !== undefined) return failed(known);
  const headers = retryAfterS === null ? NO_HEADERS : new Headers({ "retry-after": String(retryAfterS) });
  const error = classifyFlyAnswer(status, text, headers);
  // It is measured against real time, which is not that of the cloud.
  if (error.kind === "leased") return failed({ ...error, retryAfterMs: leftOf(text, cloud.now) });
  if (sorted.size >= SORTED_MAX) sorted.clear();
  sorted.set(key, error);
  return failed(error);
}

function leftOf(text: string, now: number): number | null {
  const until = Date.parse(/expires at ([0-9TZ:.-]+)/.exec(text)?.[1] ?? "");
  return Number.isNaN(until) ? null : Math.max(0, until - now);
}

function describe(fault: CallFault | null): string {
  return fault === null ? "" : `   ✗ ${JSON.stringify(fault)}`;
}
