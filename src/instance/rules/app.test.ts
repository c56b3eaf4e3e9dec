import { describe, expect, it } from "vitest";
import { decide } from "../decide.ts";
import { appNameOf } from "../names.ts";
import type { ObservedApp } from "../observation.ts";
import type { InstanceState } from "../state.ts";
import {
  absent,
  doomed,
  freeVolume,
  longEmpty,
  none,
  noVolume,
  NOW,
  openCreate,
  overCreate,
  ownAppAt,
  record,
  recovery,
  saw,
  unknown,
} from "../testing/records.ts";

type OwnApp = NonNullable<InstanceState["ownApp"]>;

const own = ({ stage = "wanted", ...fields }: Partial<OwnApp> = {}): OwnApp => ownAppAt(stage, fields);
const ours = (hasV4: boolean, hasV6: boolean): ObservedApp => ({ kind: "ours", hasV4, hasV6 });
const stranger: ObservedApp = { kind: "stranger" };

const sawApp = (app: ObservedApp) => saw(none, none, none, { app });

describe.each(["running", "stopped"] as const)(
  "before everything else of an instance that is to be %s",
  (intent) => {
    const decideOn = (app: ObservedApp, ownApp: Partial<OwnApp> = {}, fields: Partial<InstanceState> = {}) =>
      decide(record({ intent, ownApp: own(ownApp), ...fields }), sawApp(app), NOW);

    it("the tenant's app is made under its name", () => {
      expect(decideOn(none)).toMatchObject({ step: { kind: "create_app", name: "app" } });
    });

    it("a create that nobody answered is waited for, and repeated when nothing can come of it any more", () => {
      expect(decideOn(absent, {}, { creating: openCreate("app") })).toMatchObject({
        kind: "wait",
        on: "time",
      });
      expect(decideOn(absent, {}, { creating: overCreate("app") })).toMatchObject({
        step: { kind: "create_app" },
      });
    });

    it("an app of the name that is ours is taken over", () => {
      expect(decideOn(ours(false, false))).toMatchObject({ step: { kind: "adopt_app" } });
    });

    it("an app of the name that is a stranger's is left alone, and another name is taken", () => {
      expect(decideOn(stranger)).toMatchObject({
        step: { kind: "rename_app", renames: 1, name: appNameOf("user-1", 1) },
      });
      expect(decideOn(stranger, { renames: 4 })).toMatchObject({ step: { name: appNameOf("user-1", 5) } });
    });

    it("a name that is taken again and again by nobody is given up for another", () => {
      expect(decideOn(absent, {}, { nameConflicts: 3 })).toMatchObject({ step: { kind: "create_app" } });
      expect(decideOn(absent, {}, { nameConflicts: 4 })).toMatchObject({ step: { kind: "rename_app" } });
    });

    it("names end after five, and the user reads why", () => {
      expect(decideOn(stranger, { renames: 5 })).toMatchObject({
        kind: "wait",
        problem: { code: "app_name_taken" },
      });
    });

    it("an app that can't be asked for leads to nothing", () => {
      for (const stage of ["wanted", "created"] as const) {
        expect(decideOn(unknown, { stage })).toMatchObject({ kind: "wait", failed: true });
      }
    });

    it("the app gets its addresses, and then the key, one after the other", () => {
      const next = (app: ObservedApp) => decideOn(app, { stage: "created" });
      expect(next(ours(false, false))).toMatchObject({ step: { kind: "assign_address", type: "shared_v4" } });
      expect(next(ours(true, false))).toMatchObject({ step: { kind: "assign_address", type: "v6" } });
      expect(next(ours(false, true))).toMatchObject({ step: { kind: "assign_address", type: "shared_v4" } });
      expect(next(ours(true, true))).toMatchObject({ step: { kind: "set_secret" } });
    });

    it("a new app that is not visible yet is waited for, and not made again", () => {
      expect(decideOn(absent, { stage: "created", madeAt: NOW })).toMatchObject({
        kind: "wait",
        problem: null,
      });
      expect(decideOn(none, { stage: "created" })).toMatchObject({ kind: "wait", failed: true });
    });

    it("an app that turns out to be somebody else's is not touched", () => {
      expect(decideOn(stranger, { stage: "created" })).toMatchObject({
        kind: "wait",
        problem: { code: "app_name_taken" },
      });
    });
  },
);

it("is not asked for any more when it is ready", () => {
  const state = record({ intent: "running", ownApp: own({ stage: "ready" }) });
  expect(decide(state, saw(none, noVolume), NOW)).toMatchObject({ step: { kind: "create_volume" } });
});

describe("of an instance whose ids were lost", () => {
  const lost = (app: ObservedApp, ownApp: Partial<OwnApp> = {}, appSearched = false) => {
    const inventory = { kind: "seen", machines: [], volumes: [freeVolume] } as const;
    const seen = saw(none, none, none, {
      app,
      inventory: { ...inventory, machines: [], volumes: [freeVolume] },
    });
    return decide(record({ ownApp: own(ownApp), recovery: recovery({ appSearched }) }), seen, NOW);
  };

  it("the app is looked for under its first name, and under the next where that is a stranger's", () => {
    expect(lost(stranger)).toMatchObject({ step: { kind: "rename_app", renames: 1 } });
    expect(lost(ours(false, false))).toMatchObject({ step: { kind: "adopt_app" } });
  });

  it("nothing is concluded from an app that can't be asked for", () => {
    for (const app of [none, unknown]) expect(lost(app)).toMatchObject({ kind: "wait", failed: true });
  });

  it("an app that does not exist stands in no way, once every name that it could have was looked at", () => {
    expect(lost(absent)).toMatchObject({ step: { kind: "rename_app", renames: 1, isSearched: false } });
    const last = lost(absent, { renames: 5 });
    expect(last).toMatchObject({ step: { kind: "rename_app", renames: 0, isSearched: true } });
    expect(lost(absent, {}, true)).toMatchObject({ step: { kind: "recover" } });
  });
});

describe("of an instance that is to be destroyed", () => {
  const inventory = { kind: "seen", machines: [], volumes: [] } as const;
  const ended = (app: ObservedApp, fields: Partial<InstanceState> = {}) => {
    const state = doomed({ ownApp: own({ stage: "ready" }), machine: null, volume: null, ...fields });
    const seen = saw(absent, noVolume, none, { app, inventory: { ...inventory, machines: [], volumes: [] } });
    return decide(state, seen, NOW);
  };

  it("the app goes when everything in it is gone, and the record after it", () => {
    expect(ended(ours(true, true))).toMatchObject({ step: { kind: "delete_app" } });
    expect(ended(absent)).toMatchObject({ step: { kind: "erase" } });
  });

  it("a deletion that Fly accepted is waited for, and asked for again when it does not show", () => {
    const accepted = { kind: "delete_app", at: NOW - 1_000 };
    expect(ended(ours(true, true), { accepted })).toMatchObject({ kind: "wait" });
    expect(ended(ours(true, true), { accepted: { ...accepted, at: NOW - 60_000 } })).toMatchObject({
      step: { kind: "delete_app" },
    });
  });

  it("an app that a stranger has, and that was never ours, is not deleted, nor waited for", () => {
    expect(ended(stranger, { ownApp: own() })).toMatchObject({ step: { kind: "erase" } });
  });

  it("an app that was ours, and that Fly no longer shows, is waited for, since a bad token looks the same", () => {
    expect(ended(stranger)).toMatchObject({ kind: "wait", problem: { code: "fly_unauthorized" } });
  });

  it("an app that may have had to take a later name is looked for under each", () => {
    const fields = { ownApp: own(), doubtful: true, swept: longEmpty };
    expect(ended(absent, fields)).toMatchObject({ step: { kind: "rename_app", renames: 1 } });
    expect(ended(absent, { ...fields, ownApp: own({ renames: 5 }) })).toMatchObject({
      step: { kind: "erase" },
    });
  });

  it("an app that may still come of an open create is waited for", () => {
    expect(ended(absent, { creating: openCreate("app") })).toMatchObject({ kind: "wait" });
  });

  it("the record stays while the app can't be asked for", () => {
    for (const app of [none, unknown]) expect(ended(app)).toMatchObject({ kind: "wait", failed: true });
  });

  it("no app is made", () => {
    const state = doomed({ ownApp: own(), machine: null, volume: null });
    expect(decide(state, saw(absent, freeVolume), NOW)).toMatchObject({ step: { kind: "delete_volume" } });
  });
});
