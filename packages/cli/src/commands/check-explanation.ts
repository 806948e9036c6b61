/** What `check --explain` adds: why it was decided so, as of the block of the decision. */
import { atHeight, type Decision, type ExplainAnswer } from "@authledger/sdk";
import { decidingSteps, explanationLines, shownStep } from "../output/explanation.js";
import { escapeControls } from "../output/table.js";
import type { Run } from "../run/command.js";
import { contextOf } from "../run/context-values.js";

/** Explanations have no proof of their own: the decision has. */
export async function explainAt(
  run: Run,
  tuple: string,
  { height }: Decision,
): Promise<ExplainAnswer> {
  const client = await run.client();
  const context = contextOf(run);
  const options = { ...run.call, consistency: atHeight(height), unproven: true };
  return client.explain(tuple, { ...options, ...(context && { context }) });
}

/** The steps that decided, a line each. */
export function explanationLinesOf({ explanation }: ExplainAnswer): string {
  const lines = explanationLines(decidingSteps(shownStep(explanation)));
  return lines.map((line) => `${escapeControls(line)}\n`).join("");
}
