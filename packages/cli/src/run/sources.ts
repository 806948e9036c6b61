/**
 * Where a setting comes from.
 *
 *   INV-CONTEXT-1  Each setting by itself is taken from the strongest that has it: flag, environment, context, default.
 *   INV-CONTEXT-2  A trust anchor is used only for the vault that it was set with: a flag or variable that names another
 *                  vault leaves the anchor of a weaker source behind.
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
