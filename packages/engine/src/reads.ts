/**
 * Reads and their proofs. A read runs between two entries without awaiting, so all its parts are of one
 * height; only the signature over the head is waited for.
 *
 * With one voter every acknowledged write has been applied before its answer left, so a linearizable read is
 * a read of the applied state.
 */
import type { Clock } from "@authledger/io";
import {
  blockHash,
  consistencyProof,
  encodeStateProof,
  entityKey,
  inclusionProof,
  Kind,
  type LedgerKey,
  type ListQuery,
  tupleKey,
  writeKey,
} from "@authledger/proof";
import {
  blockTransactions,
  type GroupState,
  listTuples,
  type OpenVault,
  readEntity,
} from "@authledger/state";
import {
  ByteWriter,
  type Consistency,
  equalBytes,
  type Hasher,
  LedgerError,
  limits,
  type Tuple,
} from "@authledger/types";
import type {
  AnswerPoint,
  AnswerProof,
  CheckMemo,
  EngineReply,
  EngineRequest,
  ProveOptions,
} from "./port.js";
import type { Signer } from "./signer.js";

const EMPTY = new Uint8Array(0);
/** What an answer may take, so that it fits a message with its protobuf framing. */
const ANSWER_BYTES_MAX = limits.MESSAGE_BYTES_MAX - 64 * 1024;
/** Proven answers that wait for their signature, together: clients choose how many ask at once. */
const HELD_BYTES_MAX = 8 * limits.MESSAGE_BYTES_MAX;
/** Fields of an entity beside key and value, and of a tuple beside its texts. */
const ROW_BYTES = 64;
const HELD_RETRY_MS = 100;

export interface ReadDeps {
  readonly state: GroupState;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly hasher: Hasher;
}

/** What else is in an answer, for its limit: its bytes, and the request's field that makes it so large. */
interface AnswerSize {
  readonly bytes: number;
  readonly field: keyof typeof SMALLER;
}

/** How a caller gets a smaller answer, by the field that decides about its size. */
const SMALLER = {
  keys: "ask for fewer keys at once",
  tuples: "ask about fewer tuples at once",
  page_size: "ask for smaller pages, name the relation too, or ask without a proof",
  transactions: "ask without the transactions, or without a proof",
} as const;

interface Questions {
  readonly gets?: readonly LedgerKey[];
  readonly lists?: readonly ListQuery[];
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
}

export class Reads {
  readonly #deps: ReadDeps;
  /** Keys are encoded here. */
  readonly #key = new ByteWriter(1024);
  #heldBytes = 0;

  constructor(deps: ReadDeps) {
    this.#deps = deps;
  }

  async readEntities(
    request: EngineRequest<"read_entities">,
  ): Promise<EngineReply<"read_entities">> {
    const vault = this.#vault(request.vault, request.consistency);
    const timeMs = this.#timeMs(vault);
    const { tables } = this.#deps.state;
    let bytes = 0;
    const entities = request.keys.map((key, i) => {
      const entity = readEntity(vault, tables, key, timeMs);
      if (entity !== undefined) bytes += key.length + entity.value.length + ROW_BYTES;
      if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge("keys", { keysThatFit: i });
      return entity;
    });
    const at = this.#point(vault);
    if (request.prove === undefined) return { entities, at };
    const gets = request.keys.map(entityKey);
    const size: AnswerSize = { bytes, field: "keys" };
    return { entities, at, proof: await this.#prove(vault, request.prove, { gets }, size) };
  }

  check(request: EngineRequest<"check">): EngineReply<"check"> | Promise<EngineReply<"check">> {
    const vault = this.#vault(request.vault, request.consistency);
    const timeMs = this.#timeMs(vault);
    const allowed = this.#leavesOf(vault, request).map(({ key, path }) =>
      vault.hasLive(key, path, timeMs),
    );
    const at = this.#point(vault);
    if (request.prove === undefined) return { allowed, at };
    const gets = request.tuples.map(tupleKey);
    const size: AnswerSize = { bytes: allowed.length, field: "tuples" };
    return this.#prove(vault, request.prove, { gets }, size).then((proof) => ({
      allowed,
      at,
      proof,
    }));
  }

  async listTuples(request: EngineRequest<"list_tuples">): Promise<EngineReply<"list_tuples">> {
    const vault = this.#vault(request.vault, request.consistency);
    const { resource, relation, subject, limit, after: from, prove } = request;
    const filter = { resource, relation, subject };
    const page = { limit, from, timeMs: this.#timeMs(vault) };
    const { tuples, next } = listTuples(vault, this.#deps.state.tables, filter, page);
    const at = this.#point(vault);
    const reply = { tuples, at, ...(next && { next }) };
    if (prove === undefined) return reply;
    const questions = {
      ...listQuestions(
        request,
        tuples.map(({ tuple }) => tuple),
      ),
      from,
      to: next,
    };
    const bytes = tuples.reduce((sum, row) => sum + rowBytes(row), 0);
    const size: AnswerSize = { bytes, field: "page_size" };
    return { ...reply, proof: await this.#prove(vault, prove, questions, size) };
  }

  getTip(request: EngineRequest<"get_tip">): EngineReply<"get_tip"> {
    const vault = this.#vault(request.vault, request.consistency);
    const { bytes, blockHash: hash } = vault.tip;
    return { header: bytes, blockHash: hash, at: this.#point(vault) };
  }

  async getBlock(request: EngineRequest<"get_block">): Promise<EngineReply<"get_block">> {
    const vault = this.#vault(request.vault, request.consistency);
    const { height } = request;
    const header = vault.header(height);
    if (header === undefined) {
      const message = `there is no block ${height}; the newest is ${vault.size - 1}`;
      throw new LedgerError("BLOCK_NOT_FOUND", message, {
        details: { height, newest: vault.size - 1 },
      });
    }
    const count = new DataView(header.buffer, header.byteOffset).getUint32(72);
    const transactions = request.transactions
      ? blockTransactions(vault, this.#deps.state.tables, height, count)
      : [];
    const reply = {
      header,
      blockHash: blockHash(this.#deps.hasher, header),
      transactions,
      at: this.#point(vault),
    };
    if (request.prove === undefined) return reply;
    const bytes = transactions.reduce((sum, transaction) => sum + transaction.length, 0);
    const size: AnswerSize = { bytes, field: "transactions" };
    return {
      ...reply,
      proof: await this.#proveHeader(vault, request.prove, height, header, EMPTY, size),
    };
  }

  async getCheckpoint(
    request: EngineRequest<"get_checkpoint">,
  ): Promise<EngineReply<"get_checkpoint">> {
    const vault = this.#vault(request.vault, request.consistency);
    const at = this.#point(vault);
    const consistency = this.#consistency(vault, request.trustedSize);
    const { note } = await this.#deps.signer.head(vault);
    return { checkpoint: note, consistencyProof: consistency, at };
  }

  getConsistencyProof(
    request: EngineRequest<"get_consistency_proof">,
  ): EngineReply<"get_consistency_proof"> {
    const vault = this.#open(request.vault);
    const { fromSize, toSize } = request;
    if (fromSize > toSize || toSize > vault.size) {
      const message = `sizes ${fromSize} and ${toSize}: the history has ${vault.size} blocks`;
      throw new LedgerError("INVALID_ARGUMENT", message, { details: { size: vault.size } });
    }
    const { hasher } = this.#deps;
    return { proof: consistencyProof(hasher, vault.historyNode, fromSize, toSize) };
  }

  #open(id: number): OpenVault {
    const vault = this.#deps.state.vault(id);
    if (vault !== undefined) return vault;
    throw new LedgerError("VAULT_NOT_FOUND", "there is no such vault");
  }

  #vault(id: number, consistency: Consistency): OpenVault {
    const vault = this.#open(id);
    if (consistency.kind === "at_height") throw notTheNewest(vault, consistency.height);
    if (consistency.kind !== "at_least") return vault;
    const { point } = consistency;
    if (point.vault !== id) {
      throw new LedgerError("TOKEN_OTHER_VAULT", "the consistency token is of another vault");
    }
    const { index } = this.#deps.state.applied;
    if (point.index > index || point.height >= vault.size) {
      const message = `this node has applied ${index}, the token asks for ${point.index}`;
      throw new LedgerError("STALE_REPLICA", message, { retryAfterMs: 100 });
    }
    return vault;
  }

  /** What is past this time counts as expired. */
  /** Where the tuples of a check lie; kept in its memo, if it has one. */
  #leavesOf(
    vault: OpenVault,
    { tuples, memo }: EngineRequest<"check">,
  ): NonNullable<CheckMemo["leaves"]> {
    if (memo?.leaves !== undefined) return memo.leaves;
    const leaves = tuples.map((tuple) => {
      const key = tupleKey(tuple);
      this.#key.clear();
      writeKey(this.#key, key);
      return { key: this.#key.finish(), path: vault.paths.path(key) };
    });
    if (memo !== undefined) memo.leaves = leaves;
    return leaves;
  }

  #timeMs(vault: OpenVault): number {
    return Math.max(vault.tip.header.timestampMs, this.#deps.clock.nowMs());
  }

  #point(vault: OpenVault): AnswerPoint {
    return { height: vault.size - 1, index: this.#deps.state.applied.index };
  }

  #prove(
    vault: OpenVault,
    prove: ProveOptions,
    questions: Questions,
    size: AnswerSize,
  ): Promise<AnswerProof> {
    const { header, bytes } = vault.tip;
    const isKnown =
      prove.configHash.length === 0 || equalBytes(prove.configHash, header.configHash);
    const lists = [...(questions.lists ?? [])].map((list) => ({
      ...list,
      from: questions.from,
      to: questions.to,
    }));
    const config = isKnown ? [] : [{ kind: Kind.ledgerRecord, partition: "ledger" }];
    const asked = { gets: questions.gets ?? [], lists: [...lists, ...config] };
    // A proof of no bucket is none: who asks nothing gets the history alone.
    const isAsked = asked.gets.length + asked.lists.length > 0;
    const proof = isAsked ? encodeStateProof(vault.trie, vault.paths, asked) : EMPTY;
    return this.#proveHeader(vault, prove, header.height, bytes, proof, size, questions);
  }

  async #proveHeader(
    vault: OpenVault,
    prove: ProveOptions,
    height: number,
    header: Uint8Array,
    stateProof: Uint8Array,
    size: AnswerSize,
    page: Pick<Questions, "from" | "to"> = {},
  ): Promise<AnswerProof> {
    const { hasher } = this.#deps;
    const bytes = size.bytes + stateProof.length;
    if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge(size.field, { actual: bytes });
    const proof = {
      stateProof,
      header,
      historyProof: inclusionProof(hasher, vault.historyNode, height, vault.size),
      consistencyProof: this.#consistency(vault, prove.trustedSize),
      pageFrom: page.from ?? EMPTY,
      pageTo: page.to ?? EMPTY,
    };
    return { ...proof, checkpoint: await this.#noteFor(vault, bytes) };
  }

  /** A signed head for an answer of so many bytes, which memory holds until it is there. */
  async #noteFor(vault: OpenVault, bytes: number): Promise<string> {
    if (this.#heldBytes > HELD_BYTES_MAX) {
      const message = `proven answers of ${this.#heldBytes} bytes wait for their signature`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: HELD_RETRY_MS });
    }
    this.#heldBytes += bytes;
    try {
      return (await this.#deps.signer.head(vault)).note;
    } finally {
      this.#heldBytes -= bytes;
    }
  }

  /** From a client's head to ours; the other way round when it has seen more than this node. */
  #consistency(vault: OpenVault, trustedSize: number): Uint8Array[] {
    if (trustedSize === 0 || trustedSize > vault.size) return [];
    return consistencyProof(this.#deps.hasher, vault.historyNode, trustedSize, vault.size);
  }
}

/** States of older blocks are not kept. */
function notTheNewest(vault: OpenVault, height: number): LedgerError {
  const newest = vault.size - 1;
  const details = { height, newest };
  if (height <= newest) {
    const message = `the state of block ${height} is not kept, only that of the newest`;
    return new LedgerError("HEIGHT_UNAVAILABLE", message, { details });
  }
  const message = `there is no block ${height} yet; the newest is ${newest}`;
  return new LedgerError("HEIGHT_NOT_REACHED", message, { details });
}

/** Three hashes a tuple: more than everything else that a check costs, and the same each time. */
function rowBytes({ tuple }: { readonly tuple: Tuple }): number {
  return tuple.resource.length + tuple.relation.length + tuple.subject.length + ROW_BYTES;
}

function answerTooLarge(
  field: AnswerSize["field"],
  facts: Readonly<Record<string, number>>,
): LedgerError {
  const limit = limits.MESSAGE_BYTES_MAX;
  const message = `the answer would not fit a message of ${limit} bytes: ${SMALLER[field]}`;
  return new LedgerError("LIMIT_EXCEEDED", message, { details: { field, limit, ...facts } });
}

/** One tuple is a get; a list is the subtree of its resource or subject, with the twins of hits by subject. */
function listQuestions(
  { resource, relation, subject }: EngineRequest<"list_tuples">,
  found: readonly { resource: string; relation: string; subject: string }[],
): Pick<Questions, "gets" | "lists"> {
  if (resource !== undefined && relation !== undefined && subject !== undefined) {
    return { gets: [tupleKey({ resource, relation, subject })] };
  }
  if (resource !== undefined) {
    return { lists: [{ kind: Kind.tupleByResource, partition: resource, group: relation }] };
  }
  if (subject !== undefined) {
    return {
      gets: found.map(tupleKey),
      lists: [{ kind: Kind.tupleBySubject, partition: subject, group: relation }],
    };
  }
  throw new LedgerError("INVALID_ARGUMENT", "a proven list needs a resource or a subject", {
    details: { field: "prove" },
  });
}
