/**
 * Receipts of decisions: the receipt commits to the state, and the file `<receipt>.decision` beside it holds question, model
 * and values (docs/format/decision.md). Together they are decided again here, without a server.
 */
import { readFile } from "node:fs/promises";
import {
  type DecisionAnswer,
  type DecisionFile,
  type DecisionQuestion,
  EVALUATOR_REVISION,
  formatDecisionFile,
  ModelCache,
  parseDecisionFile,
  verifyDecision,
} from "@authledger/authz";
import type { PolicyReceipt, VerifiedReceipt } from "@authledger/proof";
import { nodeCrypto } from "@authledger/sdk";
import { formatTuple, LedgerError } from "@authledger/types";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import type { Run } from "../run/command.js";
import { saveDurably } from "../run/durable-file.js";
import { savePolicies } from "./policies-file.js";

/** Where the decision of a receipt lies. */
function decisionPath(receiptPath: string): string {
  return `${receiptPath}.decision`;
}

/** The decision beside a receipt; undefined where there is none. @throws LedgerError IO_READ_FAILED, PROOF_INVALID */
export async function decisionBeside(receiptPath: string): Promise<DecisionFile | undefined> {
  const path = decisionPath(receiptPath);
  try {
    return parseDecisionFile(await readFile(path, "utf8"));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (cause instanceof LedgerError) throw cause;
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { details: { path }, cause });
  }
}

/** Writes all files, the receipt last: where it is, all of it is. */
export async function writeDecisionReceipt(
  run: Run,
  path: string,
  {
    receipt,
    decision,
    policies,
  }: {
    readonly receipt: string;
    readonly decision: Omit<DecisionFile, "evaluator">;
    readonly policies: readonly PolicyReceipt[];
  },
): Promise<void> {
  const besides = await savePolicies(path, policies);
  await saveDurably(decisionPath(path), formatDecisionFile(decision));
  await saveDurably(path, receipt);
  run.say(`wrote ${[path, decisionPath(path), ...besides].join(" and ")}`);
}

/** What a receipt shows of a decision, for people and programs. */
export interface ShownDecision {
  readonly question: { readonly kind: string; readonly [name: string]: Printable };
  readonly answer: Printable;
  readonly model_version: number;
  readonly model_hash: string;
  /** The time that expiry was judged by. */
  readonly judged_at: Printable;
  readonly judged_at_ms: bigint;
}

/** Decides again over a receipt. @throws LedgerError PROOF_INSUFFICIENT, PROOF_INVALID */
export function decisionShown(
  receipt: Pick<VerifiedReceipt, "content" | "timeMs" | "newestUntilMs">,
  file: DecisionFile,
): ShownDecision {
  const { content } = receipt;
  if (content.kind !== "state") {
    throw new LedgerError("PROOF_INSUFFICIENT", "the receipt of the decision shows no state");
  }
  const { question, answer, evaluator } = file;
  const deps = { hasher: nodeCrypto.hasher, models: new ModelCache() };
  const timeMs = judgedAt(receipt, file);
  try {
    const view = { state: content.state, timeMs };
    const replayed = verifyDecision(view, { ...file, answer }, question, deps);
    return {
      question: { kind: question.kind, ...askedFields(question) },
      answer: answerShown(replayed.answer),
      model_version: replayed.modelVersion,
      model_hash: replayed.modelHash,
      judged_at: timeText(timeMs),
      judged_at_ms: timeMs,
    };
  } catch (error) {
    throw evaluator === EVALUATOR_REVISION ? error : ofOtherRevision(error, evaluator);
  }
}

/** The block's time, or a later one at which the block was still the newest. @throws LedgerError PROOF_INVALID */
function judgedAt(
  { timeMs, newestUntilMs }: Pick<VerifiedReceipt, "timeMs" | "newestUntilMs">,
  { judgedAtMs }: DecisionFile,
): bigint {
  const judged = judgedAtMs === undefined ? timeMs : BigInt(judgedAtMs);
  if (judged >= timeMs && judged <= newestUntilMs) return judged;
  const message = `the decision was judged at ${judged} ms, the receipt is good from ${timeMs} to ${newestUntilMs}`;
  throw new LedgerError("PROOF_INVALID", message, { details: { reason: "file" } });
}

/** An evaluator that reads in another way may miss evidence that the one of its time did not need. */
function ofOtherRevision(error: unknown, evaluator: number): LedgerError {
  const { code, message, details } = LedgerError.from(error);
  const why = `the decision is of evaluator ${evaluator}, this program has ${EVALUATOR_REVISION}`;
  return new LedgerError(code, `${message}; ${why}`, { details, cause: error });
}

/** What was asked, as its parts: nothing vouches for it, so the reader must see it. */
function askedFields(question: DecisionQuestion): { readonly [name: string]: Printable } {
  const { context, contextualTuples } = question;
  const given = {
    ...(context && { context: JSON.stringify(context) }),
    ...(contextualTuples && { contextual_tuples: contextualTuples.map(textOf) }),
  };
  switch (question.kind) {
    case "check":
      return { checks: question.checks.map(textOf), ...given };
    case "list_objects": {
      const { type, relation, subject, limit, cursor } = question;
      return { type, relation, subject, limit, ...(cursor && { cursor }), ...given };
    }
    case "list_users": {
      const { object, relation, filters, limit, cursor } = question;
      return {
        object,
        relation,
        filters: [...filters],
        limit,
        ...(cursor && { cursor }),
        ...given,
      };
    }
  }
}

function textOf({
  object: resource,
  relation,
  subject,
}: {
  readonly object: string;
  readonly relation: string;
  readonly subject: string;
}): string {
  return formatTuple({ resource, relation, subject });
}

function answerShown(answer: DecisionAnswer): Printable {
  if (answer.kind === "check") {
    const results = answer.allowed.map((allowed) => (allowed ? "allowed" : "denied"));
    return results.length === 1 ? results[0]! : results;
  }
  return answer.kind === "list_objects" ? [...answer.objects] : [...answer.users];
}
