/** How lines of the log look: JSON for programs, text for people (L-216). */

export type LogFormat = "auto" | "json" | "text";

const LEVELS: Readonly<Record<number, string>> = {
  20: "DEBUG",
  30: "INFO",
  40: "WARN",
  50: "ERROR",
  60: "FATAL",
};
/** Values that need no quotes. */
const PLAIN = /^[!#-<>-~]+$/;

/** `auto` is text where a person watches. */
export function isTextFormat(format: LogFormat, isTerminal: boolean): boolean {
  return format === "text" || (format === "auto" && isTerminal);
}

/** `2026-01-02T03:04:05.678Z INFO  call method=ReadService/Check ms=0.21` of a line of JSON. */
export function textOfLine(json: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const parts = [
    String(time),
    (LEVELS[Number(level)] ?? String(level)).padEnd(5),
    String(msg ?? ""),
  ];
  for (const [name, value] of Object.entries(fields)) parts.push(`${name}=${shown(value)}`);
  const stack = (err as { readonly stack?: unknown } | undefined)?.stack;
  const trace = typeof stack === "string" ? `\n  ${stack.replaceAll("\n", "\n  ")}` : "";
  return `${parts.join(" ")}${trace}\n`;
}

function shown(value: unknown): string {
  if (typeof value === "string" && PLAIN.test(value)) return value;
  return JSON.stringify(value) ?? "";
}
