/** `check`: may this subject do this, by the active model? */
import type { Decision } from "@authledger/sdk";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { type CommandFrame, type Run, requireTenant } from "../run/command.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { contextOf } from "../run/context-values.js";
import { usage } from "../run/settings.js";
import { watchable } from "../run/watch.js";
import { explainAt, explanationLinesOf } from "./check-explanation.js";
import { VERIFIED_COLUMNS, verifiedFields } from "./check-fields.js";
import { decideProven, isProvenCheck, withProof } from "./proven-check.js";

export function addCheckCommand(program: Command, frame: CommandFrame): void {
  const check = program
    .command("check")
    .argument("<tuple>", "resource#relation@subject")
    .description("may this subject do this, by the active model?")
    .option("--explain", "and why: the steps that decided")
    .option("--with <key=value...>", "values of parameters of the model's conditions")
    .option("--stored", "is this very tuple stored, whatever a model makes of it?")
    .option("--exit-code", "exit with 1 when the answer is denied or absent")
    .addHelpText(
      "after",
      "\nWithout an active model: is this tuple stored? With --verify the answer is computed from its proof, here.",
    );
  frame.handle(watchable(withConsistency(withProof(check))), runCheck);
}

async function runCheck(run: Run, tuple = ""): Promise<number> {
  requireTenant(run);
  const isYes =
    run.flags["stored"] === true ? await checkStored(run, tuple) : await checkDecision(run, tuple);
  return !isYes && run.flags["exitCode"] === true ? ExitCode.DENIED : ExitCode.OK;
}

async function checkStored(run: Run, tuple: string): Promise<boolean> {
  if (isProvenCheck(run) || run.flags["explain"] === true || contextOf(run) !== undefined) {
    throw usage(
      "--stored asks for the tuple alone: --prove, --explain and --with are of decisions",
    );
  }
  const client = await run.client();
  const options = { ...run.call, consistency: consistencyOf(run) };
  const { stored, height, token, verified } = await client.hasTuple(tuple, options);
  const result = stored ? "stored" : "absent";
  await run.print.one({
    name: result,
    fields: { result, stored, tuple, height, token, ...verifiedFields(verified) },
    columns: ["result", "tuple", "height", ...(verified === undefined ? [] : VERIFIED_COLUMNS)],
  });
  return stored;
}

async function checkDecision(run: Run, tuple: string): Promise<boolean> {
  const { decision, more } = isProvenCheck(run)
    ? await decideProven(run, tuple)
    : { decision: await decide(run, tuple), more: {} };
  const { allowed, height, token, modelVersion, verified } = decision;
  const explained =
    run.flags["explain"] === true ? await explainAt(run, tuple, decision) : undefined;
  const { format, field } = run.settings;
  const isForPeople = (format === "table" || format === "wide") && field === undefined;
  const result = allowed ? "allowed" : "denied";
  const explanation = explained?.explanation as unknown as Printable;
  await run.print.one({
    name: result,
    fields: {
      ...{ result, allowed, tuple, height, model_version: modelVersion, token },
      ...verifiedFields(verified),
      ...more,
      ...(explained !== undefined && !isForPeople && { explanation }),
    },
    columns: [
      ...["result", "tuple", "height"],
      ...(modelVersion === 0n ? [] : ["model_version"]),
      ...(verified === undefined ? [] : VERIFIED_COLUMNS),
      ...Object.keys(more),
    ],
  });
  if (explained !== undefined && isForPeople) await run.io.out(explanationLinesOf(explained));
  return allowed;
}

async function decide(run: Run, tuple: string): Promise<Decision> {
  const client = await run.client();
  const context = contextOf(run);
  const options = { ...run.call, consistency: consistencyOf(run) };
  return client.check(tuple, { ...options, ...(context && { context }) });
}
