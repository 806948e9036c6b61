/** Where in the command line the cursor is: which command, which of its arguments, or the value of which option. */
import type { Command, Option } from "commander";

export interface Position {
  readonly command: Command;
  /** Arguments before the cursor. */
  readonly positionals: readonly string[];
  /** Options before the cursor, by their attribute names. */
  readonly flags: Readonly<Record<string, string | true>>;
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
  /** After `--` nothing is an option. */
  readonly isAfterDashes: boolean;
}

export function positionOf(program: Command, words: readonly string[]): Position {
  let command = program;
  let pending: Option | undefined;
  let isAfterDashes = false;
  const positionals: string[] = [];
  const flags: Record<string, string | true> = {};
  for (const word of words) {
    if (pending !== undefined) {
      flags[pending.attributeName()] = word;
      pending = undefined;
    } else if (isAfterDashes || word === "-" || !word.startsWith("-")) {
      const below = positionals.length === 0 ? commandBelow(command, word) : undefined;
      if (below === undefined) positionals.push(word);
      else command = below;
    } else if (word === "--") {
      isAfterDashes = true;
    } else {
      const [name = "", value] = splitOnce(word);
      const option = optionsOf(command).find((one) => one.long === name || one.short === name);
      if (option === undefined) continue;
      const takesValue = option.required || option.optional;
      if (takesValue && value === undefined) pending = option;
      else flags[option.attributeName()] = value ?? true;
    }
  }
  return { command, positionals, flags, pending, isAfterDashes };
}

/** Its own and those of every command above it. */
export function optionsOf(command: Command): readonly Option[] {
  const options: Option[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) options.push(...at.options);
  return options.filter((option) => !option.hidden);
}

function commandBelow(command: Command, name: string): Command | undefined {
  return command.commands.find((one) => one.name() === name);
}

function splitOnce(word: string): [string, string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
