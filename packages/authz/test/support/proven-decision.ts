/** A server and a client of decisions in memory: the one proves over a committed state, the other decides again. */
import { ledgerRecordKey, type ProofQuestions, tupleKey } from "@authledger/proof";
import { concatBytes, type Tuple, toHex } from "@authledger/types";
import {
  ACTIVE_MODEL_KEY,
  type AnswerTo,
  type AuthorizationModel,
  type CompiledModel,
  compileModel,
  type DecisionQuestion,
  decide,
  decodeModelBody,
  EvidenceRecorder,
  encodeActiveModel,
  encodeModelBody,
  encodeTupleCondition,
  ModelCache,
  modelBodyKey,
  type RelationTuple,
  type ReplayedDecision,
  type SentDecision,
  verifyDecision,
} from "../../src/index.js";
import { CommittedReader, CommittedState, hasher, NOW_MS } from "./committed-state.js";

/** What a server would send. */
export interface ProvenDecision<Q extends DecisionQuestion> extends SentDecision {
  readonly question: Q;
  readonly answer: AnswerTo<Q>;
  readonly stateProof: Uint8Array;
  readonly asked: ProofQuestions;
}

/** A state with a model and tuples. */
export function stateWith(
  model: AuthorizationModel | undefined,
  tuples: readonly (RelationTuple & { readonly expiresAtMs?: number })[],
  saltByte?: number,
): CommittedState {
  const state = new CommittedState(saltByte);
  for (const { object: resource, relation, subject, condition, expiresAtMs = 0 } of tuples) {
    const value = condition && encodeTupleCondition(condition);
    const tuple: Tuple = { resource, relation, subject };
    state.addTuple({ tuple, expiresAtMs, ...(value && { value }) });
  }
  if (model !== undefined) activate(state, 3, model);
  return state;
}

function bodyOf(model: AuthorizationModel): Uint8Array {
  return encodeModelBody({ language: "openfga", files: [{ name: "", text: "" }], model });
}

/** SHA-256 of the body that a state has of a model, in hex. */
export function bodyHash(model: AuthorizationModel): string {
  return toHex(hasher.sha256(bodyOf(model)));
}

/** Stores a model's body and makes it the active one. */
export function activate(
  state: CommittedState,
  version: number,
  model: AuthorizationModel,
  claimedHash?: string,
): void {
  const body = bodyOf(model);
  const hash = claimedHash ?? bodyHash(model);
  const active = encodeActiveModel({ version, hash, activatedAtMs: 1, before: [] });
  const bodyKey = modelBodyKey(version);
  state.setRecord(bodyKey.partition, bodyKey.group, bodyKey.item, body);
  state.setRecord("ledger", "model", "", active);
  // As servers do: what is compiled is what was stored.
  compiled.set(state, compileModel(decodeModelBody(body).model));
}

/** The active model of a state, as a server has it. */
export function modelOf(state: CommittedState): CompiledModel | undefined {
  return compiled.get(state);
}

const compiled = new WeakMap<CommittedState, ReturnType<typeof compileModel>>();
const VERSION = 3;
const NONE = new Uint8Array(0);

const recordKey = ({ partition, group, item }: ReturnType<typeof modelBodyKey>) =>
  ledgerRecordKey(partition, group, item);

export function prove<Q extends DecisionQuestion>(
  state: CommittedState,
  question: Q,
  reader: CommittedReader = new CommittedReader(state),
): ProvenDecision<Q> {
  const model = compiled.get(state);
  const recorder = new EvidenceRecorder(reader);
  const { answer } = decide(model, recorder, question);
  const records = [ACTIVE_MODEL_KEY, ...(model ? [modelBodyKey(VERSION)] : [])].map(recordKey);
  const { gets, lists } = recorder.questions(state.paths);
  const asked = { gets: [...records, ...gets], lists };
  const [activeModel = NONE, modelBody = NONE] = records.map((key) => state.value(key) ?? NONE);
  const tupleValues = Array.from(recorder.conditional, (tuple) => state.value(tupleKey(tuple))!);
  const sent = { activeModel, modelBody, tupleValues };
  return { question, answer, stateProof: state.prove(asked), asked, ...sent };
}

/** What the client makes of it; it trusts the root of `state` alone. */
export function verify<Q extends DecisionQuestion>(
  state: CommittedState,
  sent: ProvenDecision<Q>,
  { models = new ModelCache(), timeMs = BigInt(NOW_MS) } = {},
): ReplayedDecision<Q> {
  const shown = state.shown(sent.stateProof);
  if (toHex(shown.stateRoot) !== toHex(state.root)) throw new Error("proof of another state");
  return verifyDecision({ state: shown, timeMs }, sent, sent.question, { hasher, models });
}

/** A value that says something else. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = concatBytes(bytes);
  changed[at] = changed[at]! ^ 1;
  return changed;
}
