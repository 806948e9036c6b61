/**
 * The text of the file of contexts: what a command is told about a ledger, under a name.
 *
 *     { "version": 1, "current": "dev", "previous": "prod",
 *       "contexts": { "dev": { "endpoint": "127.0.0.1:7400", "organization": "7", "vault": "9" } } }
 */
import { LedgerError, splitAddress, suggestion } from "@authledger/types";
import { LineError, type LineNode, parseLines } from "./line-json.js";

export const CONTEXT_KEYS = [
  "endpoint",
  "organization",
  "vault",
  "anchor",
  "pins",
  "token",
  "token_file",
  "tls_ca",
  "tls_cert",
  "tls_key",
  "tls_server_name",
] as const;
export type ContextKey = (typeof CONTEXT_KEYS)[number];

/** Values are text as it would be given to the flag of the same name. */
export type Context = Readonly<Partial<Record<ContextKey, string>>> & {
  /** What wrote it, when that was no person: only its writer may replace it unasked. */
  readonly made_by?: string;
};

export interface ContextFile {
  readonly current: string | undefined;
  /** What was current before. */
  readonly previous: string | undefined;
  readonly contexts: ReadonlyMap<string, Context>;
}

/** Names of files. In a file of contexts they are absolute: a context is used from anywhere. */
export const PATH_KEYS: ReadonlySet<ContextKey> = new Set<ContextKey>([
  "anchor",
  "pins",
  "token_file",
  "tls_ca",
  "tls_cert",
  "tls_key",
]);

/** `tls_ca` of this value is no file: the certificates that Node believes. */
export const SYSTEM_CA = "system";

export const NO_CONTEXTS: ContextFile = {
  current: undefined,
  previous: undefined,
  contexts: new Map(),
};

const VERSION = 1;
const CONTEXTS_MAX = 1_000;
const VALUE_CHARACTERS_MAX = 8_192;
const NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$/;

export function formatContextFile({ current, previous, contexts }: ContextFile): string {
  const file = { version: VERSION, current, previous, contexts: Object.fromEntries(contexts) };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** @throws LedgerError CONTEXT_FILE_INVALID naming file and line */
export function parseContextFile(text: string, path: string): ContextFile {
  try {
    return fileOf(parseLines(text));
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    const message = `line ${error.line} of ${path} ${error.message}`;
    const details = { file: path, line: error.line };
    throw new LedgerError("CONTEXT_FILE_INVALID", message, { details, cause: error });
  }
}

/** @throws LedgerError USAGE */
export function checkContextName(name: string): string {
  if (NAME.test(name)) return name;
  const rule = "1 to 64 letters, digits, hyphens, dots and underscores, no hyphen first";
  throw new LedgerError("USAGE", `"${name.slice(0, 80)}" is no name of a context: ${rule}`);
}

/** What is wrong with a value; undefined when nothing is. */
export function contextValueProblem(key: ContextKey, value: string): string | undefined {
  if (value === "" || value.length > VALUE_CHARACTERS_MAX) {
    return `${key} has 1 to ${VALUE_CHARACTERS_MAX} characters`;
  }
  switch (key) {
    case "endpoint": {
      const bad = value.split(",").find((one) => (splitAddress(one.trim())?.port ?? 0) === 0);
      return bad === undefined ? undefined : `endpoint "${bad}" is not host:port`;
    }
    case "organization":
    case "vault":
      return /^[1-9][0-9]{0,19}$/.test(value) ? undefined : `${key} "${value}" is no slug`;
    case "token":
      return /^[\x21-\x7e]+$/.test(value) ? undefined : "token is printable ASCII without spaces";
    case "tls_server_name":
      return /^[A-Za-z0-9.:_-]{1,253}$/.test(value)
        ? undefined
        : `tls_server_name "${value}" is no name of a host`;
    default:
      if (key === "tls_ca" && value === SYSTEM_CA) return undefined;
      return value.startsWith("/") || /^[A-Za-z]:\\/.test(value)
        ? undefined
        : `${key} "${value}" is no absolute path`;
  }
}

function fileOf(node: LineNode): ContextFile {
  const fields = objectOf(node, "the file", ["version", "current", "previous", "contexts"]);
  const version = fields.get("version");
  if (version?.value !== VERSION) {
    throw new LineError(version?.line ?? node.line, `is not of version ${VERSION}`);
  }
  const contexts = new Map<string, Context>();
  const given = fields.get("contexts") ?? { line: node.line, value: new Map() };
  for (const [name, context] of objectOf(given, '"contexts"')) {
    if (!NAME.test(name)) throw new LineError(context.line, `has the name "${name}"`);
    contexts.set(name, contextOf(context, name));
  }
  if (contexts.size > CONTEXTS_MAX) throw new LineError(given.line, "has too many contexts");
  const chosen = (key: string): string | undefined => {
    const found = fields.get(key);
    if (found === undefined) return undefined;
    const name = textOf(found, key);
    if (contexts.has(name)) return name;
    throw new LineError(found.line, `names the context "${name}", which is not there`);
  };
  return { current: chosen("current"), previous: chosen("previous"), contexts };
}

function contextOf(node: LineNode, name: string): Context {
  const fields = objectOf(node, `context "${name}"`, [...CONTEXT_KEYS, "made_by"]);
  const context: Record<string, string> = {};
  for (const [key, field] of fields) {
    const value = textOf(field, key);
    const problem = key === "made_by" ? undefined : contextValueProblem(key as ContextKey, value);
    if (problem !== undefined) throw new LineError(field.line, `is wrong: ${problem}`);
    context[key] = value;
  }
  return context;
}

function objectOf(
  { line, value }: LineNode,
  what: string,
  keys?: readonly string[],
): ReadonlyMap<string, LineNode> {
  if (!(value instanceof Map)) throw new LineError(line, `is wrong: ${what} should be in braces`);
  const fields = value as ReadonlyMap<string, LineNode>;
  for (const [name, field] of fields) {
    if (keys === undefined || keys.includes(name)) continue;
    throw new LineError(field.line, `has the unknown "${name}"${suggestion(name, keys)}`);
  }
  return fields;
}

function textOf({ line, value }: LineNode, name: string): string {
  if (typeof value === "string") return value;
  throw new LineError(line, `is wrong: "${name}" should be text in quotes`);
}
