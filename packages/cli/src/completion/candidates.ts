/**
 * What may come at the cursor.
 *
 *   INV-COMPLETE-1  Nothing is offered that a shell could obey: what comes from a node and holds more than letters, digits
 *                   and harmless marks is left out.
 */
import { ROLE_NAMES } from "@authledger/sdk";
import type { Command } from "commander";
import { pathOf } from "../help/texts.js";
import { OUTPUT_FORMATS } from "../output/printer.js";
import { COLOR_MODES } from "../output/style.js";
import { LOG_FORMATS } from "../run/notes.js";
import type { Candidate, CompletionSources, Seen } from "./completion-sources.js";
import { optionsOf, type Position } from "./position.js";
import { tupleCandidates } from "./tuple-candidates.js";

export interface Candidates {
  readonly list: readonly Candidate[];
  /** The shell itself knows better. */
  readonly paths?: "files" | "directories";
}

/** Where a role may be given; groups come beside them. */
const PLACES = ["vault", "organization", "cluster"].map((value) => ({ value }));

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

const SAFE = /^[A-Za-z0-9_.:/#@%+=,-]*$/;
const CANDIDATES_MAX = 200;
const FILES: Candidates = { list: [], paths: "files" };
const DIRECTORIES: Candidates = { list: [], paths: "directories" };

export async function candidatesFor(
  position: Position,
  current: string,
  sources: CompletionSources,
): Promise<Candidates> {
  const { pending, isAfterDashes } = position;
  const [, name, value = ""] = /^(--[a-z-]+)=(.*)$/s.exec(current) ?? [];
  if (pending !== undefined || name === undefined || isAfterDashes) {
    return fitting(await allFor(position, current, sources), current);
  }
  const { list, ...more } = fitting(await optionValues(name, value, sources), value);
  return { list: list.map((one) => ({ ...one, value: `${name}=${one.value}` })), ...more };
}

/** INV-COMPLETE-1. */
function fitting(found: Candidates, current: string): Candidates {
  const list = found.list.filter(
    ({ value, description = "" }) => SAFE.test(value) && matches(value, description, current),
  );
  return { ...found, list: list.slice(0, CANDIDATES_MAX) };
}

/** By its beginning; slugs also by the beginning of the name that describes them. */
function matches(value: string, description: string, current: string): boolean {
  if (value.startsWith(current)) return true;
  const isSlug = /^[0-9]+$/.test(value);
  return isSlug && description.toLowerCase().startsWith(current.toLowerCase());
}

async function allFor(
  position: Position,
  current: string,
  sources: CompletionSources,
): Promise<Candidates> {
  const { command, pending, isAfterDashes, positionals } = position;
  if (pending !== undefined) return optionValues(pending.long ?? "", current, sources);
  if (current.startsWith("-") && !isAfterDashes) return { list: optionNames(position) };
  if (command.commands.length > 0 && positionals.length === 0) return { list: below(command) };
  return argumentValues(position, current, sources);
}

function optionNames({ command, flags }: Position): Candidate[] {
  const options = optionsOf(command).filter((option) => !(option.attributeName() in flags));
  const names = options.map(({ long, description }) => ({ value: long ?? "", description }));
  return [...names, { value: "--help", description: "display help for the command" }];
}

function below(command: Command): Candidate[] {
  return command.commands
    .filter((one) => !one.name().startsWith("__"))
    .map((one) => ({ value: one.name(), description: one.description() }));
}

function words(...values: readonly string[]): Candidates {
  return { list: values.map((value) => ({ value })) };
}

async function optionValues(
  name: string,
  current: string,
  sources: CompletionSources,
): Promise<Candidates> {
  switch (name) {
    case "--output":
      return words(...OUTPUT_FORMATS);
    case "--color":
      return words(...COLOR_MODES);
    case "--log-format":
      return words(...LOG_FORMATS);
    case "--log-level":
      return words("debug", "info", "warn", "error", "silent");
    case "--consistency":
      return words("linearizable", "any");
    case "--context":
      return { list: await sources.contexts() };
    case "--org":
      return { list: await sources.organizations() };
    case "--vault":
      return { list: await sources.vaults() };
    case "--resource":
    case "--subject":
    case "--relation":
      return { list: parts((await sources.seen()).tuples, name, current) };
    case "--tier":
    case "--in-tier":
      return { list: await sources.tiers() };
    case "--on":
      return { list: [...PLACES, ...(await groups(sources))] };
    case "--data":
    case "--pins":
      return DIRECTORIES;
    case "--anchor":
    case "--file":
      return FILES;
    default:
      return { list: [] };
  }
}

async function groups(sources: CompletionSources): Promise<readonly Candidate[]> {
  return (await sources.principals()).filter(({ value }) => value.startsWith("group:"));
}

function parts(tuples: Seen["tuples"], name: string, current: string): Candidate[] {
  const key = name.slice(2) as "resource" | "subject" | "relation";
  const values = [...new Set(tuples.map((tuple) => tuple[key]))];
  if (key === "relation" || current.includes(":")) return values.map((value) => ({ value }));
  const types = new Set(values.map((value) => `${value.split(":")[0]}:`));
  return [...types].map((value) => ({ value, isPartial: true }));
}

async function argumentValues(
  { command, positionals }: Position,
  current: string,
  sources: CompletionSources,
): Promise<Candidates> {
  const path = pathOf(command);
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument =
    registeredArguments[positionals.length] ?? (last?.variadic === true ? last : undefined);
  switch (argument?.name()) {
    case "tuple":
    case "tuples":
      return { list: tupleCandidates((await sources.seen()).tuples, current) };
    case "slug":
      return { list: await sources.organizations() };
    case "node":
      return { list: await sources.members() };
    case "principal":
      return { list: await sources.principals() };
    case "role":
      return words(...ROLE_NAMES);
    case "id":
      return { list: path.startsWith("key ") ? await sources.keys() : [] };
    case "shell":
      return words(...SHELLS);
    case "file":
      return FILES;
    case "directory":
      return DIRECTORIES;
    case "source":
      return { list: [{ value: "posix" }, { value: "-" }], paths: "files" };
    case "name":
      return { list: path.startsWith("context ") ? await sources.contexts() : [] };
    case "words":
      return { list: helpWords(command.parent, positionals) };
    default:
      return words(...(argument?.argChoices ?? []));
  }
}

function helpWords(program: Command | null, positionals: readonly string[]): Candidate[] {
  let at = program ?? undefined;
  for (const name of positionals) at = at?.commands.find((command) => command.name() === name);
  const topics = ["exit-codes", "output", "contexts", "environment"].map((value) => ({ value }));
  return at === undefined ? [] : [...below(at), ...(positionals.length === 0 ? topics : [])];
}
