/** Values of parameters of conditions: `--with key=value`, on tuples and on questions. */
import type { ConditionContext, TupleCondition } from "@authledger/authz";
import { type Run, textFlag } from "./command.js";
import { usage } from "./settings.js";

/** What a tuple carries. @throws LedgerError USAGE */
export function conditionOf(run: Run): TupleCondition | undefined {
  const name = textFlag(run, "condition");
  const context = contextOf(run);
  if (name !== undefined) return { name, context: context ?? {} };
  if (context === undefined) return undefined;
  throw usage("--with says something of a condition's parameters: give --condition too");
}

/**
 * The values that `--with` gives; undefined without any. What is JSON is taken as such, everything else is text.
 * @example --with hour=8 --with country=nl --with 'roles=["a","b"]'
 * @throws LedgerError USAGE
 */
export function contextOf({ flags }: Run): ConditionContext | undefined {
  const given = flags["with"];
  if (!Array.isArray(given)) return undefined;
  const context: Record<string, ConditionContext[string]> = {};
  for (const text of given as readonly string[]) {
    const at = text.indexOf("=");
    if (at < 1) throw usage(`--with "${text}" is not key=value`);
    const key = text.slice(0, at);
    if (Object.hasOwn(context, key)) throw usage(`--with gives ${key} twice`);
    context[key] = valueOfText(text.slice(at + 1));
  }
  return context;
}

function valueOfText(text: string): ConditionContext[string] {
  try {
    return JSON.parse(text) as ConditionContext[string];
  } catch {
    return text;
  }
}
