/**
 * Before something is destroyed: says what will go, and goes on only when that is wanted (user-interfaces.md, 8).
 *
 *   INV-CONFIRM-1  Nothing is destroyed without --yes or the name typed at a terminal; --dry-run destroys nothing.
 */
import type { Run } from "./run.js";
import { usage } from "./settings.js";

/** What a command is about to destroy. */
export interface Deletion {
  /** Such as `vault 9 "main"`. */
  readonly what: string;
  /** What has to be typed. */
  readonly name: string;
  /** What goes with it, a line each. */
  readonly lines: readonly string[];
}

/**
 * Shows the plan, and asks where nobody has said yes. False for a dry run.
 * @throws LedgerError USAGE without --yes where nobody can be asked, and for another name than the right one
 */
export async function isDeletionConfirmed(
  run: Run,
  { what, name, lines }: Deletion,
): Promise<boolean> {
  const { yes, dryRun } = run.flags;
  const isAsking = yes !== true && dryRun !== true;
  const text = [`This deletes ${what} for ever:`, ...lines.map((line) => `  ${line}`)].join("\n");
  // Who is asked must have seen it, --quiet or not.
  if (isAsking) run.io.err(`${text}\n`);
  else run.say(text);
  if (dryRun === true) {
    run.say("dry run: nothing was deleted");
    return false;
  }
  if (yes === true) return true;
  const { ask } = run.io;
  if (ask === undefined) {
    throw usage(`nobody can be asked whether to delete ${what}: give --yes, or --dry-run to look`);
  }
  const typed = (await ask(`Type ${name} to delete it: `)).trim();
  if (typed === name) return true;
  throw usage(`"${typed}" is not "${name}": nothing was deleted`);
}
