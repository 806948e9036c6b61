/**
 * Notes beside the data, on standard error: as text for people, or with `--log-format json` as one JSON object a
 * line for programs that collect what commands say.
 */
import { type JsonValue, jsonText } from "../output/json-value.js";

/** `auto`: text where a person watches, else JSON. */
export const LOG_FORMATS = ["text", "json", "auto"] as const;
export type LogFormat = "text" | "json";

/** One JSON line, with time and level first. */
export function jsonNote(
  level: "info" | "error",
  fields: Readonly<Record<string, JsonValue>>,
): string {
  return `${jsonText({ time: new Date().toISOString(), level, ...fields })}\n`;
}

/** The writer that commands are given: lines of text become JSON lines; what is a JSON line already stays. */
export function noteWriter(err: (text: string) => void, format: LogFormat): (text: string) => void {
  if (format === "text") return err;
  return (text) => {
    for (const line of text.split("\n")) {
      if (line.trim() === "") continue;
      err(line.startsWith("{") ? `${line}\n` : jsonNote("info", { msg: line.trim() }));
    }
  };
}
