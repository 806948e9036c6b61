/** `authledger context set|use|previous|list|show|delete`: what a ledger is called, instead of flags. */
import { resolve } from "node:path";
import { LedgerError, suggestion } from "@authledger/types";
import type { Command } from "commander";
import {
  CONTEXT_KEYS,
  type Context,
  type ContextFile,
  type ContextKey,
  checkContextName,
  contextValueProblem,
  PATH_KEYS,
  SYSTEM_CA,
} from "../contexts/context-file.js";
import { ContextStore } from "../contexts/context-store.js";
import type { Thing } from "../output/printer.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { contextFlags, type GlobalFlags, usage } from "../run/settings.js";

/** Instead of a token. */
const HIDDEN = "(hidden)";

export function addContextCommands(program: Command, frame: CommandFrame): void {
  const context = program
    .command("context")
    .description("names for ledgers, so that commands need no flags");
  const set = context
    .command("set")
    .argument("<name>")
    .description(
      "keep --endpoint, --org, --vault, --anchor, --pins, --token and --tls-* under a name",
    )
    .option("--unset <keys>", `forget some of: ${CONTEXT_KEYS.join(",")}`)
    .option("--use", "and make it the current one");
  frame.handle(set, setContext);
  const use = context
    .command("use")
    .argument("<name>", "- for the one before")
    .description("make a context the current one");
  frame.handle(use, (run, name = "") => switchTo(run, name === "-" ? undefined : name));
  const previous = context.command("previous").description("go back to the context before");
  frame.handle(previous, (run) => switchTo(run, undefined));
  frame.handle(context.command("list").description("list all contexts"), listContexts);
  const show = context
    .command("show")
    .argument("[name]", "default: what is in effect")
    .description("show a context, or each setting in effect and where it comes from");
  frame.handle(show, showContext);
  const remove = context.command("delete").argument("<name>").description("forget a context");
  frame.handle(remove, deleteContext);
}

async function setContext(run: Run, name = ""): Promise<undefined> {
  checkContextName(name);
  const values = valuesGiven(run.flags as GlobalFlags);
  const unset = keysToForget(textFlag(run, "unset"));
  const file = await storeOf(run).update((before) => {
    const { made_by: _, ...known } = before.contexts.get(name) ?? {};
    const kept = Object.entries(known).filter(([key]) => !unset.includes(key as ContextKey));
    const contexts = new Map(before.contexts).set(name, { ...Object.fromEntries(kept), ...values });
    const isCurrent = run.flags["use"] === true || before.current === undefined;
    return isCurrent ? current({ ...before, contexts }, name) : { ...before, contexts };
  });
  await run.print.one(thingOf(name, file));
  if (file.current !== name) run.say(`use it: authledger context use ${name}`);
  return undefined;
}

async function switchTo(run: Run, wanted: string | undefined): Promise<undefined> {
  const file = await storeOf(run).update((before) => {
    const name = wanted ?? before.previous;
    if (name === undefined) throw notFound("there was no context before this one");
    requireContext(before, name);
    return current(before, name);
  });
  await run.print.one(thingOf(file.current ?? "", file));
  return undefined;
}

async function listContexts(run: Run): Promise<undefined> {
  const file = await storeOf(run).load();
  const names = [...file.contexts.keys()].sort();
  await run.print.many(names.map((name) => thingOf(name, file)));
  if (names.length === 0) {
    run.say(
      "no contexts yet: authledger dev makes one, or authledger context set NAME --endpoint ...",
    );
  }
  return undefined;
}

async function showContext(run: Run, name?: string): Promise<undefined> {
  if (name === undefined) return showEffective(run);
  const file = await storeOf(run).load();
  requireContext(file, name);
  await run.print.one(thingOf(name, file));
  return undefined;
}

/** Every setting that a context can hold, with where its value comes from. */
async function showEffective(run: Run): Promise<undefined> {
  const { sources } = run.settings;
  const rows = (["context", ...CONTEXT_KEYS] as const).map((setting): Thing => {
    const { value, source, sourceName, unused } = sources[setting];
    return {
      name: setting,
      fields: {
        setting,
        value: value === undefined ? null : shown(setting, value),
        from: source === "default" ? sourceName : `${source} ${sourceName}`,
        source,
        source_name: sourceName,
        ...(unused !== undefined && { unused }),
      },
      columns: ["setting", "value", "from"],
    };
  });
  await run.print.many(rows);
  for (const key of ["anchor", "token", "token_file"] as const) {
    const { unused } = sources[key];
    if (unused !== undefined) run.say(`no ${key} is used: ${unused}`);
  }
  return undefined;
}

async function deleteContext(run: Run, name = ""): Promise<undefined> {
  let deleted: Thing | undefined;
  await storeOf(run).update((before) => {
    requireContext(before, name);
    deleted = thingOf(name, before);
    const contexts = new Map(before.contexts);
    contexts.delete(name);
    const without = (one: string | undefined): string | undefined =>
      one === name ? undefined : one;
    return { contexts, current: without(before.current), previous: without(before.previous) };
  });
  if (deleted !== undefined) await run.print.one(deleted);
  return undefined;
}

function storeOf({ io }: Run): ContextStore {
  return new ContextStore(io.env);
}

function current(file: ContextFile, name: string): ContextFile {
  if (file.current === name) return file;
  return { ...file, current: name, previous: file.current };
}

/** Paths are kept absolute: a context is used from anywhere. @throws LedgerError USAGE */
function valuesGiven(flags: GlobalFlags): Context {
  const given = Object.entries(contextFlags(flags)).map(([key, value]): [string, string] => [
    key,
    isPath(key as ContextKey, value ?? "") ? resolve(value ?? "") : (value ?? ""),
  ]);
  for (const [key, value] of given) {
    const problem = contextValueProblem(key as ContextKey, value);
    if (problem !== undefined) throw usage(problem);
  }
  return Object.fromEntries(given);
}

function isPath(key: ContextKey, value: string): boolean {
  return PATH_KEYS.has(key) && !(key === "tls_ca" && value === SYSTEM_CA);
}

/** A secret is kept, used, and never shown. */
function shown(key: string, value: string): string {
  return key === "token" ? HIDDEN : value;
}

/** @throws LedgerError USAGE */
function keysToForget(text: string | undefined): readonly ContextKey[] {
  if (text === undefined) return [];
  return text.split(",").map((key) => {
    const found = CONTEXT_KEYS.find((one) => one === key.trim());
    if (found !== undefined) return found;
    const hint = suggestion(key, CONTEXT_KEYS);
    throw usage(`--unset "${key}" is not one of ${CONTEXT_KEYS.join(", ")}${hint}`);
  });
}

/** @throws LedgerError CONTEXT_NOT_FOUND */
function requireContext({ contexts }: ContextFile, name: string): void {
  if (contexts.has(name)) return;
  const hint = suggestion(name, [...contexts.keys()]);
  throw notFound(`there is no context "${name.slice(0, 80)}"${hint}`);
}

function notFound(message: string): LedgerError {
  return new LedgerError("CONTEXT_NOT_FOUND", message);
}

function thingOf(name: string, file: ContextFile): Thing {
  const { made_by: madeBy, ...kept } = file.contexts.get(name) ?? {};
  const values = Object.fromEntries(
    Object.entries(kept).map(([key, value]) => [key, shown(key, value)]),
  );
  const columns = ["current", "name", "endpoint", "organization", "vault"];
  return {
    name,
    fields: { current: file.current === name, name, ...values, ...(madeBy && { made_by: madeBy }) },
    columns,
  };
}
