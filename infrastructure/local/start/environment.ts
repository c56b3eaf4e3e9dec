import { z } from "zod";

/** What a person can change from outside; an empty variable is an absent one. */
const Environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/u, error: "is not a postgres:// URL" }).optional(),
  KILOCODE_API_KEY: z.string().optional(),
  KILOCODE_API_BASE_URL: z.url({ protocol: /^https?$/u, error: "is not an http(s) URL" }).optional(),
  KILOCODE_DEFAULT_MODEL: z.string().optional(),
  KILOCLAW_LOCAL_DIR: z.string().optional(),
});

export type Environment = z.output<typeof Environment>;

/** @throws naming the variable that can't be used, never its value. */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const read = Environment.safeParse(
    Object.fromEntries(Object.entries(env).filter(([, value]) => value !== "")),
  );
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => `${path.join(".")} ${message}.`);
  throw new Error(problems.join("\n"));
}
