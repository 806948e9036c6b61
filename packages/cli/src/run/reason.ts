/** Why something is changed: `--reason`, which stands in the transaction for ever. */
import type { AdminOptions } from "@authledger/sdk";
import type { Command } from "commander";
import { type Run, textFlag } from "./command.js";

export function withReason(command: Command): Command {
  return command.option("--reason <text>", "why, for the record");
}

/** The options of a call that changes something. */
export function stating(run: Run): AdminOptions {
  return { ...run.call, reason: textFlag(run, "reason") };
}
