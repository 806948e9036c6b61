/** `check`: may this subject do this? */
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import { type CommandFrame, type Run, requireTenant } from "../run/command.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { watchable } from "../run/watch.js";
import { VERIFIED_COLUMNS, verifiedFields } from "./check-fields.js";
import { isProvenCheck, runProvenCheck, withProof } from "./proven-check.js";

export function addCheckCommand(program: Command, frame: CommandFrame): void {
  const check = program
    .command("check")
    .argument("<tuple>", "resource#relation@subject")
    .description("is this tuple stored?")
    .option("--exit-code", "exit with 1 when the answer is denied")
    .addHelpText("after", "\nWith --verify the answer is computed from its proof, here.");
  frame.handle(watchable(withConsistency(withProof(check))), runCheck);
}

async function runCheck(run: Run, tuple = ""): Promise<number> {
  requireTenant(run);
  if (isProvenCheck(run)) return runProvenCheck(run, tuple);
  const client = await run.client();
  const consistency = consistencyOf(run);
  const answer = await client.check(tuple, { ...run.call, consistency });
  const { allowed, height, token, verified } = answer;
  const result = allowed ? "allowed" : "denied";
  await run.print.one({
    name: result,
    fields: { result, allowed, tuple, height, token, ...verifiedFields(verified) },
    columns: ["result", "tuple", "height", ...(verified === undefined ? [] : VERIFIED_COLUMNS)],
  });
  return !allowed && run.flags["exitCode"] === true ? ExitCode.DENIED : ExitCode.OK;
}
