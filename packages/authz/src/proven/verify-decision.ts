/**
 * Decisions that nobody need be believed for: the evaluator runs again over what a proof shows, and its answer is the
 * answer. That the proof is of the state that was asked about is the light client's part (packages/proof).
 *
 *   INV-DECISION-6  An answer that was sent and does not follow from the evidence is refused; what is given out was
 *                   computed here.
 *
 * Source: commitment.md, "What a decision proof is".
 */
import { type Hasher, LedgerError } from "@authledger/types";
import { decide } from "./decide.js";
import { type ModelCache, provenModel, type SentModel } from "./proven-model.js";
import { ProvenReader, ProvenValues, type ProvenView } from "./proven-reader.js";
import type { AnswerTo, DecisionAnswer, DecisionQuestion } from "./question.js";
import { refuse } from "./refuse.js";

/** What travels beside the state proof of a decision. */
export interface SentDecision extends SentModel {
  /** nonce16 || value of the conditional tuples in the evidence, in any order. */
  readonly tupleValues: readonly Uint8Array[];
}

export interface VerifierDeps {
  readonly hasher: Hasher;
  readonly models: ModelCache;
}

export interface ReplayedDecision<Q extends DecisionQuestion> {
  readonly answer: AnswerTo<Q>;
  /** 0 = the vault has no active model. */
  readonly modelVersion: number;
  /** SHA-256 of the model's body, 64 lower-case hex digits; empty where there is none. */
  readonly modelHash: string;
}

/**
 * Answers a question from a proven state.
 * @throws LedgerError PROOF_INSUFFICIENT where the evidence does not suffice; PROOF_INVALID with reasons "value", "model",
 *   "twin" and "decision"
 */
export function replayDecision<Q extends DecisionQuestion>(
  view: ProvenView,
  sent: SentDecision,
  question: Q,
  { hasher, models }: VerifierDeps,
): ReplayedDecision<Q> {
  const model = provenModel(view, sent, models, hasher);
  const reads = question.kind === "list_objects" ? "both-ways" : "by-resource";
  const tuples = new ProvenReader(view, new ProvenValues(hasher, sent.tupleValues), reads);
  const { answer } = evaluate(() => decide(model?.compiled, tuples, question));
  return { answer, modelVersion: model?.version ?? 0, modelHash: model?.hash ?? "" };
}

/**
 * Answers a question from a proven state, and refuses the answer that was sent if it is another one.
 * @throws LedgerError as `replayDecision`
 */
export function verifyDecision<Q extends DecisionQuestion>(
  view: ProvenView,
  sent: SentDecision & { readonly answer: AnswerTo<Q> },
  question: Q,
  deps: VerifierDeps,
): ReplayedDecision<Q> {
  const replayed = replayDecision(view, sent, question, deps);
  if (isSameAnswer(replayed.answer, sent.answer)) return replayed;
  throw refuse("decision", "the answer that was sent does not follow from its evidence");
}

/** What evaluation throws over a proof is no answer: either evidence is missing, or no honest server could have answered. */
function evaluate<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const { code, message } = LedgerError.from(cause);
    if (code === "PROOF_INSUFFICIENT" || code === "PROOF_INVALID") throw cause;
    throw refuse("decision", `over its evidence the question has no answer: ${message}`, cause);
  }
}

/** Positions of next pages are the evaluator's own business; that there is one is not. */
function isSameAnswer(a: DecisionAnswer, b: DecisionAnswer): boolean {
  if (a.kind === "check") return b.kind === "check" && isSameList(a.allowed, b.allowed);
  if (b.kind === "check") return false;
  const isSamePage = a.complete === b.complete && (a.next === undefined) === (b.next === undefined);
  return a.kind === b.kind && isSamePage && isSameList(namesIn(a), namesIn(b));
}

function namesIn(answer: Exclude<DecisionAnswer, { kind: "check" }>): readonly string[] {
  return answer.kind === "list_objects" ? answer.objects : answer.users;
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
