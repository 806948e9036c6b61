/** Asking before something is made or destroyed: the plan first, then a person's yes, or `--yes`. */
import type { Command } from "commander";
import type { Run } from "./run.js";
import { usage } from "./settings.js";

/** Adds `--yes` and `--dry-run`. */
export function withConfirmation(command: Command): Command {
  return command
    .option("--yes", "do not ask")
    .option("--dry-run", "say what would be done, and do nothing");
}

/**
 * False: leave it. The plan is told in any case.
 * @throws LedgerError USAGE where nobody can be asked and there is no --yes
 */
export async function isConfirmed(run: Run, plan: string): Promise<boolean> {
  if (run.flags["dryRun"] === true) {
    run.io.err(`${plan}\nnothing was done (--dry-run)\n`);
    return false;
  }
  run.say(plan);
  if (run.flags["yes"] === true) return true;
  if (run.io.ask === undefined) {
    throw usage(`nobody can be asked here; give --yes to go on (${plan.split("\n")[0]})`);
  }
  const answer = (await run.io.ask("go on? [y/N] ")).trim().toLowerCase();
  if (answer === "y" || answer === "yes") return true;
  run.say("nothing was done");
  return false;
}
