import { describe, expect, it } from "vitest";
import { readEnvironment } from "./environment.ts";

describe("the environment of start", () => {
  it("takes what is set and takes an empty variable for an absent one", () => {
    expect(
      readEnvironment({ DATABASE_URL: "postgres://a:b@db/x", KILOCODE_API_KEY: "", PATH: "/bin" }),
    ).toEqual({
      DATABASE_URL: "postgres://a:b@db/x",
    });
  });

  it("names the variable that can't be used, and not its value", () => {
    const env = { DATABASE_URL: "mysql://user:hunter2@db/x" };
    expect(() => readEnvironment(env)).toThrow("DATABASE_URL is not a postgres:// URL.");
    expect(() => readEnvironment(env)).not.toThrow("hunter2");
  });
});
