/** AuthorizationService over the engine's port. */
import type { EngineReply, EngineRequest } from "@authledger/engine";
import { authorization, type common } from "@authledger/proto";
import {
  limits,
  validateRelation,
  validateResource,
  validateSubject,
  validateType,
} from "@authledger/types";
import { type Decoders, strict } from "../call-frame.js";
import {
  checkCount,
  consistencyOf,
  ITEM,
  itemsOf,
  LINEARIZABLE,
  pageSizeOf,
  tupleOf,
} from "../convert-request.js";
import { answeredAt } from "../convert-response.js";
import type { ServiceDeps } from "../read-service.js";
import type { Handler } from "../unary.js";
import type { VaultName } from "../vault-directory.js";
import {
  decisionProofMessage,
  explanationMessage,
  pointMessage,
  treeMessage,
} from "./convert-answer.js";
import {
  broughtBy,
  contextualTuplesOf,
  filtersOf,
  proveDecisionOf,
  relationsOf,
} from "./convert-question.js";
import { isPlainDecision, type PreparedDecision, PreparedDecisions } from "./prepared-decisions.js";

interface VaultQuestion extends VaultName {
  readonly consistency?: common.Consistency | undefined;
}

type DecisionCall =
  | "authorize"
  | "list_objects"
  | "list_users"
  | "list_relations"
  | "expand"
  | "explain";

const EMPTY = new Uint8Array(0);

export class AuthorizationService {
  readonly #deps: ServiceDeps;
  readonly #prepared = new PreparedDecisions();

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly requests: Decoders<authorization.AuthorizationServiceService> = {
    check: this.#prepared.decode,
    batchCheck: strict(authorization.AuthorizationServiceBatchCheckRequest),
    expand: strict(authorization.ExpandRequest),
    listObjects: strict(authorization.ListObjectsRequest),
    listUsers: strict(authorization.ListUsersRequest),
    listRelations: strict(authorization.ListRelationsRequest),
    explain: strict(authorization.ExplainRequest),
  };

  readonly handlers: AuthorizationHandlers = {
    check: (decision) => {
      const question = decision.question ?? this.#plainQuestion(decision);
      if (question === undefined) return this.#checkOnce(decision.message);
      const { message } = decision;
      const reply = this.#deps.engine.ask("authorize", question);
      if (!(reply instanceof Promise)) {
        return this.#prepared.answer(question.vault, message, reply);
      }
      return reply.then((later) => this.#prepared.answer(question.vault, message, later));
    },
    batchCheck: async (request) => {
      checkCount(request.tuples.length, limits.BATCH_READ_MAX, "tuples");
      const tuples = itemsOf(request.tuples, "tuples", (tuple) => tupleOf(tuple, ITEM));
      const prove = proveDecisionOf(request.prove);
      const asked = { tuples, ...broughtBy(request.context), ...prove };
      const reply = await this.#ask(request, "authorize", asked);
      return { allowed: [...reply.allowed], ...decided(request, reply) };
    },
    expand: async (request) => {
      const { resource: object, relation } = request;
      validateResource(object);
      validateRelation(relation);
      const tuples = contextualTuplesOf(request.contextualTuples, "contextual_tuples");
      const reply = await this.#ask(request, "expand", { object, relation, ...tuples });
      const { modelVersion } = pointMessage(reply);
      return { tree: treeMessage(reply.tree), ...answeredAt(request, reply.at), modelVersion };
    },
    listObjects: async (request) => {
      const { type, relation, subject } = request;
      validateType(type);
      validateRelation(relation);
      validateSubject(subject);
      const asked = { type, relation, subject, ...broughtBy(request.context) };
      const { reply, nextPageToken } = await this.#page(request, "list_objects", asked);
      return { resources: [...reply.objects], nextPageToken, ...listed(request, reply) };
    },
    listUsers: async (request) => {
      const { resource: object, relation } = request;
      validateResource(object);
      validateRelation(relation);
      const filters = filtersOf(request.filters);
      const asked = { object, relation, filters, ...broughtBy(request.context) };
      const { reply, nextPageToken } = await this.#page(request, "list_users", asked);
      return { subjects: [...reply.users], nextPageToken, ...listed(request, reply) };
    },
    listRelations: async (request) => {
      const { resource: object, subject } = request;
      validateResource(object);
      validateSubject(subject);
      const asked = { object, subject, ...relationsOf(request.relations) };
      const brought = broughtBy(request.context);
      const reply = await this.#ask(request, "list_relations", { ...asked, ...brought });
      const answered = { ...answeredAt(request, reply.at), ...pointMessage(reply) };
      return { relations: [...reply.relations], ...answered };
    },
    explain: async (request) => {
      const asked = { tuple: tupleOf(request.tuple), ...broughtBy(request.context) };
      const reply = await this.#ask(request, "explain", asked);
      const { modelVersion } = pointMessage(reply);
      return {
        allowed: reply.allowed,
        ...explanationMessage(reply.explanation),
        ...answeredAt(request, reply.at),
        modelVersion,
        timeMs: BigInt(reply.timeMs),
      };
    },
  } satisfies AuthorizationHandlers as AuthorizationHandlers;

  /** What a plain question about a known vault asks, for now and for when it comes again. */
  #plainQuestion(decision: PreparedDecision): EngineRequest<"authorize"> | undefined {
    const { message } = decision;
    if (!isPlainDecision(message)) return undefined;
    const tuples = [tupleOf(message.tuple)];
    const vault = this.#deps.vaults.known(message);
    if (vault === undefined) return undefined;
    const question = { vault, tuples, consistency: LINEARIZABLE };
    this.#prepared.remember(decision, question);
    return question;
  }

  async #checkOnce(
    request: authorization.AuthorizationServiceCheckRequest,
  ): Promise<authorization.AuthorizationServiceCheckResponse> {
    const tuples = [tupleOf(request.tuple)];
    const prove = proveDecisionOf(request.prove);
    const asked = { tuples, ...broughtBy(request.context), ...prove };
    const reply = await this.#ask(request, "authorize", asked);
    return { allowed: reply.allowed[0]!, ...decided(request, reply) };
  }

  async #page<C extends "list_objects" | "list_users">(
    request: C extends "list_objects"
      ? authorization.ListObjectsRequest
      : authorization.ListUsersRequest,
    call: C,
    asked: Omit<EngineRequest<C>, "vault" | "consistency" | "limit" | "after" | "prove">,
  ): Promise<{ readonly reply: EngineReply<C>; readonly nextPageToken: Uint8Array }> {
    const { pageTokens } = this.#deps;
    const limit = pageSizeOf(request.pageSize);
    const name = [String(request.organization), String(request.vault)];
    const query = JSON.stringify([call, ...name, asked]);
    const after = pageTokens.decode(query, request.pageToken);
    const rest = { ...asked, limit, ...(after && { after }), ...proveDecisionOf(request.prove) };
    const reply = await this.#ask(request, call, rest as never);
    const { next } = reply;
    return { reply, nextPageToken: next === undefined ? EMPTY : pageTokens.encode(query, next) };
  }

  async #ask<C extends DecisionCall>(
    question: VaultQuestion,
    call: C,
    rest: Omit<EngineRequest<C>, "vault" | "consistency">,
  ): Promise<EngineReply<C>> {
    const { vaults, engine } = this.#deps;
    const vault = vaults.known(question) ?? (await vaults.resolve(question));
    const consistency = consistencyOf(question.consistency, question, vault);
    const request = { vault, consistency, ...rest } as unknown as EngineRequest<C>;
    return engine.call(call, request);
  }
}

function decided(name: VaultName, reply: EngineReply<"authorize">) {
  const proof = decisionProofMessage(reply.proof);
  return { ...answeredAt(name, reply.at), ...pointMessage(reply), proof };
}

function listed(name: VaultName, reply: EngineReply<"list_objects"> | EngineReply<"list_users">) {
  const proof = decisionProofMessage(reply.proof);
  const { complete } = reply;
  return { complete, ...answeredAt(name, reply.at), ...pointMessage(reply), proof };
}

interface AuthorizationHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly check: Handler<PreparedDecision, authorization.AuthorizationServiceCheckResponse>;
  readonly batchCheck: Handler<
    authorization.AuthorizationServiceBatchCheckRequest,
    authorization.AuthorizationServiceBatchCheckResponse
  >;
  readonly expand: Handler<authorization.ExpandRequest, authorization.ExpandResponse>;
  readonly listObjects: Handler<
    authorization.ListObjectsRequest,
    authorization.ListObjectsResponse
  >;
  readonly listUsers: Handler<authorization.ListUsersRequest, authorization.ListUsersResponse>;
  readonly listRelations: Handler<
    authorization.ListRelationsRequest,
    authorization.ListRelationsResponse
  >;
  readonly explain: Handler<authorization.ExplainRequest, authorization.ExplainResponse>;
}
