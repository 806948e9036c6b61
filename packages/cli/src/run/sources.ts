/**
 * Where a setting comes from.
 *
 *   INV-CONTEXT-1  Each setting by itself is taken from the strongest that has it: flag, environment, context, default.
 *   INV-CONTEXT-2  A trust anchor is used only for the vault that it was set with: a flag or variable that names another
 *                  vault leaves the anchor of a weaker source behind.
 *   INV-CONTEXT-4  The token of a context is sent to the endpoints of that context only: a flag or variable that names
 *                  others leaves it behind.
 */
import type { Context, ContextKey } from "../contexts/context-file.js";

type SourceKind = "flag" | "environment" | "context" | "default";

export interface Sourced {
  /** Undefined: not set at all, and there is no default. */
  readonly value: string | undefined;
  readonly source: SourceKind;
  /** The flag, the variable or the context. */
  readonly sourceName: string;
  /** Why a value that was given is not used. */
  readonly unused?: string;
}

export interface SourceInput {
  readonly flags: Readonly<Partial<Record<ContextKey, string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly context: { readonly name: string; readonly values: Context } | undefined;
  readonly defaults: Readonly<Partial<Record<ContextKey, string>>>;
}

/** Option and variable of each setting that a context can hold. */
const SETTING_NAMES: Readonly<Record<ContextKey, readonly [string, string]>> = {
  endpoint: ["--endpoint", "AUTHLEDGER_ENDPOINT"],
  organization: ["--org", "AUTHLEDGER_ORG"],
  vault: ["--vault", "AUTHLEDGER_VAULT"],
  anchor: ["--anchor", "AUTHLEDGER_ANCHOR"],
  pins: ["--pins", "AUTHLEDGER_PINS"],
  token: ["--token", "AUTHLEDGER_TOKEN"],
  token_file: ["--token-file", "AUTHLEDGER_TOKEN_FILE"],
  tls_ca: ["--tls-ca", "AUTHLEDGER_TLS_CA"],
  tls_cert: ["--tls-cert", "AUTHLEDGER_TLS_CERT"],
  tls_key: ["--tls-key", "AUTHLEDGER_TLS_KEY"],
  tls_server_name: ["--tls-server-name", "AUTHLEDGER_TLS_SERVER_NAME"],
};

/** Of everything but the anchor, which depends on the others. */
export function sourceOf(key: ContextKey, input: SourceInput): Sourced {
  return candidates(key, input)[0] ?? { value: input.defaults[key], ...DEFAULT };
}

/** INV-CONTEXT-2. */
export function anchorSource(input: SourceInput): Sourced {
  const found = sourceOf("anchor", input);
  for (const key of ["organization", "vault"] as const) {
    const effective = sourceOf(key, input);
    const own = candidates(key, input).find(({ source }) => source === found.source);
    if (found.value === undefined || own === undefined || own.value === effective.value) continue;
    const unused = `the anchor of ${found.sourceName} is of ${key} ${own.value}`;
    return { value: undefined, ...DEFAULT, unused };
  }
  return found;
}

/**
 * INV-CONTEXT-4, and a token of a stronger source before a file of a weaker one, and the other way round.
 * @param key `token` or `token_file`
 */
export function tokenSource(key: "token" | "token_file", input: SourceInput): Sourced {
  const found = sourceOf(key, input);
  const other = sourceOf(key === "token" ? "token_file" : "token", input);
  if (found.value === undefined) return found;
  if (other.value !== undefined && strength(other) > strength(found)) {
    return { value: undefined, ...DEFAULT, unused: `${other.sourceName} is stronger` };
  }
  if (found.source !== "context") return found;
  const own = listOf(input.context?.values.endpoint ?? input.defaults.endpoint);
  const asked = listOf(sourceOf("endpoint", input).value);
  if (asked.every((one) => own.includes(one))) return found;
  const unused = `the token of ${found.sourceName} is for ${own.join(",")}`;
  return { value: undefined, ...DEFAULT, unused };
}

function strength({ source }: Sourced): number {
  return ["default", "context", "environment", "flag"].indexOf(source);
}

function listOf(endpoints: string | undefined): readonly string[] {
  return (endpoints ?? "").split(",").map((one) => one.trim());
}

const DEFAULT: Pick<Sourced, "source" | "sourceName"> = {
  source: "default",
  sourceName: "default",
};

/** All that have the setting, the strongest first. Empty text is none. */
function candidates(key: ContextKey, { flags, env, context }: SourceInput): Sourced[] {
  const [option, variable] = SETTING_NAMES[key];
  const all: Sourced[] = [
    { value: flags[key], source: "flag", sourceName: option },
    { value: env[variable], source: "environment", sourceName: variable },
    { value: context?.values[key], source: "context", sourceName: context?.name ?? "" },
  ];
  return all.filter(({ value }) => value !== undefined && value !== "");
}
