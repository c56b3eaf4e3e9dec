export type PostgresFailure =
  | "unsupported_platform"
  | "init_failed"
  | "unusable_data"
  | "in_use"
  | "start_failed"
  | "unreachable"
  | "migration_changed"
  | "migration_failed";

/** Why the database is not there, in a sentence for the person at the terminal. Carries no password. */
export class PostgresError extends Error {
  override readonly name = "PostgresError";
  readonly failure: PostgresFailure;

  constructor(failure: PostgresFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
