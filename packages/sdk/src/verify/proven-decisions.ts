/**
 * Decisions that the client decides again: the evaluator of the server over the proven state (packages/authz). Models are kept
 * compiled, and the server is told which one, so that it need not send it again.
 *
 *   INV-DECISION-7  A decision that is given out was computed here, over a state that the light client verified.
 */
import {
  type AnswerTo,
  type DecisionQuestion,
  ModelCache,
  type ReplayedDecision,
  type SentDecision,
  verifyDecision,
} from "@authledger/authz";
import type { VerifiedAnswer } from "@authledger/proof";
import type { authorization, common } from "@authledger/proto";
import { equalBytes, fromHex, LedgerError } from "@authledger/types";
import { plain } from "../calls/convert.js";
import { nodeCrypto } from "./node-crypto.js";

const NONE = new Uint8Array(0);

/** Decides again what servers decided about one vault. */
export class DecisionJudge {
  readonly #models = new ModelCache();

  /**
   * What to ask for.
   * @param prove what every proven read asks for; undefined where no proof is wanted
   * @param mayKeepModel the server need not send a model that is kept here
   */
  ask(
    prove: common.Prove | undefined,
    mayKeepModel: boolean,
  ): authorization.ProveDecision | undefined {
    if (prove === undefined) return undefined;
    const newest = mayKeepModel ? this.#models.newest : undefined;
    return { prove, knownModel: newest === undefined ? NONE : fromHex(newest) };
  }

  /**
   * The decision, computed from the proven state.
   * @throws LedgerError PROOF_INSUFFICIENT, PROOF_INVALID
   */
  judge<Q extends DecisionQuestion>(
    verified: Pick<VerifiedAnswer, "state" | "timeMs">,
    sent: SentDecision & { readonly answer: AnswerTo<Q> },
    question: Q,
  ): ReplayedDecision<Q> {
    const { state, timeMs } = verified;
    if (state === undefined) {
      throw new LedgerError("PROOF_INSUFFICIENT", "the proof of the decision shows no state", {
        details: { reason: "insufficient" },
      });
    }
    const deps = { hasher: nodeCrypto.hasher, models: this.#models };
    return verifyDecision({ state, timeMs }, sent, question, deps);
  }
}

/** What came beside the state proof of a decision. */
export function sentDecision(message: authorization.DecisionProof | undefined): SentDecision {
  if (message === undefined) return { activeModel: NONE, modelBody: NONE, tupleValues: [] };
  const { activeModel, modelBody, tupleValues } = message;
  return {
    activeModel: plain(activeModel),
    modelBody: plain(modelBody),
    tupleValues: tupleValues.map(plain),
  };
}

/** Pages of one proven list: all of the state of the first one, judged by its time. */
export class DecisionPages {
  /** Where the next page begins, as it was computed here. */
  cursor: Uint8Array | undefined;
  #first:
    | { readonly height: bigint; readonly stateRoot: Uint8Array; readonly timeMs: bigint }
    | undefined;

  /** What the whole list is about; undefined before its first page. */
  get height(): bigint | undefined {
    return this.#first?.height;
  }

  /** The page as of the time of the first one. @throws LedgerError PROOF_INVALID when it is of another state */
  add(verified: VerifiedAnswer): Pick<VerifiedAnswer, "state" | "timeMs"> {
    const { height, timeMs, state, header } = verified;
    this.#first ??= { height: BigInt(height), stateRoot: header.stateRoot, timeMs };
    if (!equalBytes(this.#first.stateRoot, header.stateRoot)) {
      throw new LedgerError("PROOF_INVALID", "the pages of the list are of different states", {
        details: { reason: "page" },
      });
    }
    return { state, timeMs: this.#first.timeMs };
  }
}
