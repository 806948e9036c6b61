/** YAML 1.2 of JSON values: block style, every string quoted as JSON is, so that nothing is mistaken for another type. */
import { type JsonValue, jsonText } from "./json-value.js";

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @example yamlOf({ height: "7" }) // height: "7"\n */
export function yamlOf(value: JsonValue): string {
  return `${lines(value).join("\n")}\n`;
}

function lines(value: JsonValue): string[] {
  if (Array.isArray(value)) {
    if (value.length === 0) return ["[]"];
    return (value as readonly JsonValue[]).flatMap((item) => indented("- ", lines(item)));
  }
  if (value === null || typeof value !== "object") return [jsonText(value)];
  const fields = Object.entries(value);
  if (fields.length === 0) return ["{}"];
  return fields.flatMap(([name, field]) => {
    const key = PLAIN_KEY.test(name) ? name : jsonText(name);
    const below = lines(field);
    if (!isBlock(field)) return [`${key}: ${below[0]}`];
    return [`${key}:`, ...below.map((line) => `  ${line}`)];
  });
}

function isBlock(value: JsonValue): boolean {
  return value !== null && typeof value === "object" && Object.keys(value).length > 0;
}

function indented(mark: string, below: string[]): string[] {
  return below.map((line, i) => (i === 0 ? mark : " ".repeat(mark.length)) + line);
}
