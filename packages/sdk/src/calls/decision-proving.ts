/** The frame of a decision that may be proven: what to ask for, and what to make of what came. */
import type { AnswerTo, DecisionFile, DecisionQuestion } from "@authledger/authz";
import type { VerifiedAnswer } from "@authledger/proof";
import type { authorization, common } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { type DecisionPages, sentDecision } from "../verify/proven-decisions.js";
import { contextOf, tupleConditionOf } from "./convert.js";
import { Proving } from "./proving.js";
import type { Answer, ReadOptions } from "./values.js";

/**
 * What a receipt of a decision holds beside its proof: `formatDecisionFile` of `@authledger/authz` writes it. The time by which a
 * current answer was judged is known to a client that verifies, and to no other: without it, evidence is decided again at
 * the block's time. A later page of a list is of the time of the first one, and says so unless blocks were sealed in between: no receipt
 * of it can show that time then.
 */
export type DecisionEvidence = Omit<DecisionFile, "evaluator">;

export interface ProvableOptions extends ReadOptions {
  /** A verifying client takes the server's word. Default false. */
  readonly unproven?: boolean | undefined;
}

interface ProvenResponse {
  readonly token: Uint8Array;
  readonly height: bigint;
  readonly proof?: authorization.DecisionProof | undefined;
}

/** A decision as it is given out. */
export interface JudgedDecision<Q extends DecisionQuestion> {
  readonly answer: AnswerTo<Q>;
  readonly about: Answer & { readonly evidence?: DecisionEvidence };
  /** Which model decided, where that was proven. */
  readonly model: { readonly modelVersion?: bigint };
}

export class DecisionProving {
  readonly prove: authorization.ProveDecision | undefined;
  readonly consistency: common.Consistency;
  readonly #session: Session;
  readonly #proving: Proving;

  private constructor(session: Session, proving: Proving, options: ProvableOptions) {
    this.#session = session;
    this.#proving = proving;
    this.consistency = proving.consistency;
    // Who wants the proof as bytes wants all of it, whatever model this client keeps.
    this.prove = session.decisions.ask(proving.prove, options.prove === undefined);
  }

  static async begin(session: Session, options: ProvableOptions): Promise<DecisionProving> {
    const proving = await Proving.begin(session, options, options.unproven === true);
    return new DecisionProving(session, proving, options);
  }

  /** Options of the request. */
  get call(): CallOptions {
    return this.#proving.call;
  }

  /**
   * Gives out what follows from the evidence where the client verifies, else what the server said.
   * @param pages of a list that goes on: all pages are of the state and the time of the first one
   * @throws as VaultVerifier.verify; LedgerError PROOF_INSUFFICIENT, PROOF_INVALID
   */
  async judge<Q extends DecisionQuestion>(
    response: ProvenResponse,
    question: Q,
    claimed: AnswerTo<Q>,
    pages?: DecisionPages,
  ): Promise<JudgedDecision<Q>> {
    const { height, token, proof } = response;
    const sent = { height, token, proof: proof?.proof };
    const first = pages?.height;
    const { answer: about, verified } = await (first === undefined
      ? this.#proving.judge(sent)
      : this.#proving.judgeAt(sent, first));
    const values = { ...sentDecision(proof), answer: claimed };
    if (verified === undefined) {
      const evidence = proof && { evidence: { question, ...values } };
      return { answer: claimed, about: { ...about, ...evidence }, model: {} };
    }
    const view = pages?.add(verified) ?? verified;
    const judged = judgedAt(view.timeMs, verified);
    const evidence = proof && { evidence: { question, ...values, ...judged } };
    const { answer, modelVersion } = this.#session.decisions.judge(view, values, question);
    const model = { modelVersion: BigInt(modelVersion) };
    return { answer, about: { ...about, ...evidence }, model };
  }
}

/**
 * What is past the block's time may have expired before the answer was made: a receipt of it says by which time it was. Only a head
 * whose newest block this is vouches for such a time, which that of a later page need not be.
 */
function judgedAt(
  timeMs: bigint,
  { kind, height, header, trust }: VerifiedAnswer,
): Pick<DecisionEvidence, "judgedAtMs"> {
  const isNewest = kind === "current" || trust.head.size === BigInt(height) + 1n;
  const isLater = timeMs > BigInt(header.timestampMs);
  return isNewest && isLater ? { judgedAtMs: Number(timeMs) } : {};
}

/** What a question brings along, as the server reads it. @throws LedgerError */
export function broughtAlong(
  message: authorization.EvaluationContext | undefined,
): Pick<DecisionQuestion, "context" | "contextualTuples"> {
  if (message === undefined) return {};
  const { contextJson, contextualTuples } = message;
  const tuples = contextualTuples.map(({ tuple, condition }) => {
    if (tuple === undefined) {
      throw new LedgerError("INVALID_ARGUMENT", "a contextual tuple without a tuple");
    }
    const { resource: object, relation, subject } = tuple;
    const carried = condition && tupleConditionOf(condition);
    return { object, relation, subject, ...(carried && { condition: carried }) };
  });
  return {
    ...(contextJson !== "" && { context: contextOf(contextJson) }),
    ...(tuples.length > 0 && { contextualTuples: tuples }),
  };
}
