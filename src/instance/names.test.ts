import { expect, it } from "vitest";
import { appNameOf, isMachineNameOf, machineNameOf } from "./names.ts";

const LONG = "x".repeat(63);

it("names a tenant's own app in Fly's alphabet and length, the same each time", () => {
  for (const userId of ["user-1", "Ünïcode", "x".repeat(1_000)]) {
    expect(appNameOf(userId, 0)).toMatch(/^kc-[0-9a-f]{40}$/);
    expect(appNameOf(userId, 0)).toBe(appNameOf(userId, 0));
  }
});

it("gives every tenant and every rename an app name of its own", () => {
  const names = ["a", "b", "a,1", '["a",1]', "1"].flatMap((userId) =>
    [0, 1, 2, 11].map((renames) => appNameOf(userId, renames)),
  );
  expect(new Set(names).size).toBe(names.length);
});

it("names the first machine by the sandbox id, and later ones by names that are no sandbox id", () => {
  expect(machineNameOf("dXNlci0x", 0)).toBe("dXNlci0x");
  const later = ["dXNlci0x", LONG].flatMap((id) => [1, 2, 10].map((n) => machineNameOf(id, n)));
  for (const name of later) {
    expect(name).toMatch(/^r_[0-9a-f]{59}$/);
    // Neither base64url without padding nor as long as the hashed form of a sandbox id.
    expect(name.length % 4).toBe(1);
    expect(name).not.toHaveLength(45);
  }
  expect(new Set(later).size).toBe(later.length);
  expect(machineNameOf(LONG, 3)).toBe(machineNameOf(LONG, 3));
});

it("knows the names of an instance's machines, up to a few that a lost record may not know of", () => {
  const isName = (n: number, lastN: number) =>
    isMachineNameOf("dXNlci0x", machineNameOf("dXNlci0x", n), lastN);
  expect([isName(0, 0), isName(7, 0), isName(8, 0), isName(9, 2)]).toEqual([true, true, false, true]);
  expect(isMachineNameOf("dXNlci0x", machineNameOf("bmVpZ2hib3Vy", 1), 9)).toBe(false);
  expect(isMachineNameOf("dXNlci0x", "", 9)).toBe(false);
});
