import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CheckedCloud, createBody, machines, type StartCloud } from "../cloud.ts";

const nameTaken = [422, "Validation failed: Name has already been taken", "name_taken"];

export function describeApps(start: StartCloud): void {
  describe("apps", () => {
    it("are made once, with their network, and can be seen", async () => {
      const cloud = await CheckedCloud.start(start);
      const body = { name: "second", org_slug: "kilo", network: "net-second" };
      const made = await cloud.call("POST", "/apps", { body });
      expect(made).toMatchObject({
        status: 201,
        body: { id: expect.any(String), created_at: expect.any(Number) },
      });
      expect(await cloud.refusal("POST", "/apps", { body })).toEqual(nameTaken);
      expect(await cloud.ok("GET", "/apps/second")).toMatchObject({
        name: "second",
        network: "net-second",
        organization: { slug: "kilo" },
      });
    });

    it("are not found, with all that would be in them, when they are not there", async () => {
      const cloud = await CheckedCloud.start(start);
      for (const path of ["/apps/none", "/apps/none/machines", "/apps/none/volumes"]) {
        expect(await cloud.refusal("GET", path)).toEqual([404, "app not found"]);
      }
      expect(await cloud.refusal("POST", "/apps/none/machines", { body: createBody({}) })).toEqual([
        404,
        "app not found",
      ]);
    });

    it("are for those with a token, and in words of Go where there is no route", async () => {
      const { served } = await CheckedCloud.start(start);
      const ask = async (path: string, headers: Record<string, string>): Promise<[number, string]> => {
        const response = await fetch(`${served.baseUrl}${path}`, { headers });
        return [response.status, (await response.text()).trim()];
      };
      const noToken = '{"error":"Authenticate: token validation error"}';
      expect(await ask("/v1/apps/acme", {})).toEqual([401, noToken]);
      const headers = { authorization: `Bearer ${served.token}` };
      expect(await ask("/v1/no/such/route", headers)).toEqual([404, "404 page not found"]);
    });

    it("of another organization cannot be seen, and their names are taken", async () => {
      const cloud = await CheckedCloud.start(start);
      await cloud.served.happen({ kind: "foreign_app", app: "theirs" });
      expect((await cloud.call("GET", "/apps/theirs")).status).toBe(403);
      const body = { name: "theirs", org_slug: "kilo" };
      expect(await cloud.refusal("POST", "/apps", { body })).toEqual(nameTaken);
    });

    it("go with all that is in them, a while after they are deleted", async () => {
      const cloud = await CheckedCloud.start(start);
      const { machine } = await cloud.started();
      const deleted = await cloud.call("DELETE", "/apps/acme", { query: "?force=true" });
      expect(deleted).toMatchObject({ status: 202, body: "" });
      await cloud.eventually(
        "the app is gone",
        async () => (await cloud.call("GET", "/apps/acme")).status === 404,
      );
      expect((await cloud.call("GET", `${machines}/${machine.id}`)).status).toBe(404);
      const body = { name: "acme", org_slug: "kilo" };
      expect((await cloud.call("POST", "/apps", { body })).status).toBe(201);
      expect(await cloud.list()).toEqual([]);
      expect(await cloud.listVolumes()).toEqual([]);
    });

    it("get their addresses", async () => {
      const cloud = await CheckedCloud.start(start);
      const path = "/apps/acme/ip_assignments";
      expect(await cloud.ok("GET", path)).toEqual({ ips: [] });
      for (const type of ["shared_v4", "v6"]) await cloud.ok("POST", path, { body: { type } });
      expect(await cloud.ok("GET", path)).toMatchObject({
        ips: [
          { ip: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/), shared: true },
          { ip: expect.stringMatching(/:/), shared: false },
        ],
      });
    });

    it("count the versions of their secrets, which a machine can insist on", async () => {
      const cloud = await CheckedCloud.start(start);
      const set = async (): Promise<number> => {
        const answer = await cloud.call("POST", "/apps/acme/secrets/KEY", { body: { value: "v" } });
        expect(answer.status).toBe(201);
        expect(JSON.stringify(answer.body)).not.toContain('"v"');
        return z.looseObject({ version: z.number() }).parse(answer.body).version;
      };
      const version = await set();
      expect(await set()).toBe(version + 1);
      const create = (wanted: number) =>
        cloud.call("POST", machines, { body: createBody({ min_secrets_version: wanted }) });
      expect(await create(version + 2)).toMatchObject({
        status: 412,
        body: { error: expect.stringContaining(`min_secrets_version ${version + 2} is not yet available`) },
      });
      await cloud.eventually("the secrets are there", async () => (await create(version + 1)).status === 200);
    });
  });
}
