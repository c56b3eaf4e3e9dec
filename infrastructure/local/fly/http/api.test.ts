import { expect, it } from "vitest";
import { ManualClock } from "../testing/manual-clock.ts";
import { image, startFly, withApp } from "../testing/fly.ts";

it("wants a token, and the right one where one is set", async () => {
  const open = await startFly();
  for (const authorization of ["", "Bearer ", "Basic dGVzdA=="]) {
    const answer = await open.call("GET", "/apps?org_slug=kilo", undefined, { authorization });
    expect([answer.status, answer.body]).toEqual([401, { error: "Authenticate: token validation error" }]);
  }
  const closed = await startFly({ token: "FlyV1 fm2_right" });
  const wrong = await closed.call("GET", "/apps?org_slug=kilo");
  expect(wrong.status).toBe(401);
  const right = await closed.call("GET", "/apps?org_slug=kilo", undefined, {
    authorization: "Bearer FlyV1 fm2_right",
  });
  expect(right.status).toBe(200);
});

it("answers an unknown route in Go's plain text", async () => {
  const fly = await startFly();
  const answer = await fly.call("GET", "/nothing/here");
  expect([answer.status, answer.body]).toEqual([404, "404 page not found\n"]);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
});

it("marks every answer, also a refusal, with a request id and the server's name", async () => {
  const fly = await startFly();
  for (const path of ["/apps?org_slug=kilo", "/apps/none", "/nothing"]) {
    const { headers } = await fly.call("GET", path);
    expect(headers.get("fly-request-id")).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}-ams$/);
    expect(headers.get("server")).toMatch(/^Fly\//);
  }
});

it.each([
  ["", "EOF"],
  ["<html>", "invalid character '<' looking for beginning of value"],
  ['{"config":', "unexpected EOF"],
  ["[]", "json: cannot unmarshal array into Go value of type struct"],
  [
    '{"config":{"image":"i","guest":{"cpus":"two"}}}',
    "json: cannot unmarshal string into Go struct field Request.config.guest.cpus of type int",
  ],
  [
    '{"config":{"image":"i","env":["A"]}}',
    "json: cannot unmarshal array into Go struct field Request.config.env of type struct",
  ],
  ['{"config":{}}', "invalid_argument: config.image is required"],
])("refuses the body %s in the words of Go", async (body, error) => {
  const fly = await startFly();
  await withApp(fly);
  const answer = await fly.call("POST", "/apps/acme/machines", body);
  expect([answer.status, answer.body]).toEqual([400, { error }]);
});

it("refuses a body that is too large, and ignores keys it does not know", async () => {
  const fly = await startFly();
  await withApp(fly);
  const large = await fly.call("POST", "/apps/acme/machines", {
    config: { image, env: { LARGE: "x".repeat(800 * 1024) } },
  });
  expect([large.status, large.body]).toEqual([400, { error: "http: request body too large" }]);
  const unknown = await fly.call("POST", "/apps/acme/machines", {
    surprise: 1,
    config: { image, surprise: { deep: true }, schedule: null },
  });
  expect(unknown.status).toBe(200);
  expect(JSON.stringify(unknown.body)).not.toContain("surprise");
});

it("limits rates per action and machine when told to", async () => {
  const clock = new ManualClock();
  const fly = await startFly({ limitsRates: true, clock });
  await withApp(fly);
  const create = async (): Promise<number> =>
    (await fly.call("POST", "/apps/acme/volumes", { name: "data" })).status;
  expect([await create(), await create(), await create(), await create()]).toEqual([200, 200, 200, 429]);
  expect((await fly.call("GET", "/apps/acme/volumes")).status).toBe(200);
  await clock.advance(1000);
  expect([await create(), await create()]).toEqual([200, 429]);
});

it("names the regions in PascalCase", async () => {
  const fly = await startFly();
  expect((await fly.call("GET", "/platform/regions")).body).toMatchObject({
    Nearest: "ams",
    Regions: expect.arrayContaining([expect.objectContaining({ code: "cdg" })]),
  });
});
