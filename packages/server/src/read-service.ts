/** ReadService over the engine's port. */
import {
  type EnginePort,
  type EngineReply,
  type EngineRequest,
  type StoredEntity,
  valueErased,
} from "@authledger/engine";
import { type common, read } from "@authledger/proto";
import {
  LedgerError,
  limits,
  validateEntityKey,
  validateRelation,
  validateResource,
  validateSubject,
} from "@authledger/types";
import { type Decoders, strict } from "./call-frame.js";
import {
  checkCount,
  consistencyOf,
  cosignaturesOf,
  ITEM,
  itemsOf,
  LINEARIZABLE,
  numberOf,
  pageSizeOf,
  proveOf,
  tupleOf,
} from "./convert-request.js";
import {
  answeredAt,
  entityMessage,
  proofMessage,
  relationshipMessage,
  tokenOf,
} from "./convert-response.js";
import { isPlain, type PreparedCheck, PreparedChecks } from "./prepared-checks.js";
import type { PageTokens } from "./tokens.js";
import type { Handler } from "./unary.js";
import type { VaultDirectory, VaultName } from "./vault-directory.js";

/** Methods of the service that block-service.ts answers. */
export type BlockMethod =
  | "getBlockRange"
  | "getBlockProof"
  | "listChanges"
  | "watchBlocks"
  | "watchChanges";
/** Methods of the service that listing-service.ts answers. */
export type ListingMethod = "listEntities" | "listResources" | "getClientState";

/** Methods of the service that head-service.ts answers. */
export type HeadMethod = "listPolicyBundles" | "reportCheckpoint";

export interface ServiceDeps {
  readonly engine: EnginePort;
  readonly vaults: VaultDirectory;
  readonly pageTokens: PageTokens;
}

/** Parts that every question about a vault has. */
interface VaultQuestion extends VaultName {
  readonly consistency?: common.Consistency | undefined;
  readonly prove?: common.Prove | undefined;
}

export class ReadService {
  readonly #deps: ServiceDeps;
  readonly #checks = new PreparedChecks();

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly requests: Omit<
    Decoders<read.ReadServiceService>,
    BlockMethod | ListingMethod | HeadMethod
  > = {
    read: strict(read.ReadRequest),
    batchRead: strict(read.BatchReadRequest),
    check: this.#checks.decode,
    batchCheck: strict(read.BatchCheckRequest),
    listRelationships: strict(read.ListRelationshipsRequest),
    getTip: strict(read.GetTipRequest),
    getBlock: strict(read.GetBlockRequest),
    getCheckpoint: strict(read.GetCheckpointRequest),
    getConsistencyProof: strict(read.GetConsistencyProofRequest),
  };

  readonly handlers = {
    read: async (request) => {
      validateEntityKey(request.key);
      const { entities, at, proof } = await this.#entities(request, [request.key]);
      const token = tokenOf(request, at);
      requireValue(entities[0], at.height, request.prove);
      const entity = entityMessage(entities[0]);
      return { entity, height: BigInt(at.height), token, proof: proofMessage(proof) };
    },
    batchRead: async (request) => {
      checkCount(request.keys.length, limits.BATCH_READ_MAX, "keys");
      itemsOf(request.keys, "keys", (key) => validateEntityKey(key, ITEM));
      const { entities, at, proof } = await this.#entities(request, request.keys);
      const results = entities.map((entity) => ({ entity: entityMessage(entity) }));
      return { results, ...answeredAt(request, at), proof: proofMessage(proof) };
    },
    check: (check) => {
      const question = check.question ?? this.#plainQuestion(check);
      if (question === undefined) return this.#checkOnce(check.message);
      const reply = this.#deps.engine.ask("check", question);
      if (!(reply instanceof Promise)) return this.#plainAnswer(check, question, reply);
      return reply.then((later) => this.#plainAnswer(check, question, later));
    },
    batchCheck: (request) => {
      checkCount(request.tuples.length, limits.BATCH_READ_MAX, "tuples");
      const tuples = itemsOf(request.tuples, "tuples", (tuple) => tupleOf(tuple, ITEM));
      return this.#ask(request, "check", { tuples }, ({ allowed, at, proof }) => ({
        allowed: [...allowed],
        ...answeredAt(request, at),
        proof: proofMessage(proof),
      }));
    },
    listRelationships: (request) => this.#list(request),
    getTip: (request) =>
      this.#ask(request, "get_tip", {}, ({ header, blockHash, at }) => ({
        header,
        blockHash,
        ...answeredAt(request, at),
      })),
    getBlock: (request) => {
      const height = numberOf(request.height, "height");
      const { transactions } = request;
      return this.#ask(request, "get_block", { height, transactions }, (reply) => ({
        header: reply.header,
        blockHash: reply.blockHash,
        transactions: [...reply.transactions],
        token: tokenOf(request, reply.at),
        proof: proofMessage(reply.proof),
      }));
    },
    getCheckpoint: (request) => {
      const trustedSize = numberOf(request.trustedSize, "trusted_size");
      return this.#ask(
        request,
        "get_checkpoint",
        { trustedSize, ...cosignaturesOf(request) },
        (reply) => ({
          checkpoint: reply.checkpoint,
          consistencyProof: [...reply.consistencyProof],
          token: tokenOf(request, reply.at),
        }),
      );
    },
    getConsistencyProof: async (request, { deadlineAtMs }) => {
      const vault = await this.#vault(request);
      const fromSize = numberOf(request.fromSize, "from_size");
      const toSize = numberOf(request.toSize, "to_size");
      const sizes = { vault, fromSize, toSize };
      const { proof } = await this.#deps.engine.call("get_consistency_proof", sizes, deadlineAtMs);
      return { proof: [...proof] };
    },
  } satisfies ReadHandlers as ReadHandlers;

  /** What a plain check of a known vault asks, for now and for when it comes again. */
  #plainQuestion(check: PreparedCheck): EngineRequest<"check"> | undefined {
    const { message } = check;
    if (!isPlain(message)) return undefined;
    const tuples = [tupleOf(message.tuple)];
    const vault = this.#deps.vaults.known(message);
    if (vault === undefined) return undefined;
    const question = { vault, tuples, consistency: LINEARIZABLE, memo: {} };
    this.#checks.remember(check, question);
    return question;
  }

  #plainAnswer(
    { message }: PreparedCheck,
    { vault }: EngineRequest<"check">,
    reply: EngineReply<"check">,
  ): Buffer {
    return this.#checks.answer(vault, message, reply);
  }

  #checkOnce(request: read.CheckRequest): read.CheckResponse | Promise<read.CheckResponse> {
    const tuples = [tupleOf(request.tuple)];
    return this.#ask(request, "check", { tuples }, ({ allowed, at, proof }) => ({
      allowed: allowed[0]!,
      ...answeredAt(request, at),
      proof: proofMessage(proof),
    }));
  }

  #vault(name: VaultName): number | Promise<number> {
    const { vaults } = this.#deps;
    return vaults.known(name) ?? vaults.resolve(name);
  }

  /** Puts a question about a vault to the engine; without a promise where vault and answer are there at once. */
  #ask<C extends "check" | "get_tip" | "get_block" | "get_checkpoint", R>(
    question: VaultQuestion,
    call: C,
    rest: Omit<EngineRequest<C>, "vault" | "consistency" | "prove">,
    finish: (reply: EngineReply<C>) => R,
  ): R | Promise<R> {
    const vault = this.#vault(question);
    if (typeof vault !== "number") {
      return vault.then((id) => this.#askKnown(question, id, call, rest, finish));
    }
    return this.#askKnown(question, vault, call, rest, finish);
  }

  #askKnown<C extends "check" | "get_tip" | "get_block" | "get_checkpoint", R>(
    question: VaultQuestion,
    vault: number,
    call: C,
    rest: Omit<EngineRequest<C>, "vault" | "consistency" | "prove">,
    finish: (reply: EngineReply<C>) => R,
  ): R | Promise<R> {
    const reply = this.#deps.engine.ask(call, this.#request<C>(question, vault, rest));
    return reply instanceof Promise ? reply.then(finish) : finish(reply);
  }

  #request<C extends keyof typeof NO_CALL>(
    question: VaultQuestion,
    vault: number,
    rest: object,
  ): EngineRequest<C> {
    const consistency = consistencyOf(question.consistency, question, vault);
    return {
      vault,
      consistency,
      ...rest,
      ...proveOf(question.prove),
    } as unknown as EngineRequest<C>;
  }

  async #entities(
    request: VaultQuestion,
    keys: readonly string[],
  ): Promise<EngineReply<"read_entities">> {
    const vault = await this.#vault(request);
    const consistency = consistencyOf(request.consistency, request, vault);
    const prove = proveOf(request.prove);
    return this.#deps.engine.call("read_entities", { vault, consistency, keys, ...prove });
  }

  async #list(request: read.ListRelationshipsRequest): Promise<read.ListRelationshipsResponse> {
    const { resource, relation, subject } = request;
    checkFilter(request);
    const vault = await this.#vault(request);
    const query = JSON.stringify([
      String(request.organization),
      String(request.vault),
      resource,
      relation,
      subject,
    ]);
    const { pageTokens, engine } = this.#deps;
    const after = pageTokens.decode(query, request.pageToken);
    const { tuples, next, at, proof } = await engine.call("list_tuples", {
      vault,
      consistency: consistencyOf(request.consistency, request, vault),
      limit: pageSizeOf(request.pageSize),
      ...(resource !== undefined && { resource }),
      ...(relation !== undefined && { relation }),
      ...(subject !== undefined && { subject }),
      ...(after !== undefined && { after }),
      ...proveOf(request.prove),
    });
    return {
      relationships: tuples.map(relationshipMessage),
      nextPageToken: next === undefined ? new Uint8Array(0) : pageTokens.encode(query, next),
      ...answeredAt(request, at),
      proof: proofMessage(proof),
    };
  }
}

/**
 * Without a proof nothing is left to answer with; a row of a batch says that it was erased.
 * @throws LedgerError VALUE_ERASED
 */
function requireValue(
  entity: StoredEntity | undefined,
  height: number,
  prove: common.Prove | undefined,
): void {
  if (entity?.erasedAtMs === undefined || prove !== undefined) return;
  const { key, erasedAtMs } = entity;
  throw valueErased({ key, height, erasedAtMs });
}

const NO_CALL = { check: 0, get_tip: 0, get_block: 0, get_checkpoint: 0 } as const;

function checkFilter(request: read.ListRelationshipsRequest): void {
  const { resource, relation, subject, prove } = request;
  if (resource !== undefined) validateResource(resource);
  if (relation !== undefined) validateRelation(relation);
  if (subject !== undefined) validateSubject(subject);
  if (prove === undefined || resource !== undefined || subject !== undefined) return;
  throw new LedgerError("INVALID_ARGUMENT", "a proven list needs a resource or a subject", {
    details: { field: "prove" },
  });
}

interface ReadHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly read: Handler<read.ReadRequest, read.ReadResponse>;
  readonly batchRead: Handler<read.BatchReadRequest, read.BatchReadResponse>;
  readonly check: Handler<PreparedCheck, read.CheckResponse>;
  readonly batchCheck: Handler<read.BatchCheckRequest, read.BatchCheckResponse>;
  readonly listRelationships: Handler<
    read.ListRelationshipsRequest,
    read.ListRelationshipsResponse
  >;
  readonly getTip: Handler<read.GetTipRequest, read.GetTipResponse>;
  readonly getBlock: Handler<read.GetBlockRequest, read.GetBlockResponse>;
  readonly getCheckpoint: Handler<read.GetCheckpointRequest, read.GetCheckpointResponse>;
  readonly getConsistencyProof: Handler<
    read.GetConsistencyProofRequest,
    read.GetConsistencyProofResponse
  >;
}
