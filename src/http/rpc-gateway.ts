import { WorkerEntrypoint } from "cloudflare:workers";
import type { z } from "zod";
import { type Config, type Env, readConfig } from "../config.ts";
import type {
  Approval,
  ChannelPairing,
  ConfigReport,
  ControllerVersion,
  DevicePairing,
  Doctor,
  GatewayLog,
  GatewayStatus,
} from "../gateway/wire.ts";
import type { Refusal } from "../instance/operations.ts";
import type { SnapshotsResult } from "../instance/snapshots.ts";
import type { approveChannelOfSchema, approveDeviceOfSchema } from "./gateway-requests.ts";
import { askMachine, type MachineCall, machineCalls as calls, type MachineResult } from "./machine-calls.ts";
import { type GatewayTokenResult, gatewayTokenOf, snapshotsOf } from "./machine-facts.ts";
import { userIdSchema } from "./requests.ts";

export type InvalidRequest = { kind: "invalid_request"; issues: { path: string; message: string }[] };

type Answer<T> = Promise<MachineResult<T> | InvalidRequest>;

/** The part of the platform's RPC that asks an instance's machine. The requests are those of the HTTP API. */
export class GatewayPlatform extends WorkerEntrypoint<Env> {
  async pairing(userId: string, { refresh = false } = {}): Answer<ChannelPairing> {
    return this.#ask(calls.pairing, { userId, refresh: String(refresh) });
  }

  async approvePairing(request: z.input<typeof approveChannelOfSchema>): Answer<Approval> {
    return this.#ask(calls.approvePairing, request);
  }

  async devicePairing(userId: string, { refresh = false } = {}): Answer<DevicePairing> {
    return this.#ask(calls.devicePairing, { userId, refresh: String(refresh) });
  }

  async approveDevicePairing(request: z.input<typeof approveDeviceOfSchema>): Answer<Approval> {
    return this.#ask(calls.approveDevicePairing, request);
  }

  /** The last doctor, or the one that runs. */
  async doctor(userId: string): Answer<Doctor> {
    return this.#ask(calls.doctor, { userId });
  }

  async runDoctor(userId: string, { fix = false } = {}): Answer<Doctor> {
    return this.#ask(calls.runDoctor, { userId, fix });
  }

  async cancelDoctor(userId: string): Answer<Doctor> {
    return this.#ask(calls.cancelDoctor, { userId });
  }

  async controllerVersion(userId: string): Answer<ControllerVersion> {
    return this.#ask(calls.controllerVersion, { userId });
  }

  async gatewayStatus(userId: string): Answer<GatewayStatus> {
    return this.#ask(calls.gatewayStatus, { userId });
  }

  /** Starts, stops or restarts the gateway's process; the machine stays up. */
  async startGateway(userId: string): Answer<GatewayStatus> {
    return this.#ask(calls.startGateway, { userId });
  }

  async stopGateway(userId: string): Answer<GatewayStatus> {
    return this.#ask(calls.stopGateway, { userId });
  }

  async restartGateway(userId: string): Answer<GatewayStatus> {
    return this.#ask(calls.restartGateway, { userId });
  }

  async gatewayLogs(userId: string, { after = 0, limit = 200 } = {}): Answer<GatewayLog> {
    return this.#ask(calls.gatewayLogs, { userId, after, limit });
  }

  async configReport(userId: string): Answer<ConfigReport> {
    return this.#ask(calls.configReport, { userId });
  }

  async gatewayToken(userId: string): Promise<GatewayTokenResult | InvalidRequest> {
    return this.#about(userId, gatewayTokenOf);
  }

  async volumeSnapshots(userId: string): Promise<SnapshotsResult | Refusal | InvalidRequest> {
    return this.#about(userId, snapshotsOf);
  }

  async #ask<I extends { userId: string }, T>(call: MachineCall<I, T>, request: unknown): Answer<T> {
    const input = call.schema.safeParse(request);
    if (!input.success) return invalid(input.error);
    const read = readConfig(this.env);
    if (read.kind === "misconfigured") return { kind: "misconfigured" };
    return askMachine(this.env, read.config, input.data.userId, (gateway) => call.ask(gateway, input.data));
  }

  async #about<T>(
    userId: string,
    tell: (env: Env, config: Config, userId: string) => Promise<T>,
  ): Promise<T | { kind: "misconfigured" } | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    if (!parsed.success) return invalid(parsed.error);
    const read = readConfig(this.env);
    return read.kind === "misconfigured"
      ? { kind: "misconfigured" }
      : tell(this.env, read.config, parsed.data);
  }
}

/** The fields that are wrong, never their values. */
export function invalid(error: z.ZodError): InvalidRequest {
  return {
    kind: "invalid_request",
    issues: error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join("."), message })),
  };
}
