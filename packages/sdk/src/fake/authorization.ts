/**
 * AuthorizationService of a fake ledger, as a vault without a model answers it: a check asks whether the tuple is stored. The
 * evaluator is the node's (packages/authz), and so are the proofs.
 */
import {
  ACTIVE_MODEL_KEY,
  type ChecksQuestion,
  CONTEXTUAL_TUPLES_MAX,
  decide,
  decodeTupleCondition,
  EvidenceRecorder,
  MapTupleReader,
  type RelationTuple,
} from "@authledger/authz";
import { isLive, Kind, ledgerRecordKey, tupleOfKey } from "@authledger/proof";
import type { authorization, common } from "@authledger/proto";
import { LedgerError, limits, type Tuple } from "@authledger/types";
import { broughtAlong } from "../calls/decision-proving.js";
import { checkCount, tupleOf } from "./requests.js";
import type { FakeState } from "./state.js";
import { View } from "./view.js";

const NONE = new Uint8Array(0);

type Request = Pick<
  authorization.AuthorizationServiceBatchCheckRequest,
  "organization" | "vault" | "consistency" | "context" | "prove"
>;

export class FakeAuthorization {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  check(
    request: authorization.AuthorizationServiceCheckRequest,
  ): authorization.AuthorizationServiceCheckResponse {
    const { allowed, ...about } = this.#decide(request, [tupleOf(request.tuple)]);
    return { allowed: allowed[0] === true, ...about };
  }

  batchCheck(
    request: authorization.AuthorizationServiceBatchCheckRequest,
  ): authorization.AuthorizationServiceBatchCheckResponse {
    checkCount(request.tuples.length, limits.BATCH_READ_MAX, "tuples");
    return this.#decide(request, request.tuples.map(tupleOf));
  }

  #decide(
    request: Request,
    tuples: readonly Tuple[],
  ): authorization.AuthorizationServiceBatchCheckResponse {
    const { contextualTuples = [] } = request.context ?? {};
    if (contextualTuples.length > CONTEXTUAL_TUPLES_MAX) {
      checkCount(contextualTuples.length, CONTEXTUAL_TUPLES_MAX, "contextual_tuples");
    }
    const { organization, vault, consistency, prove } = request;
    const view = new View(this.#state, { organization, vault, consistency, prove: prove?.prove });
    const recorder = new EvidenceRecorder(new MapTupleReader(liveTuples(view)));
    const brought = broughtAlong(request.context);
    const allowed = tuples.map(({ resource: object, relation, subject }, i) => {
      const question: ChecksQuestion = {
        kind: "check",
        checks: [{ object, relation, subject }],
        ...brought,
      };
      const ask = (): boolean => decide(undefined, recorder, question).answer.allowed[0] === true;
      return tuples.length === 1 ? ask() : naming(i, ask);
    });
    const proof = prove && proofOf(view, recorder);
    return {
      allowed,
      ...view.at,
      modelVersion: 0n,
      cost: BigInt(tuples.length),
      ...(proof && { proof }),
    };
  }
}

function proofOf(view: View, recorder: EvidenceRecorder): authorization.DecisionProof {
  const { partition, group, item } = ACTIVE_MODEL_KEY;
  const { gets, lists } = recorder.questions(view.open.vault.paths);
  const active = ledgerRecordKey(partition, group, item);
  const proof: common.Proof | undefined = view.proof({ gets: [active, ...gets], lists });
  return { proof, activeModel: NONE, modelBody: NONE, tupleValues: [] };
}

/** Which question of many it was. */
function naming<T>(index: number, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    const { code, message, details } = LedgerError.from(cause);
    throw new LedgerError(code, `tuples[${index}]: ${message}`, {
      details: { ...details, field: `tuples[${index}]` },
      cause,
    });
  }
}

function* liveTuples(view: View): Generator<RelationTuple> {
  for (const { key, record, value } of view.records(({ kind }) => kind === Kind.tupleByResource)) {
    if (!isLive(record, view.timeMs)) continue;
    const { resource: object, relation, subject } = tupleOfKey(key);
    const condition = value && decodeTupleCondition(value.value);
    yield { object, relation, subject, ...(condition && { condition }) };
  }
}
