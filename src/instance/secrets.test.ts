import { beforeAll, describe, expect, it } from "vitest";
import { createSecretBox, type SecretBox } from "../crypto/secret-box.ts";
import { newPrivateKey } from "../crypto/testing/private-key.ts";
import { type KeeperStage, keeperStage } from "./testing/keeper-stage.ts";

const ABSENT = { kind: "absent" } as const;
const NO_KEY = createSecretBox({ current: null, previous: null });

let first: string;
let second: string;

beforeAll(async () => {
  [first, second] = await Promise.all([newPrivateKey(), newPrivateKey()]);
});

/** An instance whose Worker has the keys that `use` gives it last. */
function stage(userId: string): KeeperStage & { use: (box: SecretBox) => void } {
  let box = createSecretBox({ current: first, previous: null });
  const secretBox: SecretBox = {
    publicKey: () => box.publicKey(),
    open: (sealed, sealedFor) => box.open(sealed, sealedFor),
    seal: (value, sealedFor) => box.seal(value, sealedFor),
    isCurrent: (sealed) => box.isCurrent(sealed),
  };
  const made = keeperStage(userId, () => ABSENT, { secretBox });
  return {
    ...made,
    use: (next) => {
      box = next;
    },
  };
}

async function secretsOf(userId: string, names: string[]): Promise<Record<string, string>> {
  const box = createSecretBox({ current: first, previous: null });
  const entries = names.map(async (name) => [name, (await box.seal("value", { name, userId })) ?? ""]);
  return Object.fromEntries(await Promise.all(entries));
}

describe("a machine", () => {
  it("S04: is not started without its secrets while they can't be opened, nothing is deleted, and it starts once they can", async () => {
    const userId = "secrets-locked";
    const at = stage(userId);
    await at.keeper.provision({ userId, encryptedSecrets: await secretsOf(userId, ["A", "B"]) });
    at.use(createSecretBox({ current: second, previous: null }));
    const hindered = await at.keeper.start(userId);
    expect(hindered).toMatchObject({ kind: "hindered", status: "starting", code: "secrets_unreadable" });
    expect(at.state()?.lastError?.message).toContain("A, B");
    // Often enough for every patience with a machine that refuses to have run out.
    for (let tries = 0; tries < 12; tries += 1) {
      at.clock.letPass(60_000);
      await at.keeper.alarm();
    }
    expect(await at.machines()).toEqual([]);
    expect(at.state()?.lastError).toMatchObject({ code: "secrets_unreadable" });
    expect(at.whatOf("step").filter((what) => /delete|destroy/.test(what))).toEqual([]);

    at.use(createSecretBox({ current: second, previous: first }));
    expect(await at.keeper.start(userId)).toEqual({ kind: "settled", status: "running" });
    await at.keeper.destroy(userId);
  });

  it("that runs goes on with what it has while changed settings can't be opened", async () => {
    const userId = "secrets-running";
    const at = stage(userId);
    await at.keeper.provision({ userId, encryptedSecrets: await secretsOf(userId, ["A"]) });
    await at.keeper.start(userId);
    const [machine] = await at.machines();
    at.use(createSecretBox({ current: second, previous: null }));
    expect(await at.keeper.restart(userId)).toMatchObject({ kind: "hindered", code: "secrets_unreadable" });
    for (let tries = 0; tries < 12; tries += 1) {
      at.clock.letPass(60_000);
      await at.keeper.alarm();
    }
    expect(await at.machines()).toMatchObject([{ id: machine?.id, state: "started" }]);
    await at.keeper.destroy(userId);
  });
});

describe("without a private key", () => {
  it("an instance takes plain values, refuses sealed ones, and loses nothing by it", async () => {
    const userId = "secrets-keyless";
    const at = stage(userId);
    at.use(NO_KEY);
    await at.keeper.provision({ userId, kilocodeApiKey: "plain" });
    const encryptedSecrets = await secretsOf(userId, ["A"]);
    expect(await at.keeper.provision({ userId, encryptedSecrets })).toEqual({ kind: "no_secrets_key" });
    expect(await at.keeper.configure(userId, { encryptedSecrets })).toEqual({ kind: "no_secrets_key" });
    expect(at.state()?.settings).toMatchObject({ kilocodeApiKey: "plain", encryptedSecrets: {} });
    await at.keeper.destroy(userId);
  });
});

describe("changed settings", () => {
  it("are refused while what is stored is not known, or is lost", async () => {
    const userId = "secrets-lost";
    const at = stage(userId);
    await at.keeper.provision({ userId });
    const state = at.state();
    if (state === null) throw new Error("no record");
    at.put({ ...state, settingsLost: true });
    expect(await at.keeper.configure(userId, { kilocodeApiKey: "k" })).toEqual({ kind: "settings_lost" });
    const recovery = { since: 0, empty: null, adoptsIntent: true, appSearched: false, mayEnd: false };
    at.put({ ...state, recovery });
    expect(await at.keeper.configure(userId, { kilocodeApiKey: "k" })).toEqual({ kind: "recovering" });
    at.put(state);
    await at.keeper.destroy(userId);
    expect(await at.keeper.configure(userId, { kilocodeApiKey: "k" })).toEqual({ kind: "not_provisioned" });
  });
});

describe("a rotation", () => {
  it("leaves nothing sealed for the previous key, and a machine in an app for all as it is", async () => {
    const userId = "secrets-rotated";
    const at = stage(userId);
    await at.keeper.provision({ userId, encryptedSecrets: await secretsOf(userId, ["A", "B"]) });
    await at.keeper.start(userId);
    const before = at.state();
    at.use(createSecretBox({ current: second, previous: first }));
    expect(await at.keeper.rotate(userId)).toEqual({ kind: "settled", status: "running" });
    expect(at.state()).toMatchObject({ generation: before?.generation, epoch: before?.epoch });
    const alone = createSecretBox({ current: second, previous: null });
    at.use(alone);
    for (const [name, sealed] of Object.entries(at.state()?.settings.encryptedSecrets ?? {})) {
      expect(await alone.open(sealed, { name, userId })).toEqual({ kind: "opened", value: "value" });
    }
    // Nothing is new to a start that comes after it.
    await at.keeper.start(userId);
    expect(at.state()?.generation).toBe(before?.generation);
    expect(await at.keeper.restart(userId)).toMatchObject({ kind: "settled", status: "running" });
    await at.keeper.destroy(userId);
  });

  it("is not undone by an app that still seals for the previous key", async () => {
    const userId = "secrets-late";
    const at = stage(userId);
    at.use(createSecretBox({ current: second, previous: first }));
    await at.keeper.provision({ userId, encryptedSecrets: await secretsOf(userId, ["A"]) });
    const { A = "" } = at.state()?.settings.encryptedSecrets ?? {};
    expect(await createSecretBox({ current: second, previous: null }).isCurrent(A)).toBe(true);
    await at.keeper.configure(userId, { encryptedSecrets: await secretsOf(userId, ["A"]) });
    expect(at.state()).toMatchObject({ generation: 1, settings: { encryptedSecrets: { A } } });
    await at.keeper.destroy(userId);
  });

  it("changes nothing while a value can't be opened", async () => {
    const userId = "secrets-unrotated";
    const at = stage(userId);
    await at.keeper.provision({ userId, encryptedSecrets: await secretsOf(userId, ["A", "B"]) });
    const before = at.state();
    at.use(createSecretBox({ current: second, previous: null }));
    expect(await at.keeper.rotate(userId)).toEqual({ kind: "secrets_unreadable", names: ["A", "B"] });
    at.use(NO_KEY);
    expect(await at.keeper.rotate(userId)).toEqual({ kind: "no_secrets_key" });
    expect(at.state()).toEqual(before);
    await at.keeper.destroy(userId);
    expect(await at.keeper.rotate(userId)).toEqual({ kind: "not_provisioned" });
  });
});
