/** How fresh an answer must be, or of which block: the same flags on every command that reads. */
import { atHeight, type Consistency } from "@authledger/sdk";
import type { Command } from "commander";
import { type Run, textFlag } from "./command.js";
import { usage, wholeOf } from "./settings.js";

/** Adds `--consistency` and `--at-height`. */
export function withConsistency(command: Command): Command {
  return withHeight(
    command.option(
      "--consistency <kind>",
      "linearizable, any, any:<ms> or at-least:<token> (default linearizable)",
    ),
  );
}

/** Adds `--at-height` alone. */
export function withHeight(command: Command): Command {
  return command.option(
    "--at-height <height>",
    "as of this block; expiry is judged by the time of the block",
  );
}

/** What the flags say. @throws LedgerError USAGE when there are both, or one makes no sense */
export function consistencyOf(run: Run): Consistency | undefined {
  const kind = textFlag(run, "consistency");
  const height = textFlag(run, "atHeight");
  if (height === undefined) return kindOf(kind);
  if (kind !== undefined) throw usage("give one of --consistency and --at-height");
  return atHeight(BigInt(wholeOf(height, "at-height")));
}

function kindOf(text: string | undefined): Consistency | undefined {
  if (text === undefined || text === "linearizable") return undefined;
  const [kind, value] = splitOnce(text, ":");
  if (kind === "at-least" && value) return { kind: "at_least", token: value };
  if (kind === "any") return { kind: "any", maxStalenessMs: value ? wholeOf(value, "any") : 0 };
  throw usage(`--consistency "${text}" is not linearizable, any, any:<ms> or at-least:<token>`);
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
