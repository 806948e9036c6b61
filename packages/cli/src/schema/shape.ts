/** Shapes of what commands print with `-o json`, and the JSON Schema (draft 2020-12) that says the same to programs. */
import type { JsonValue } from "../output/json-value.js";

type Schema = { readonly [name: string]: JsonValue };

/** What commands print, by the letters that shapes are written with. */
const KINDS = {
  text: { type: "string" },
  /** 64 bits, as text so that no digit is lost. */
  u64: { type: "string", pattern: "^(0|[1-9][0-9]{0,19})$" },
  i64: { type: "string", pattern: "^(0|-?[1-9][0-9]{0,19})$" },
  int: { type: "integer" },
  num: { type: "number" },
  bool: { type: "boolean" },
  /** RFC 3339 in UTC. */
  time: { type: "string", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$" },
  hex: { type: "string", pattern: "^([0-9a-f]{2})*$" },
  hexes: { type: "array", items: { type: "string", pattern: "^([0-9a-f]{2})*$" } },
  texts: { type: "array", items: { type: "string" } },
  objects: { type: "array", items: { type: "object" } },
  object: { type: "object" },
  any: {},
} as const satisfies Readonly<Record<string, Schema>>;

/** What one command prints. */
export interface Shape {
  /** One document, or a line for each thing. */
  readonly output: "document" | "lines";
  /** `name:kind`; `?` behind the name: may be absent, behind the kind: may be null. */
  readonly fields: string;
}

export function schemaOf(path: string, { output, fields }: Shape): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const field of fields.split(/\s+/)) {
    const [, name = "", optional, kind = "", nullable] =
      /^([a-z0-9_]+)(\??):([a-z0-9]+)(\??)$/.exec(field) ?? [];
    const schema: Schema = KINDS[kind as keyof typeof KINDS] ?? {};
    properties[name] = nullable === "?" ? { anyOf: [schema, { type: "null" }] } : schema;
    if (optional !== "?") required.push(name);
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `authledger ${path}`,
    description:
      output === "document" ? "one document" : "of each line: one thing, written as it comes",
    type: "object",
    properties,
    required,
    additionalProperties: false,
  };
}
