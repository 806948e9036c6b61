/**
 * The client of a ledger. It connects when it is first used and may be shared by the whole program; nothing
 * is checked and nothing can fail before the first call.
 */
import type { PolicyBundle } from "@authledger/proof";
import { AdminClient } from "./calls/admin-client.js";
import { type AuditLogOptions, auditLog } from "./calls/audit-log.js";
import type { AuditRecord } from "./calls/audit-record.js";
import {
  type BlockRange,
  type BlockRangeOptions,
  getBlockProof,
  getBlockRange,
  type VerifiedBlockProof,
} from "./calls/block-range.js";
import { type ChangeFilter, ChangeList, type ListChangesOptions } from "./calls/changes.js";
import { ClusterClient } from "./calls/cluster-client.js";
import {
  type DecisionList,
  type DecisionListOptions,
  listObjects,
  listUsers,
  type ObjectsQuestion,
  type UsersQuestion,
} from "./calls/decision-list.js";
import {
  type Decision,
  type DecisionOptions,
  type Decisions,
  decideMany,
  type ExpandAnswer,
  type ExplainAnswer,
  expand,
  explain,
  listRelations,
  type ProvableDecisionOptions,
  type RelationsAnswer,
  type RelationsQuestion,
} from "./calls/decisions.js";
import {
  type DeleteByFilterOptions,
  type DeleteFilter,
  type DeleteProgress,
  deleteByFilter,
  type Erased,
  type EraseOptions,
  type EraseTarget,
  erase,
} from "./calls/deletions.js";
import {
  type BlockOptions,
  type CheckpointOptions,
  getBlock,
  getCheckpoint,
  getConsistencyProof,
  getPolicyBundles,
  getTip,
  type HeadJudgement,
  reportCheckpoint,
} from "./calls/history.js";
import { KeysClient } from "./calls/keys-client.js";
import {
  type ClientState,
  clientState,
  type EntityListOptions,
  listEntities,
  listResources,
} from "./calls/listings.js";
import { ModelsClient } from "./calls/models-client.js";
import type { PagedList, UnprovenListOptions, UnprovenOptions } from "./calls/paged-list.js";
import { QuotasClient } from "./calls/quotas-client.js";
import { batchRead, hasTuples } from "./calls/reads.js";
import { type ListOptions, RelationshipList } from "./calls/relationship-list.js";
import { RolesClient } from "./calls/roles-client.js";
import type {
  BatchReadAnswer,
  BatchStoredAnswer,
  BatchWriteAnswer,
  Block,
  Checkpoint,
  Entity,
  NoneEmpty,
  NotEmpty,
  ReadAnswer,
  ReadOptions,
  RelationshipFilter,
  StoredAnswer,
  Tip,
  TransactionInput,
  TupleInput,
  WriteAnswer,
  WriteOperation,
} from "./calls/values.js";
import {
  type WatchBlocksOptions,
  type WatchChangesOptions,
  type WatchedBlock,
  type WatchedChange,
  type WatchProgress,
  watchBlocks,
  watchChanges,
} from "./calls/watches.js";
import { writeBatch } from "./calls/writes.js";
import { CoalescedCalls } from "./coalescing/coalesced-calls.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { Session } from "./session.js";
import type { EndpointInfo, Surroundings } from "./transport/connection.js";

/** Made by `createClient`. Every call rejects with a LedgerError, and with nothing else. */
export class LedgerClient implements AsyncDisposable {
  /** Organizations, vaults and the node. */
  readonly admin: AdminClient;
  /** The nodes of the cluster. */
  readonly cluster: ClusterClient;
  /** API keys, and who the caller is. */
  readonly keys: KeysClient;
  /** The vault's authorization models. */
  readonly models: ModelsClient;
  /** Who may do what. */
  readonly roles: RolesClient;
  /** How much organizations may use. */
  readonly quotas: QuotasClient;
  readonly #session: Session;
  readonly #coalesced: CoalescedCalls;

  /** @param surroundings the way to the ledger, the time and cryptography */
  constructor(options: ClientOptions, surroundings: Surroundings) {
    this.#session = new Session(options, surroundings);
    this.#coalesced = new CoalescedCalls(this.#session);
    this.admin = new AdminClient(this.#session);
    this.cluster = new ClusterClient(this.#session);
    this.keys = new KeysClient(this.#session);
    this.models = new ModelsClient(this.#session);
    this.roles = new RolesClient(this.#session);
    this.quotas = new QuotasClient(this.#session);
  }

  /**
   * Applies one transaction: all of it, or nothing.
   * @throws LedgerError PRECONDITION_FAILED, IDEMPOTENCY_KEY_REUSED, INVALID_TUPLE, LIMIT_EXCEEDED, ...
   */
  write<const L extends readonly WriteOperation[]>(
    operations: L & NotEmpty<L>,
    options?: CallOptions,
  ): Promise<WriteAnswer>;
  write<const L extends readonly WriteOperation[]>(
    transaction: TransactionInput<L>,
    options?: CallOptions,
  ): Promise<WriteAnswer>;
  write(
    transaction: TransactionInput | readonly WriteOperation[],
    options: CallOptions = {},
  ): Promise<WriteAnswer> {
    return this.#run(() => this.#coalesced.write(transaction, options));
  }

  /** Applies independent transactions in order, 1 to 1,000, each with an outcome of its own. */
  batchWrite<const L extends readonly TransactionInput[]>(
    transactions: L & NotEmpty<L> & NoneEmpty<L>,
    options: CallOptions = {},
  ): Promise<BatchWriteAnswer> {
    return this.#run(() => writeBatch(this.#session, transactions, options));
  }

  /**
   * Deletes what matches a filter, a transaction of at most 1,000 deletes at a time; tells after each how far it is. Ended
   * early or broken off, what was deleted stays deleted: begin again with the same filter. Where a node is lost with a
   * transaction of it, it ends with COMMIT_UNKNOWN: that has no idempotency key, and is not sent again by itself.
   * @example for await (const { deleted } of client.deleteByFilter({ subject: "user:alice" })) show(deleted);
   */
  deleteByFilter(
    filter: DeleteFilter,
    options: DeleteByFilterOptions = {},
  ): AsyncGenerator<DeleteProgress, void, undefined> {
    return deleteByFilter(this.#session, filter, options);
  }

  /**
   * Erases the value of an entity, or the condition of a tuple: what is stored now is deleted, and the value of every
   * earlier version goes for ever. Proofs stay valid, since digests stay; a read of what was erased is VALUE_ERASED, or the
   * proven record without its value where the client verifies. It is sent once: COMMIT_UNKNOWN says that it may have happened.
   */
  erase(target: EraseTarget, options: EraseOptions = {}): Promise<Erased> {
    return this.#run(() => erase(this.#session, target, options));
  }

  /**
   * May the subject do this? Decided by the vault's active model; in a vault without one: is the tuple stored?
   * @example const { allowed } = await client.check("document:budget#viewer@user:alice");
   * @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND, CONDITION_FAILED, EVALUATION_TOO_COMPLEX
   */
  check(tuple: TupleInput, options: ProvableDecisionOptions = {}): Promise<Decision> {
    return this.#run(() => this.#coalesced.check(tuple, options));
  }

  /** 1 to 1,000 checks at one height, in one request. */
  checkMany<const L extends readonly TupleInput[]>(
    tuples: L & NotEmpty<L>,
    options: ProvableDecisionOptions = {},
  ): Promise<Decisions> {
    return this.#run(() => decideMany(this.#session, tuples, options));
  }

  /** Is this very tuple stored, whatever a model makes of it? */
  hasTuple(tuple: TupleInput, options: ReadOptions = {}): Promise<StoredAnswer> {
    return this.#run(() => this.#coalesced.hasTuple(tuple, options));
  }

  /** 1 to 1,000 of these questions at one height. */
  hasTuples<const L extends readonly TupleInput[]>(
    tuples: L & NotEmpty<L>,
    options: ReadOptions = {},
  ): Promise<BatchStoredAnswer> {
    return this.#run(() => hasTuples(this.#session, tuples, options));
  }

  /**
   * Resources of a type to which a subject has a relation, all of one height.
   * @throws LedgerError NO_ACTIVE_MODEL, so do all lists of decisions
   */
  listObjects(question: ObjectsQuestion, options: DecisionListOptions = {}): DecisionList {
    return listObjects(this.#session, question, options);
  }

  /** Subjects that have a relation to a resource, all of one height; `type:*` stands for everybody of a type. */
  listUsers(question: UsersQuestion, options: DecisionListOptions = {}): DecisionList {
    return listUsers(this.#session, question, options);
  }

  /** Relations that a subject has to a resource. */
  listRelations(
    question: RelationsQuestion,
    options: DecisionOptions = {},
  ): Promise<RelationsAnswer> {
    return this.#run(() => listRelations(this.#session, question, options));
  }

  /** The userset tree of a relation of a resource, one level of tuples deep. */
  expand(
    question: { readonly resource: string; readonly relation: string },
    options: DecisionOptions = {},
  ): Promise<ExpandAnswer> {
    return this.#run(() => expand(this.#session, question, options));
  }

  /** A decision, and why: the tree as it was evaluated. */
  explain(tuple: TupleInput, options: DecisionOptions = {}): Promise<ExplainAnswer> {
    return this.#run(() => explain(this.#session, tuple, options));
  }

  /** One entity. */
  read(key: string, options: ReadOptions = {}): Promise<ReadAnswer> {
    return this.#run(() => this.#coalesced.read(key, options));
  }

  /** 1 to 1,000 entities at one height. */
  batchRead<const L extends readonly string[]>(
    keys: L & NotEmpty<L>,
    options: ReadOptions = {},
  ): Promise<BatchReadAnswer> {
    return this.#run(() => batchRead(this.#session, keys, options));
  }

  /** Tuples by any combination of resource, relation and subject; verified lists need a resource or a subject. */
  list(filter: RelationshipFilter, options: ListOptions = {}): RelationshipList {
    return new RelationshipList(this.#session, filter, options);
  }

  /**
   * Entities whose keys begin with a prefix, in the order of their keys; an empty prefix for all. Without a proof.
   * @example for await (const { key } of client.listEntities("config:")) show(key);
   */
  listEntities(prefix = "", options: EntityListOptions = {}): PagedList<Entity> {
    return listEntities(this.#session, prefix, options);
  }

  /** Resources of a type that at least one tuple is about, in no order that means anything. Without a proof. */
  listResources(type: string, options: UnprovenListOptions = {}): PagedList<string> {
    return listResources(this.#session, type, options);
  }

  /**
   * What was done in the cluster, by whom, and who was not let in; oldest first. For administrators of the cluster, whatever
   * the client's own vault is. Records are proven where the client verifies.
   * @example for await (const { actor, action } of client.auditLog({ outcome: "refused" })) show(actor, action);
   */
  auditLog(options: AuditLogOptions = {}): AsyncGenerator<AuditRecord, void, undefined> {
    return auditLog(this.#session, options);
  }

  /** What a client did last in the vault: to go on where it was after it lost its own state. Without a proof. */
  clientState(clientId: string, options: UnprovenOptions = {}): Promise<ClientState> {
    return this.#run(() => clientState(this.#session, clientId, options));
  }

  /** The newest block. A verifying client shows that it is of the signed history; that it is the newest is the node's word. */
  getTip(options: ReadOptions = {}): Promise<Tip> {
    return this.#run(() => getTip(this.#session, options));
  }

  getBlock(height: bigint, options: BlockOptions = {}): Promise<Block> {
    return this.#run(() => getBlock(this.#session, height, options));
  }

  /** Consecutive blocks from a height on, up to 1,000. */
  getBlockRange(from: bigint, options: BlockRangeOptions = {}): Promise<BlockRange> {
    return this.#run(() => getBlockRange(this.#session, from, options));
  }

  /** What runs a block again without a database; a verifying client does so. */
  getBlockProof(height: bigint, options: ReadOptions = {}): Promise<VerifiedBlockProof> {
    return this.#run(() => getBlockProof(this.#session, height, options));
  }

  /** What the blocks of a range changed, in order. */
  listChanges(filter: ChangeFilter = {}, options: ListChangesOptions = {}): ChangeList {
    return new ChangeList(this.#session, filter, options);
  }

  /**
   * Blocks from any height on, as they come, for ever: a lost connection is replaced without gap or duplicate.
   * @example
   * for await (const event of client.watchBlocks({ from: 0n, signal })) {
   *   if (event.kind === "block") console.log(event.height);
   * }
   */
  watchBlocks(options: WatchBlocksOptions = {}): AsyncIterable<WatchedBlock | WatchProgress> {
    return watchBlocks(this.#session, options);
  }

  /** Changes that match a filter, as `watchBlocks` gives blocks. */
  watchChanges(
    filter: ChangeFilter = {},
    options: WatchChangesOptions = {},
  ): AsyncIterable<WatchedChange | WatchProgress> {
    return watchChanges(this.#session, filter, options);
  }

  /** The newest signed head. A verifying client shows that it goes with all heads before; how new it is, its signatures say. */
  getCheckpoint(options: CheckpointOptions = {}): Promise<Checkpoint> {
    return this.#run(() => getCheckpoint(this.#session, options));
  }

  /**
   * Shows a signed head to the ledger, as one of an `EquivocationError`: is it of its history, larger than what the node
   * has, or a contradiction, which the node keeps as evidence with an alarm?
   */
  reportCheckpoint(checkpoint: string, options: CallOptions = {}): Promise<HeadJudgement> {
    return this.#run(() => reportCheckpoint(this.#session, checkpoint, options));
  }

  /** The proof that the history of one size only appended to that of another. */
  getConsistencyProof(
    sizes: { readonly fromSize: bigint; readonly toSize: bigint },
    options: CallOptions = {},
  ): Promise<readonly Uint8Array[]> {
    return this.#run(() => getConsistencyProof(this.#session, sizes, options));
  }

  /**
   * The policies that the vault has come to since its first one, in order and each with its proof: with them and an anchor of before
   * a receipt is verified later. Nothing is verified here.
   */
  getPolicyBundles(options: CallOptions = {}): Promise<readonly PolicyBundle[]> {
    return this.#run(() => getPolicyBundles(this.#session, options));
  }

  /** The nodes as this client sees them: circuits, latencies, what was met last. */
  endpoints(): readonly EndpointInfo[] {
    return this.#session.endpoints();
  }

  /** Ends the connections; calls that run, and later ones, fail with CLIENT_CLOSED. May be called twice. */
  close(): void {
    this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** What is wrong with an argument becomes a rejection too. */
  async #run<T>(call: () => Promise<T>): Promise<T> {
    return call();
  }
}
