import { z } from "zod";
import { readConfig } from "../config.ts";
import type {
  EventsResult,
  OperationResult,
  ProvisionResult,
  Refusal,
  SettingsRefusal,
  SettingsResult,
  StatusResult,
} from "../instance/operations.ts";
import type { PublicJwk } from "../crypto/secret-box.ts";
import { instanceOf, publicKeyOf } from "./context.ts";
import { provisionRequestSchema, settingsPatchSchema, userIdSchema } from "./requests.ts";
import { GatewayPlatform, invalid, type InvalidRequest } from "./rpc-gateway.ts";

type Refused = Extract<Refusal | SettingsRefusal, { kind: "misconfigured" | "no_secrets_key" }>;

const EVENTS_MAX = 500;
const settingsRequestSchema = z.object({ userId: userIdSchema, patch: settingsPatchSchema });

/**
 * The platform's operations as typed RPC, for a Worker with a service binding to this one (docs: workers/runtime-apis/rpc).
 * The binding is the authorisation. Results are tagged values; nothing is thrown on purpose.
 */
export class KiloClawPlatform extends GatewayPlatform {
  async provision(
    request: z.input<typeof provisionRequestSchema>,
  ): Promise<ProvisionResult | InvalidRequest> {
    const parsed = provisionRequestSchema.safeParse(request);
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data.userId).provision(parsed.data);
  }

  /** Changes settings of an instance that exists: absent keeps, null removes, a value sets. */
  async configure(
    userId: string,
    patch: z.input<typeof settingsPatchSchema>,
  ): Promise<SettingsResult | InvalidRequest> {
    const parsed = settingsRequestSchema.safeParse({ userId, patch });
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data.userId).configure(parsed.data.userId, parsed.data.patch);
  }

  /** Puts the user's sealed values, and the environment of a machine in an app of its own, under new keys. */
  async rotate(userId: string): Promise<SettingsResult | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data).rotate(parsed.data);
  }

  /** The key for which `sealSecret` of kiloclaw/client seals values. */
  async publicKey(): Promise<{ kind: "public_key"; key: PublicJwk } | Refused> {
    const read = readConfig(this.env);
    if (read.kind === "misconfigured") return { kind: "misconfigured" };
    const key = await publicKeyOf(read.config);
    return key === null ? { kind: "no_secrets_key" } : { kind: "public_key", key };
  }

  async start(userId: string): Promise<OperationResult | InvalidRequest> {
    return this.#operate(userId, "start");
  }

  async stop(userId: string): Promise<OperationResult | InvalidRequest> {
    return this.#operate(userId, "stop");
  }

  async restart(userId: string): Promise<OperationResult | InvalidRequest> {
    return this.#operate(userId, "restart");
  }

  /** `force` ends a destroy that is under way though Fly may keep something of the instance. */
  async destroy(
    userId: string,
    { force }: { force: boolean } = { force: false },
  ): Promise<OperationResult | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data).destroy(parsed.data, { force });
  }

  async repair(userId: string): Promise<OperationResult | InvalidRequest> {
    return this.#operate(userId, "repair");
  }

  async status(userId: string): Promise<StatusResult | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    return parsed.success ? instanceOf(this.env, parsed.data).status() : invalid(parsed.error);
  }

  /** The newest `limit` (at most 500) lines of the instance's log, newest first. */
  async events(userId: string, limit = 100): Promise<EventsResult | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data).events(
      Math.min(Math.max(1, Math.trunc(limit) || 1), EVENTS_MAX),
    );
  }

  async #operate(
    userId: string,
    operation: "start" | "stop" | "restart" | "repair",
  ): Promise<OperationResult | InvalidRequest> {
    const parsed = userIdSchema.safeParse(userId);
    if (!parsed.success) return invalid(parsed.error);
    return instanceOf(this.env, parsed.data)[operation](parsed.data);
  }
}
