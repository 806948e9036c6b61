/** A node's configuration from flags, environment and file: the first of them that gives a field (L-51). */
import { readFile } from "node:fs/promises";
import {
  CONFIG_FIELDS,
  configValueOfText,
  configVariable,
  type NodeConfig,
  type NodeConfigInput,
  parseNodeConfig,
  requireConfigFields,
} from "@authledger/server";
import { LedgerError } from "@authledger/types";
import { parse } from "yaml";

/** More is no configuration. */
const FILE_BYTES_MAX = 1024 * 1024;

export interface ConfigSources {
  readonly flags: NodeConfigInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** YAML or JSON. */
  readonly file: string | undefined;
}

/** @throws LedgerError USAGE, CONFIG_INVALID naming the field, IO_READ_FAILED */
export async function nodeConfigOf({ flags, env, file }: ConfigSources): Promise<NodeConfig> {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined && value !== false);
  const fromFile = file === undefined ? {} : await readConfigFile(file);
  const all = { ...fromFile, ...fromEnvironment(env), ...Object.fromEntries(given) };
  return parseNodeConfig(all as NodeConfigInput);
}

/** The fields of a file. @throws LedgerError CONFIG_INVALID, IO_READ_FAILED */
export async function readConfigFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("IO_READ_FAILED", `cannot read ${path}: ${why}`, { cause });
  });
  if (text.length > FILE_BYTES_MAX) throw invalid(path, "is larger than 1 MiB");
  let fields: unknown;
  try {
    // YAML 1.2 holds JSON.
    fields = parse(text, { maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw invalid(path, `is neither YAML nor JSON: ${cause instanceof Error ? cause.message : ""}`);
  }
  if (typeof fields !== "object" || Array.isArray(fields)) throw invalid(path, "has no fields");
  requireConfigFields(fields as object, path);
  return fields as Readonly<Record<string, unknown>>;
}

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> {
  const found = CONFIG_FIELDS.flatMap((name) => {
    const text = env[configVariable(name)];
    return text === undefined || text === "" ? [] : [[name, configValueOfText(name, text)]];
  });
  return Object.fromEntries(found) as Readonly<Record<string, unknown>>;
}

function invalid(path: string, what: string): LedgerError {
  return new LedgerError("CONFIG_INVALID", `${path} ${what}`, { details: { field: path } });
}
