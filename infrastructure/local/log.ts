export type LogLevel = "debug" | "info" | "warn" | "error";

/** Takes one line of a part's log, without a line end. It must not throw. */
export type Log = (level: LogLevel, line: string) => void;
