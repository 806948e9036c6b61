/** The log of a node: JSON lines, one for each thing that a person may have to look at. */
import { type Logger, pino } from "pino";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** @param write takes each line, with its line feed; called at once, so that a crash loses no line */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
}
