/**
 * Decisions with everything that a client needs to decide again: one state proof of the active model's records and of all
 * that the evaluation read, and the values to which these commit (commitment.md, "What a decision proof is").
 *
 * A proven decision is evaluated for itself, past every cache of results: a cached answer has no evidence.
 */
import {
  ACTIVE_MODEL_KEY,
  type Decided,
  type DecisionQuestion,
  decide,
  EvidenceRecorder,
  type ModelRecordName,
  modelBodyKey,
} from "@authledger/authz";
import { type LedgerKey, ledgerRecordKey, tupleKey } from "@authledger/proof";
import type { StateView } from "@authledger/state";
import { compareBytes, fromHex } from "@authledger/types";
import type { ProvableAnswer } from "../answer-proofs.js";
import type { AnswerSize } from "../answer-size.js";
import type { DecidingModel } from "./active-models.js";
import { StateTupleReader } from "./state-tuple-reader.js";

/** A decision and the values that go beside its proof. */
export interface DecidedWithValues<Q extends DecisionQuestion> extends Decided<Q> {
  /** 0 = there is no active model. */
  readonly modelVersion: number;
  readonly height: number;
  /** What expires up to it is absent. */
  readonly timeMs: number;
  /** nonce16 || value; empty where there is no such record. */
  readonly activeModel: Uint8Array;
  /** nonce16 || value; empty where there is no model, or the client knows it. */
  readonly modelBody: Uint8Array;
  /** nonce16 || value of conditional tuples in the evidence, in the order of their paths. */
  readonly tupleValues: readonly Uint8Array[];
}

const EMPTY = new Uint8Array(0);

/**
 * Decides a question about a state, and says what a proof of it has to show.
 * @param knownModel SHA-256 of the body that the client keeps; empty = none
 * @throws LedgerError as the evaluator does; LIMIT_EXCEEDED for evidence that no answer holds
 */
export function decideProvably<Q extends DecisionQuestion>(
  { state, timeMs }: { readonly state: StateView; readonly timeMs: number },
  model: DecidingModel | undefined,
  question: Q,
  knownModel: Uint8Array,
): ProvableAnswer<DecidedWithValues<Q>> {
  const recorder = new EvidenceRecorder(new StateTupleReader(state, timeMs));
  const decided = decide(model?.compiled, recorder, question);
  const records = recordsOf(model);
  const isKnown = model !== undefined && compareBytes(knownModel, fromHex(model.hash)) === 0;
  const [activeModel = EMPTY, modelBody = EMPTY] = records.map((key) => storedValue(state, key));
  const tupleValues = conditionsIn(state, recorder);
  const reply = {
    ...decided,
    modelVersion: model?.version ?? 0,
    height: state.height,
    timeMs,
    activeModel,
    modelBody: isKnown ? EMPTY : modelBody,
    tupleValues,
  };
  const questions = (): {
    gets: LedgerKey[];
    lists: ReturnType<typeof recorder.questions>["lists"];
  } => {
    const { gets, lists } = recorder.questions(state.paths);
    return { gets: [...records, ...gets], lists };
  };
  return { reply, questions, size: sizeOf(question, reply) };
}

/** A record of no active model is shown too: as absent, or as one of version 0. */
function recordsOf(model: DecidingModel | undefined): LedgerKey[] {
  const active = recordKey(ACTIVE_MODEL_KEY);
  return model === undefined ? [active] : [active, recordKey(modelBodyKey(model.version))];
}

function recordKey({ partition, group, item }: ModelRecordName): LedgerKey {
  return ledgerRecordKey(partition, group, item);
}

function storedValue(state: StateView, key: LedgerKey): Uint8Array {
  return state.value(state.paths.path(key))?.slice() ?? EMPTY;
}

function conditionsIn(state: StateView, recorder: EvidenceRecorder): Uint8Array[] {
  const paths = Array.from(recorder.conditional, (tuple) => state.paths.path(tupleKey(tuple)));
  return paths.sort(compareBytes).map((path) => state.value(path)!.slice());
}

/** What the answer takes beside its state proof. */
function sizeOf(
  { kind }: DecisionQuestion,
  reply: DecidedWithValues<DecisionQuestion>,
): AnswerSize {
  const { answer, activeModel, modelBody, tupleValues } = reply;
  const names =
    answer.kind === "check" ? [] : answer.kind === "list_objects" ? answer.objects : answer.users;
  const values = [activeModel, modelBody, ...tupleValues];
  const bytes = [...names, ...values].reduce((sum, { length }) => sum + length, 0);
  return { bytes, field: kind === "check" ? "tuples" : "page_size" };
}
