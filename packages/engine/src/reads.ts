/**
 * Reads and their proofs. A read runs between two entries without awaiting, so all its parts are of one
 * height; only the signature over the head is waited for.
 *
 * With one voter every acknowledged write has been applied before its answer left, so a linearizable read is
 * a read of the applied state.
 *
 *   INV-READ-1  An answer and its proof are judged by one time. A plain answer: what is past the newest block's time or
 *               this node's clock is expired. A proven one: what is past the newest block's time or the signature's,
 *               which is in whole seconds, since that is all that a verifier has (commitment.md, "Expiry").
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
} from "@authledger/types";
import {
  ANSWER_BYTES_MAX,
  type AnswerSize,
  answerTooLarge,
  ROW_BYTES,
  rowBytes,
} from "./answer-size.js";
import type { Seen } from "./listings.js";
import type {
  AnswerPoint,
  AnswerProof,
  CheckMemo,
  EngineReply,
  EngineRequest,
  ProveOptions,
} from "./port.js";
import type { SignedHead, Signer } from "./signer.js";
import { requireOwnToken } from "./vault-lookup.js";

const EMPTY = new Uint8Array(0);
/** Proven answers that wait for their signature, together: clients choose how many ask at once. */
const HELD_BYTES_MAX = 8 * limits.MESSAGE_BYTES_MAX;
const HELD_RETRY_MS = 100;

export interface ReadDeps {
  readonly state: GroupState;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly hasher: Hasher;
}

interface Questions {
  readonly gets?: readonly LedgerKey[];
  readonly lists?: readonly ListQuery[];
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
}

/** An answer as of a time, and what its proof has to show. */
interface ProvableAnswer<R> {
  readonly reply: R;
  readonly questions: () => Questions;
  readonly size: AnswerSize;
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
    const readAt = (timeMs: number): ProvableAnswer<EngineReply<"read_entities">> => {
      let bytes = 0;
      const entities = request.keys.map((key, i) => {
        const entity = readEntity(vault, key, timeMs);
        if (entity !== undefined) bytes += key.length + entity.value.length + ROW_BYTES;
        if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge("keys", { keysThatFit: i });
        return entity;
      });
      const reply = { entities, at: this.#point(vault) };
      const questions = (): Questions => ({ gets: request.keys.map(entityKey) });
      return { reply, questions, size: { bytes, field: "keys" } };
    };
    if (request.prove === undefined) return readAt(this.#timeMs(vault)).reply;
    return this.#proven(vault, request.prove, readAt);
  }

  check(request: EngineRequest<"check">): EngineReply<"check"> | Promise<EngineReply<"check">> {
    const vault = this.#vault(request.vault, request.consistency);
    const leaves = this.#leavesOf(vault, request);
    const allowedAt = (timeMs: number): EngineReply<"check"> => ({
      allowed: leaves.map(({ key, path }) => vault.hasLive(key, path, timeMs)),
      at: this.#point(vault),
    });
    if (request.prove === undefined) return allowedAt(this.#timeMs(vault));
    return this.#proven(vault, request.prove, (timeMs) => ({
      reply: allowedAt(timeMs),
      questions: () => ({ gets: request.tuples.map(tupleKey) }),
      size: { bytes: leaves.length, field: "tuples" },
    }));
  }

  async listTuples(request: EngineRequest<"list_tuples">): Promise<EngineReply<"list_tuples">> {
    const vault = this.#vault(request.vault, request.consistency);
    const { resource, relation, subject, limit, after: from, prove } = request;
    const filter = { resource, relation, subject };
    const listAt = (timeMs: number): ProvableAnswer<EngineReply<"list_tuples">> => {
      const page = { limit, from, timeMs };
      const { tuples, next } = listTuples(vault, filter, page);
      const found = tuples.map(({ tuple }) => tuple);
      return {
        reply: { tuples, at: this.#point(vault), ...(next && { next }) },
        questions: () => ({ ...listQuestions(request, found), from, to: next }),
        size: { bytes: tuples.reduce((sum, row) => sum + rowBytes(row), 0), field: "page_size" },
      };
    };
    if (prove === undefined) return listAt(this.#timeMs(vault)).reply;
    return this.#proven(vault, prove, listAt);
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
    this.#requireRoom();
    const parts = this.#proofParts(vault, request.prove, { height, header }, EMPTY, size);
    const { note } = await this.#holding(parts.bytes, this.#deps.signer.head(vault));
    return { ...reply, proof: { ...parts.proof, checkpoint: note } };
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

  /** What a plain read of a vault sees, for the reads of other modules. */
  see(id: number, consistency: Consistency): Seen {
    const vault = this.#vault(id, consistency);
    return { view: vault, timeMs: this.#timeMs(vault), at: this.#point(vault) };
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
    requireOwnToken(this.#deps.state, point);
    const { index } = this.#deps.state.applied;
    if (point.index > index || point.height >= vault.size) {
      const message = `this node has applied ${index}, the token asks for ${point.index}`;
      throw new LedgerError("STALE_REPLICA", message, { retryAfterMs: 100 });
    }
    return vault;
  }

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

  /** What is past this time counts as expired in a plain answer (INV-READ-1). */
  #timeMs(vault: OpenVault): number {
    return Math.max(vault.tip.header.timestampMs, this.#deps.clock.nowMs());
  }

  #point(vault: OpenVault): AnswerPoint {
    return { height: vault.size - 1, index: this.#deps.state.applied.index };
  }

  /**
   * A proven answer. The time of the signature is known before it is made, so answer and proof are of one moment and of
   * the time that the verifier will judge by (INV-READ-1).
   */
  async #proven<R extends object>(
    vault: OpenVault,
    prove: ProveOptions,
    answerAt: (timeMs: number) => ProvableAnswer<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    this.#requireRoom();
    const head = this.#deps.signer.request(vault);
    const made = this.#answerWithProof(vault, prove, answerAt(signedTimeMs(vault, head.timeMs)));
    const signed = await this.#holding(made.bytes, head.signed);
    if (signedTimeMs(vault, signed.timeMs) === signedTimeMs(vault, head.timeMs)) {
      return { ...made.reply, proof: { ...made.proof, checkpoint: signed.note } };
    }
    // The disk is full and the signature an older one of the same head: the answer is given as of its time.
    const now = this.#open(vault.id);
    if (now.size !== signed.size) throw movedOnFullDisk();
    const { reply, proof } = this.#answerWithProof(
      now,
      prove,
      answerAt(signedTimeMs(now, signed.timeMs)),
    );
    return { ...reply, proof: { ...proof, checkpoint: signed.note } };
  }

  #answerWithProof<R extends object>(
    vault: OpenVault,
    prove: ProveOptions,
    { reply, questions, size }: ProvableAnswer<R>,
  ): { reply: R; proof: Omit<AnswerProof, "checkpoint">; bytes: number } {
    const { header, bytes } = vault.tip;
    const isKnown =
      prove.configHash.length === 0 || equalBytes(prove.configHash, header.configHash);
    const { gets = [], lists = [], from, to } = questions();
    const config = isKnown ? [] : [{ kind: Kind.ledgerRecord, partition: "ledger" }];
    const asked = { gets, lists: [...lists.map((list) => ({ ...list, from, to })), ...config] };
    // A proof of no bucket is none: who asks nothing gets the history alone.
    const isAsked = asked.gets.length + asked.lists.length > 0;
    const stateProof = isAsked ? encodeStateProof(vault.trie, vault.paths, asked) : EMPTY;
    const block = { height: header.height, header: bytes };
    const parts = this.#proofParts(vault, prove, block, stateProof, size, { from, to });
    return { reply, ...parts };
  }

  /** Everything but the checkpoint, and how many bytes it holds. */
  #proofParts(
    vault: OpenVault,
    prove: ProveOptions,
    { height, header }: { readonly height: number; readonly header: Uint8Array },
    stateProof: Uint8Array,
    size: AnswerSize,
    page: Pick<Questions, "from" | "to"> = {},
  ): { readonly proof: Omit<AnswerProof, "checkpoint">; readonly bytes: number } {
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
    return { proof, bytes };
  }

  /** @throws LedgerError OVERLOADED while too much waits for signatures */
  #requireRoom(): void {
    if (this.#heldBytes <= HELD_BYTES_MAX) return;
    const message = `proven answers of ${this.#heldBytes} bytes wait for their signature`;
    throw new LedgerError("OVERLOADED", message, { retryAfterMs: HELD_RETRY_MS });
  }

  /** Waits for a signature beside an answer of so many bytes, which memory holds until it is there. */
  async #holding(bytes: number, signed: Promise<SignedHead>): Promise<SignedHead> {
    this.#heldBytes += bytes;
    try {
      return await signed;
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

/** T of a proven answer (commitment.md, "Expiry"): the later of the block's time and the signature's, in whole seconds. */
function signedTimeMs(vault: OpenVault, signedMs: number): number {
  return Math.max(vault.tip.header.timestampMs, Math.floor(signedMs / 1000) * 1000);
}

function movedOnFullDisk(): LedgerError {
  const message = "the disk is full, and the vault has moved since its newest signed head";
  return new LedgerError("DISK_FULL", message);
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
