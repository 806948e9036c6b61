/** All fields of a node's configuration at once: their names, their JSON Schema, an example, and how text becomes a value. */
import { LedgerError, suggestion } from "@authledger/types";
import { z } from "zod";
import { issuerOfText } from "../authn/auth-settings.js";
import { FIXED_FIELDS } from "../config.js";
import { RUNTIME_FIELD_NAMES, RUNTIME_FIELDS } from "./runtime-fields.js";

/** Every field: those of the start, then those that may change while a node runs. */
export const CONFIG_FIELDS: readonly string[] = [
  ...Object.keys(FIXED_FIELDS),
  ...RUNTIME_FIELD_NAMES,
];

/** The JSON Schema of a configuration file (L-50). */
export function configJsonSchema(): object {
  const live = RUNTIME_FIELD_NAMES.map((name) => {
    const { schema, doc, text, default: fallback } = RUNTIME_FIELDS[name];
    const shown = `${doc} Default ${(text as (value: unknown) => string)(fallback)}.`;
    return [name, schema.optional().describe(shown)] as const;
  });
  const all = z.strictObject({ ...FIXED_FIELDS, ...Object.fromEntries(live) });
  return z.toJSONSchema(all, { io: "input", unrepresentable: "any" });
}

/** A file with every field and its default, commented out; YAML. */
export function configExample(): string {
  const fixed = Object.entries(FIXED_FIELDS).map(([name, schema]) => {
    const value = schema.safeParse(undefined).data;
    return `# ${name}:${value === undefined ? "" : ` ${JSON.stringify(value)}`}`;
  });
  const live = RUNTIME_FIELD_NAMES.map((name) => {
    const { doc, text, default: fallback } = RUNTIME_FIELDS[name];
    return `# ${doc}\n# ${name}: ${(text as (value: unknown) => string)(fallback)}`;
  });
  const head =
    "# authledger start --config <this file>. Flags and AUTHLEDGER_<FIELD> go before it.";
  const note = "# What may change while the node runs: on SIGHUP this file is read again.";
  return [head, "", ...fixed, "", note, ...live, ""].join("\n");
}

/** A field as an environment variable is called: `logLevel` is AUTHLEDGER_LOG_LEVEL. */
export function configVariable(name: string): string {
  return `AUTHLEDGER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/**
 * Text as the field takes it: itself, or the number, truth value or list that it stands for. Issuers are written as the flag takes
 * them, with semicolons between.
 * @throws LedgerError USAGE for an issuer that is none
 */
export function configValueOfText(name: string, text: string): unknown {
  const schema = FIXED_FIELDS[name];
  if (schema === undefined || schema.safeParse(text).success) return text;
  if (text === "true" || text === "false") return text === "true";
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  if (name === "jwt") return text.split(";").map(issuerOfText);
  const list = text.split(",");
  return schema.safeParse(list).success ? list : text;
}

/** @throws LedgerError CONFIG_INVALID for a field that does not exist, with the one that was meant */
export function requireConfigFields(fields: object, where: string): void {
  for (const name of Object.keys(fields)) {
    if (CONFIG_FIELDS.includes(name)) continue;
    const shown = name.slice(0, 80);
    const message = `${where} has the field "${shown}", which does not exist${suggestion(name, CONFIG_FIELDS)}`;
    throw new LedgerError("CONFIG_INVALID", message, { details: { field: shown } });
  }
}
