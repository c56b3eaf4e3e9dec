import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import { z } from "zod";
import type { Answer } from "./fly.ts";

interface LiveDiffers {
  undeclaredBodies: string[];
  undeclaredErrors: number[];
  undeclaredKeys: Record<string, Record<string, unknown>>;
  nullable: string[];
  wrappedLeases: string[];
  openEnum: string;
}

/** Where live Fly is known to differ from its own spec (contracts/fly-machines-api §12.3 and §13). */
const liveDiffers: LiveDiffers = {
  /** Declared without a body, though live answers have one. */
  undeclaredBodies: [
    "POST /apps 201",
    "POST /apps/{app_name}/machines/{machine_id}/start 200",
    "POST /apps/{app_name}/machines/{machine_id}/stop 200",
    "POST /apps/{app_name}/machines/{machine_id}/suspend 200",
    "POST /apps/{app_name}/machines/{machine_id}/restart 200",
    "POST /apps/{app_name}/machines/{machine_id}/signal 200",
    "POST /apps/{app_name}/machines/{machine_id}/cordon 200",
    "POST /apps/{app_name}/machines/{machine_id}/uncordon 200",
    "DELETE /apps/{app_name}/machines/{machine_id} 200",
    "DELETE /apps/{app_name}/machines/{machine_id}/lease 200",
    "POST /apps/{app_name}/volumes/{volume_id}/snapshots 200",
  ],
  /** Not declared for any operation, or for few; they come in the spec's ErrorResponse. */
  undeclaredErrors: [400, 401, 403, 404, 408, 409, 412, 422, 429, 503],
  /** Keys that live shows, or takes, and the spec does not know. */
  undeclaredKeys: {
    CreateAppRequest: { app_name: { type: "string" } },
    Machine: { version: { type: "string" }, cordoned: { type: "boolean" } },
    Volume: { host_dedication_key: { type: "string" } },
    "main.regionResponse": {
      // In PascalCase, and not as declared.
      Nearest: { type: "string" },
      Regions: { type: "array", items: { $ref: "fly#/components/schemas/main.regionRow" } },
    },
  },
  /** Declared as plain types; live sends null. */
  nullable: [
    "Volume.attached_machine_id",
    "Volume.attached_alloc_id",
    "MachineEvent.request",
    "ImageRef.labels",
  ],
  /** Declared flat; live wraps it into `{status, data}`. */
  wrappedLeases: [
    "POST /apps/{app_name}/machines/{machine_id}/lease 201",
    "GET /apps/{app_name}/machines/{machine_id}/lease 200",
  ],
  /** An enum in the spec; live has more values, such as `name_taken`. */
  openEnum: "main.statusCode",
};

const contentSchema = z.record(z.string(), z.looseObject({ schema: z.looseObject({}).optional() }));
const operationSchema = z.looseObject({
  requestBody: z.looseObject({ content: contentSchema }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: contentSchema.optional() })),
});
const schemaObject = z.looseObject({
  type: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});
const specSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), schemaObject) }),
});

/** Fly's OpenAPI spec. What does not agree with it is told in sentences; none means all is well. */
export interface FlySpec {
  deviationsOfRequest(method: string, template: string, body: unknown): string[];
  deviationsOfAnswer(method: string, template: string, answer: Answer): string[];
}

/** Reads the spec, with every object closed, so that an undeclared key deviates, and with the known differences. */
export async function loadFlySpec(): Promise<FlySpec> {
  const text = await readFile(new URL("../testdata/fly-openapi.json", import.meta.url), "utf8");
  const spec = specSchema.parse(JSON.parse(text.replaceAll('"#/components/', '"fly#/components/')));
  for (const [name, schema] of Object.entries(spec.components.schemas)) close(name, schema);
  spec.components.schemas[liveDiffers.openEnum] = { type: "string" };
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema(spec, "fly");

  const deviations = (schema: object, value: unknown, what: string): string[] => {
    const validate = ajv.compile(schema);
    if (validate(value)) return [];
    return [`${what}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`];
  };
  const operationOf = (method: string, template: string): z.infer<typeof operationSchema> => {
    const operation = spec.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error(`${method} ${template} is not in the spec.`);
    return operation;
  };

  return {
    deviationsOfRequest(method, template, body) {
      const schema = operationOf(method, template).requestBody?.content["application/json"]?.schema;
      const what = `${method} ${template}`;
      return schema === undefined ? [`${what} takes no body`] : deviations(schema, body, what);
    },
    deviationsOfAnswer(method, template, { status, headers, body }) {
      const key = `${method} ${template} ${status}`;
      const declared = operationOf(method, template).responses[String(status)];
      const found = headers.has("fly-request-id") ? [] : [`${key} has no fly-request-id`];
      if (status >= 400) {
        const isKnown = declared !== undefined || liveDiffers.undeclaredErrors.includes(status);
        if (!isKnown) found.push(`${key} is not declared`);
        return [...found, ...deviations(errorEnvelope, body, key)];
      }
      if (declared === undefined) return [...found, `${key} is not declared`];
      const schema = declared.content?.["application/json"]?.schema;
      if (schema === undefined) {
        const mayHaveBody = body === "" || liveDiffers.undeclaredBodies.includes(key);
        return mayHaveBody ? found : [...found, `${key} has a body`];
      }
      const expected = liveDiffers.wrappedLeases.includes(key) ? wrapped(schema) : schema;
      return [...found, ...deviations(expected, body, key)];
    },
  };
}

const errorEnvelope = { $ref: "fly#/components/schemas/ErrorResponse", required: ["error"] };

function close(name: string, schema: z.infer<typeof schemaObject>): void {
  if (schema.type !== "object" || schema.properties === undefined) return;
  Object.assign(schema.properties, liveDiffers.undeclaredKeys[name]);
  for (const nullable of liveDiffers.nullable) {
    const [owner, key = ""] = nullable.split(".");
    if (owner !== name) continue;
    schema.properties[key] = { anyOf: [schema.properties[key], { type: "null" }] };
  }
  schema["additionalProperties"] = false;
}

function wrapped(schema: object): object {
  return {
    type: "object",
    required: ["status", "data"],
    properties: { status: { const: "success" }, data: schema },
    additionalProperties: false,
  };
}
