/** The log of a node: a line for each thing that a person may have to look at, as JSON or as text. */
import { type Logger, pino } from "pino";
import { textOfLine } from "./call-log/log-format.js";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** @param write takes each line, with its line feed; called at once */
export function createLogger(
  level: LogLevel,
  write: (line: string) => void,
  isText = false,
): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, { write: isText ? (line) => write(textOfLine(line)) : write });
}
