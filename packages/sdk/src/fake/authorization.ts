/** AuthorizationService of a fake ledger. The evaluator is the node's (packages/authz), and so are the proofs. */
import {
  ACTIVE_MODEL_KEY,
  type CheckQuestion,
  type ChecksQuestion,
  CONTEXTUAL_TUPLES_MAX,
  type DecisionQuestion,
  decide,
  EvidenceRecorder,
  expand,
  explain,
  listRelations,
  modelBodyKey,
  USER_FILTERS_MAX,
  type World,
} from "@authledger/authz";
import { tupleKey } from "@authledger/proof";
import type { authorization, common } from "@authledger/proto";
import {
  fromHex,
  LedgerError,
  limits,
  type Tuple,
  validateRelation,
  validateResource,
  validateSubject,
  validateType,
} from "@authledger/types";
import { broughtAlong } from "../calls/decision-proving.js";
import type { VaultName } from "../options.js";
import { explanationMessage, treeMessage } from "./decision-messages.js";
import { type DecidingModel, decidingModel, recordKey, requireModel } from "./model-records.js";
import { checkCount, pageSizeOf, tupleOf } from "./requests.js";
import type { FakeState } from "./state.js";
import {
  decodeListPosition,
  decodePageToken,
  encodeListPosition,
  encodePageToken,
} from "./tokens.js";
import type { NoncedValue } from "./vault.js";
import { View, valuesOf } from "./view.js";
import { ViewTuples } from "./view-tuples.js";

const NONE = new Uint8Array(0);
const RELATIONS_MAX = 100;
/** Of one question, and of all of one call. */
const QUESTION_LIMITS = { depth: 25, cost: 20_000 };
const CALL_LIMITS = { depth: 25, cost: 40_000 };

type Asked = VaultName & {
  readonly consistency?: common.Consistency | undefined;
  readonly prove?: authorization.ProveDecision | undefined;
};

type Paged = Asked & {
  readonly context?: authorization.EvaluationContext | undefined;
  readonly pageSize: number;
  readonly pageToken: Uint8Array;
};

/** A list without its page. */
type ListQuestion = DecisionQuestion extends infer Q
  ? Q extends { readonly kind: "list_objects" | "list_users" }
    ? Omit<Q, "limit" | "cursor">
    : never
  : never;

/** What one request sees. */
interface Scene {
  readonly view: View;
  readonly model: DecidingModel | undefined;
  readonly recorder: EvidenceRecorder;
}

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

  listObjects(request: authorization.ListObjectsRequest): authorization.ListObjectsResponse {
    const { type, relation, subject } = request;
    validateType(type);
    validateRelation(relation);
    validateSubject(subject);
    const { answer, ...page } = this.#page(request, {
      kind: "list_objects",
      ...{ type, relation, subject },
    });
    return { resources: answer.kind === "list_objects" ? [...answer.objects] : [], ...page };
  }

  listUsers(request: authorization.ListUsersRequest): authorization.ListUsersResponse {
    const { resource: object, relation, filters } = request;
    validateResource(object);
    validateRelation(relation);
    checkCount(filters.length, USER_FILTERS_MAX, "filters");
    const { answer, ...page } = this.#page(request, {
      kind: "list_users",
      ...{ object, relation, filters },
    });
    return { subjects: answer.kind === "list_users" ? [...answer.users] : [], ...page };
  }

  listRelations(request: authorization.ListRelationsRequest): authorization.ListRelationsResponse {
    const { resource: object, subject, relations } = request;
    validateResource(object);
    validateSubject(subject);
    if (relations.length > 0) checkCount(relations.length, RELATIONS_MAX, "relations");
    const { view, world, modelVersion } = this.#world(request);
    const asked = { object, subject, ...(relations.length > 0 && { relations }) };
    const brought = broughtBy(request.context);
    const found = listRelations(world, { ...asked, ...brought, limits: CALL_LIMITS });
    const cost = BigInt(found.cost);
    return { relations: [...found.relations], ...view.at, modelVersion, cost };
  }

  expand(request: authorization.ExpandRequest): authorization.ExpandResponse {
    const { resource: object, relation, contextualTuples } = request;
    validateResource(object);
    validateRelation(relation);
    const { view, world, modelVersion } = this.#world(request);
    const brought = broughtBy({ contextJson: "", contextualTuples });
    const { tree } = expand(world, { object, relation, ...brought, limits: QUESTION_LIMITS });
    return { tree: treeMessage(tree), ...view.at, modelVersion };
  }

  explain(request: authorization.ExplainRequest): authorization.ExplainResponse {
    const { resource: object, relation, subject } = tupleOf(request.tuple);
    const { view, world, modelVersion } = this.#world(request);
    const asked = { object, relation, subject, ...broughtBy(request.context) };
    const { allowed, tree } = explain(world, { ...asked, limits: QUESTION_LIMITS });
    const timeMs = BigInt(view.timeMs);
    return { allowed, ...explanationMessage(tree), ...view.at, modelVersion, timeMs };
  }

  #decide(
    request: Asked & { readonly context?: authorization.EvaluationContext | undefined },
    tuples: readonly Tuple[],
  ): authorization.AuthorizationServiceBatchCheckResponse {
    const brought = broughtBy(request.context);
    const scene = this.#scene(request);
    let cost = 0;
    const allowed = tuples.map(({ resource: object, relation, subject }, i) => {
      const checks = [{ object, relation, subject }];
      const question: ChecksQuestion = { kind: "check", checks, ...brought };
      const ask = (): boolean => {
        const decided = decide(scene.model?.compiled, scene.recorder, question);
        cost += decided.cost;
        return decided.answer.allowed[0] === true;
      };
      return tuples.length === 1 ? ask() : naming(i, ask);
    });
    return { allowed, ...answered(scene, request, cost) };
  }

  #page(request: Paged, list: ListQuestion) {
    const limit = pageSizeOf(request.pageSize);
    const { organization, vault, context, pageToken } = request;
    const query = JSON.stringify([`${organization}/${vault}`, list, context]);
    const token = decodePageToken(query, pageToken);
    const position = token && decodeListPosition(token);
    const scene = this.#scene(request, position);
    const cursor = position && { cursor: position.path };
    const question = { ...list, limit, ...cursor, ...broughtBy(context) };
    const { answer, cost } = decide(scene.model?.compiled, scene.recorder, question);
    const { next, complete } = answer;
    const { height, timeMs } = scene.view;
    const nextPageToken =
      next === undefined
        ? NONE
        : encodePageToken(query, encodeListPosition({ height, timeMs, path: next }));
    return { answer, nextPageToken, complete, ...answered(scene, request, cost) };
  }

  #scene(
    { organization, vault, consistency, prove }: Asked,
    moment?: { readonly height: number; readonly timeMs: number },
  ): Scene {
    const asked = { organization, vault, consistency, prove: prove?.prove };
    const view = new View(this.#state, asked, moment);
    const recorder = new EvidenceRecorder(new ViewTuples(view));
    return { view, model: decidingModel(valuesOf(view)), recorder };
  }

  /** @throws LedgerError NO_ACTIVE_MODEL */
  #world({ organization, vault, consistency }: Asked): {
    readonly view: View;
    readonly world: World;
    readonly modelVersion: bigint;
  } {
    const view = new View(this.#state, { organization, vault, consistency });
    const { compiled: model, version } = requireModel(valuesOf(view));
    return { view, world: { model, tuples: new ViewTuples(view) }, modelVersion: BigInt(version) };
  }
}

function broughtBy(
  context: authorization.EvaluationContext | undefined,
): Pick<CheckQuestion, "context" | "contextualTuples"> {
  const { contextualTuples = [] } = context ?? {};
  if (contextualTuples.length > CONTEXTUAL_TUPLES_MAX) {
    checkCount(contextualTuples.length, CONTEXTUAL_TUPLES_MAX, "contextual_tuples");
  }
  const { context: values, contextualTuples: given } = broughtAlong(context);
  return { ...(values && { context: values }), ...(given && { contextualTuples: given }) };
}

function answered(scene: Scene, { prove }: Asked, cost: number) {
  const { view, model } = scene;
  const proof = prove && proofOf(scene, prove.knownModel);
  const modelVersion = BigInt(model?.version ?? 0);
  return { ...view.at, modelVersion, cost: BigInt(cost), ...(proof && { proof }) };
}

/** All that a client needs to decide again: what was read, and what stands behind digests. */
function proofOf(
  { view, model, recorder }: Scene,
  knownModel: Uint8Array,
): authorization.DecisionProof {
  const active = recordKey(ACTIVE_MODEL_KEY);
  const body = model && recordKey(modelBodyKey(model.version));
  const { gets, lists } = recorder.questions(view.open.vault.paths);
  const records = body === undefined ? [active] : [active, body];
  const proof: common.Proof | undefined = view.proof({ gets: [...records, ...gets], lists });
  const isKnown = model !== undefined && Buffer.compare(knownModel, fromHex(model.hash)) === 0;
  const conditional = Array.from(recorder.conditional, (tuple) => view.get(tupleKey(tuple))!);
  conditional.sort((a, b) => Buffer.compare(a.path, b.path));
  return {
    proof,
    activeModel: nonced(view.get(active)?.value),
    modelBody: isKnown ? NONE : nonced(body && view.get(body)?.value),
    tupleValues: conditional.map(({ value }) => nonced(value)),
  };
}

/** As it is hashed. */
function nonced(stored: NoncedValue | undefined): Uint8Array {
  return stored === undefined ? NONE : Buffer.concat([stored.nonce, stored.value]);
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
