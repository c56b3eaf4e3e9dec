import { z } from "zod";

/** A structured log line of the Worker (`event`) or the controller (`message`), after an optional word of its sender. */
const STRUCTURED = /^(?<sender>\S+ )?(?<json>\{.*\})$/u;

const Structured = z.looseObject({
  message: z.string().optional(),
  event: z.string().optional(),
  room: z.string().optional(),
});

/** Fields that the terminal's reader sees otherwise or has no use for. */
const LEFT_OUT = new Set(["time", "level", "message", "event", "room", "source", "stream"]);

/** The line as a person reads it: a structured one becomes its message and `field=value`, any other stays as it is. */
export function readableLine(line: string): string {
  const { sender = "", json } = STRUCTURED.exec(line)?.groups ?? {};
  const fields = json === undefined ? null : parse(json);
  const what = fields?.message ?? fields?.event;
  if (fields === null || what === undefined) return line;
  const details = Object.entries(fields)
    .filter(([name, value]) => !LEFT_OUT.has(name) && value !== null)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const room = fields.room === undefined ? "" : `${fields.room}: `;
  return `${sender}${room}${[what, ...details].join(" ")}`;
}

function parse(json: string): z.output<typeof Structured> | null {
  try {
    return Structured.parse(JSON.parse(json));
  } catch {
    return null;
  }
}
