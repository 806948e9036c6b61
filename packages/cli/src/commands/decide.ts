/** `authledger explain|expand|lookup`: decisions by the active model, and why. */
import type { DecisionOptions, ExplainAnswer } from "@authledger/sdk";
import type { Command } from "commander";
import { decidingSteps, explanationLines, shownStep } from "../output/explanation.js";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import { escapeControls } from "../output/table.js";
import { type CommandFrame, type Run, requireTenant } from "../run/command.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { contextOf } from "../run/context-values.js";
import { firstOf, withoutProof } from "../run/rows.js";

export function addDecisionCommands(program: Command, frame: CommandFrame): void {
  const explain = program
    .command("explain")
    .argument("<tuple>", "resource#relation@subject")
    .description("may they, by the active model, and why: the tree of the decision")
    .option("--all", "also the steps that did not decide");
  frame.handle(question(explain), runExplain);
  const expand = program
    .command("expand")
    .argument("<resource>")
    .argument("<relation>")
    .description("the tree of usersets of a relation of a resource, one level of tuples deep");
  frame.handle(withConsistency(withoutProof(expand)), async (run, resource, relation) => {
    requireTenant(run);
    const client = await run.client();
    const { tree, height, modelVersion, token } = await client.expand(
      { resource: resource!, relation: relation! },
      optionsOf(run),
    );
    const shown = tree as unknown as Printable;
    const fields = { resource, relation, tree: shown, model_version: modelVersion, height, token };
    await run.print.one({ name: `${resource}#${relation}`, fields });
    return undefined;
  });
  addLookupCommands(program, frame);
}

function addLookupCommands(program: Command, frame: CommandFrame): void {
  const lookup = program
    .command("lookup")
    .description("lists of decisions: what may they, and who may, by the active model");
  const resources = lookup
    .command("resources")
    .argument("<type>")
    .argument("<relation>")
    .argument("<subject>")
    .description("resources of a type to which a subject has a relation")
    .option("--limit <rows>", "stop after so many");
  frame.handle(question(resources), async (run, type, relation, subject) => {
    requireTenant(run);
    const client = await run.client();
    const asked = { type: type!, relation: relation!, subject: subject! };
    const rows = firstOf(
      run,
      (page) => client.listObjects(asked, { ...optionsOf(run), ...page }),
      (resource) => ({ name: resource, fields: { resource } }),
    );
    if ((await run.print.many(rows)) === 0) run.say("there are none");
    return undefined;
  });
  const subjects = lookup
    .command("subjects")
    .argument("<resource>")
    .argument("<relation>")
    .argument("<filters...>", "types or usersets, such as user or group#member")
    .description("subjects that have a relation to a resource")
    .option("--limit <rows>", "stop after so many");
  frame.handle(question(subjects), async (run, resource, relation, ...filters) => {
    requireTenant(run);
    const client = await run.client();
    const asked = { resource: resource!, relation: relation!, filters };
    const rows = firstOf(
      run,
      (page) => client.listUsers(asked, { ...optionsOf(run), ...page }),
      (subject) => ({ name: subject, fields: { subject } }),
    );
    if ((await run.print.many(rows)) === 0) run.say("there are none");
    return undefined;
  });
}

function question(command: Command): Command {
  return withConsistency(
    withoutProof(
      command.option("--with <key=value...>", "values of parameters of the model's conditions"),
    ),
  );
}

function optionsOf(run: Run): DecisionOptions {
  const context = contextOf(run);
  const unproven = run.flags["unproven"] === true;
  const consistency = consistencyOf(run);
  return { ...run.call, consistency, unproven, ...(context && { context }) };
}

async function runExplain(run: Run, tuple = ""): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const answer = await client.explain(tuple, optionsOf(run));
  const { format, field } = run.settings;
  const isForPeople = (format === "table" || format === "wide") && field === undefined;
  if (isForPeople) await run.io.out(treeText(run, tuple, answer));
  else await run.print.one({ name: resultOf(answer), fields: explainedFields(tuple, answer) });
  return undefined;
}

function resultOf({ allowed }: ExplainAnswer): string {
  return allowed ? "allowed" : "denied";
}

function explainedFields(tuple: string, answer: ExplainAnswer): Record<string, Printable> {
  const { allowed, explanation, height, token, modelVersion, timeMs, truncated } = answer;
  return {
    ...{ result: resultOf(answer), allowed, tuple, height, token, truncated },
    time: timeText(timeMs) ?? null,
    time_ms: timeMs,
    model_version: modelVersion,
    cost: explanation.cost,
    explanation: explanation as unknown as Printable,
  };
}

/** The steps that decided, or all of them with --all. */
function treeText(run: Run, tuple: string, answer: ExplainAnswer): string {
  const { height, timeMs, modelVersion, explanation, truncated } = answer;
  const at = `block ${height}, judged at ${timeText(timeMs) ?? "genesis"}`;
  const model = modelVersion === 0n ? "no model" : `model version ${modelVersion}`;
  const head = `${resultOf(answer)}   ${tuple}   (${at}, ${model}, ${explanation.cost} reads)`;
  const rest = truncated ? ["... and more, which the answer does not hold"] : [];
  const shown = shownStep(explanation);
  const steps = explanationLines(run.flags["all"] === true ? shown : decidingSteps(shown));
  return [head, ...steps, ...rest].map((line) => `${escapeControls(line)}\n`).join("");
}
