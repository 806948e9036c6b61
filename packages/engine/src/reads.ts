/**
 * Reads and their proofs. A read runs between two entries without awaiting, so all its parts are of one
 * height; only the signature over the head is waited for.
 *
 * With one voter every acknowledged write has been applied before its answer left, so a linearizable read is
 * a read of the applied state.
 *
 *   INV-ANSWER-1  An answer and its proof are judged by one time. A plain answer: what is past the newest block's time or
 *               this node's clock is expired. A proven one: what is past the newest block's time or the signature's,
 *               which is in whole seconds, since that is all that a verifier has (commitment.md, "Expiry").
 *               An answer about a height that was asked for, or under a head that is older than the one that the client
 *               trusts: what is past that block's time.
 *   INV-ERASE-3  That a value was erased is said in answers about a height that was asked for, and in no other: the newest state
 *               has the values of all its records, so a verifier takes such a word about it for a lie.
 *   INV-READ-2  All pages of a list are of the height and the time of its first page.
 */
import type { Clock } from "@authledger/io";
import {
  blockHash,
  consistencyProof,
  entityKey,
  Kind,
  tupleKey,
  writeKey,
} from "@authledger/proof";
import {
  blockTransactions,
  type GroupState,
  listTuples,
  type OpenVault,
  type ReadEntity,
  readEntity,
  type StateView,
  valueErased,
} from "@authledger/state";
import { ByteWriter, type Consistency, type Hasher, LedgerError } from "@authledger/types";
import { type AnswerAt, AnswerProofs, type Questions } from "./answer-proofs.js";
import {
  ANSWER_BYTES_MAX,
  type AnswerSize,
  answerTooLarge,
  ROW_BYTES,
  rowBytes,
} from "./answer-size.js";
import { decodeListPosition, encodeListPosition, type ListPosition } from "./list-position.js";
import type { Seen } from "./listings.js";
import { momentAt, momentOf, newestAsOf, type PastMoment } from "./past-moment.js";
import type {
  AnswerPoint,
  AnswerProof,
  CheckMemo,
  EngineReply,
  EngineRequest,
  ProveOptions,
} from "./port.js";
import type { Signer } from "./signer.js";
import { requireOwnToken } from "./vault-lookup.js";

export interface ReadDeps {
  readonly state: GroupState;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** Asked whenever a vault is looked at, before and behind everything that is waited for. @throws LedgerError REPLICA_DIVERGED, NOT_READY (INV-REPLICA-11) */
  readonly requireRight: () => void;
  /** Resolves when a vault has so many blocks here. @throws LedgerError STALE_REPLICA when that takes too long */
  readonly untilSize: (vault: number, size: number) => Promise<void>;
}

export class Reads {
  readonly #deps: ReadDeps;
  /** Keys are encoded here. */
  readonly #key = new ByteWriter(1024);
  readonly #proofs: AnswerProofs;

  constructor(deps: ReadDeps) {
    this.#deps = deps;
    this.#proofs = new AnswerProofs({ ...deps, open: (vault) => this.#open(vault) });
  }

  async readEntities(
    request: EngineRequest<"read_entities">,
  ): Promise<EngineReply<"read_entities">> {
    const vault = this.#vault(request.vault, request.consistency);
    const moment = momentOf(vault, request.consistency);
    const readAt: AnswerAt<EngineReply<"read_entities">> = (state, timeMs) => {
      let bytes = 0;
      const entities = request.keys.map((key, i) => {
        const entity = readEntity(state, key, timeMs);
        if (moment === undefined) requireNotErased(entity, state);
        if (entity !== undefined) bytes += key.length + entity.value.length + ROW_BYTES;
        if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge("keys", { keysThatFit: i });
        return entity;
      });
      const reply = { entities, at: this.#point(state) };
      const questions = (): Questions => ({ gets: request.keys.map(entityKey) });
      return { reply, questions, size: { bytes, field: "keys" } };
    };
    return this.#answer(vault, moment, request.prove, readAt);
  }

  check(request: EngineRequest<"check">): EngineReply<"check"> | Promise<EngineReply<"check">> {
    const vault = this.#vault(request.vault, request.consistency);
    const moment = momentOf(vault, request.consistency);
    const leaves = this.#leavesOf(vault, request);
    const allowedAt = (state: StateView, timeMs: number): EngineReply<"check"> => ({
      allowed: leaves.map(({ key, path }) => state.hasLive(key, path, timeMs)),
      at: this.#point(state),
    });
    if (request.prove === undefined) {
      return allowedAt(moment?.state ?? vault, moment?.timeMs ?? this.#timeMs(vault));
    }
    return this.#answer(vault, moment, request.prove, (state, timeMs) => ({
      reply: allowedAt(state, timeMs),
      questions: () => ({ gets: request.tuples.map(tupleKey) }),
      size: { bytes: leaves.length, field: "tuples" },
    }));
  }

  /** A page after the first one is of the height and the time of the first one: a list is one state. */
  async listTuples(request: EngineRequest<"list_tuples">): Promise<EngineReply<"list_tuples">> {
    const vault = this.#vault(request.vault, request.consistency);
    const position = request.after && decodeListPosition(request.after);
    const moment = position ? momentAt(vault, position) : momentOf(vault, request.consistency);
    const { resource, relation, subject, limit } = request;
    const filter = { resource, relation, subject };
    const listAt: AnswerAt<EngineReply<"list_tuples">> = (state, timeMs) => {
      const from = position?.path;
      const { tuples, next: to } = listTuples(state, filter, { limit, from, timeMs });
      const found = tuples.map(({ tuple }) => tuple);
      const next = to && encodeListPosition({ height: state.height, timeMs, path: to });
      return {
        reply: { tuples, at: this.#point(state), ...(next && { next }) },
        questions: () => ({ ...listQuestions(request, found), from, to }),
        size: { bytes: tuples.reduce((sum, row) => sum + rowBytes(row), 0), field: "page_size" },
      };
    };
    return this.#answer(vault, moment, request.prove, listAt);
  }

  /** The newest block as of a height is the block of that height; headers are kept for ever. */
  getTip(request: EngineRequest<"get_tip">): EngineReply<"get_tip"> {
    const { consistency } = request;
    const vault = this.#vault(request.vault, consistency);
    const at = this.#point(vault);
    if (consistency.kind !== "at_height") {
      const { bytes, blockHash: hash } = vault.tip;
      return { header: bytes, blockHash: hash, at };
    }
    const { height } = consistency;
    const header = vault.header(height);
    if (header === undefined) throw vault.notReached(height);
    return {
      header,
      blockHash: blockHash(this.#deps.hasher, header),
      at: { ...at, height },
    };
  }

  async getBlock(request: EngineRequest<"get_block">): Promise<EngineReply<"get_block">> {
    const vault = this.#vault(request.vault, request.consistency);
    const { height } = request;
    const newest = newestAsOf(vault, request.consistency);
    const header = height > newest ? undefined : vault.header(height);
    if (header === undefined) {
      const message = `there is no block ${height}; the newest is ${newest}`;
      throw new LedgerError("BLOCK_NOT_FOUND", message, { details: { height, newest } });
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
    const proof = await this.#proofs.header(vault, request.prove, { height, header }, size);
    return { ...reply, proof };
  }

  async getCheckpoint(
    request: EngineRequest<"get_checkpoint">,
  ): Promise<EngineReply<"get_checkpoint">> {
    const vault = this.#vault(request.vault, request.consistency);
    if (request.consistency.kind === "at_height") throw noOldCheckpoints();
    const at = this.#point(vault);
    const { size, note } = await this.#proofs.signed(vault, request.cosignatures);
    // Anew: another state may have been put in place meanwhile, and what was the vault has lost its rows.
    const now = this.#open(request.vault);
    const consistency = this.#proofs.consistency(now, request.trustedSize, size);
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
    const moment = momentOf(vault, consistency);
    const view = moment?.state ?? vault;
    return { view, timeMs: moment?.timeMs ?? this.#timeMs(vault), at: this.#point(view) };
  }

  /**
   * A proven answer for the calls of other modules: about the present, about a height that was asked for, or, of a list that goes
   * on, about the moment of its first page.
   */
  prove<R extends object>(
    request: {
      readonly vault: number;
      readonly consistency: Consistency;
      readonly prove: ProveOptions;
      readonly moment?: Omit<ListPosition, "path">;
    },
    answerAt: AnswerAt<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    const vault = this.#vault(request.vault, request.consistency);
    const { consistency, prove, moment } = request;
    const past = moment === undefined ? momentOf(vault, consistency) : momentAt(vault, moment);
    if (past === undefined) return this.#proofs.current(vault, prove, answerAt);
    return this.#proofs.past(vault, past, prove, answerAt(past.state, past.timeMs));
  }

  #open(id: number): OpenVault {
    this.#deps.requireRight();
    return this.#deps.state.requireServed(id);
  }

  #vault(id: number, consistency: Consistency): OpenVault {
    const vault = this.#open(id);
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

  /** What is past this time counts as expired in a plain answer (INV-ANSWER-1). */
  #timeMs(vault: OpenVault): number {
    return Math.max(vault.tip.header.timestampMs, this.#deps.clock.nowMs());
  }

  /** The answer about a moment, or about now; proven where that is asked for. */
  async #answer<R extends object>(
    vault: OpenVault,
    moment: PastMoment | undefined,
    prove: ProveOptions | undefined,
    answerAt: AnswerAt<R>,
  ): Promise<R> {
    if (moment !== undefined) {
      const answer = answerAt(moment.state, moment.timeMs);
      return prove ? this.#proofs.past(vault, moment, prove, answer) : answer.reply;
    }
    if (prove === undefined) return answerAt(vault, this.#timeMs(vault)).reply;
    return this.#proofs.current(vault, prove, answerAt);
  }

  #point({ height }: StateView): AnswerPoint {
    return { height, index: this.#deps.state.applied.index };
  }
}

/**
 * Under a signed head that is not the newest one any more.
 * @throws LedgerError VALUE_ERASED
 */
function requireNotErased(entity: ReadEntity | undefined, { height }: StateView): void {
  const { key, erasedAtMs } = entity ?? {};
  if (key !== undefined && erasedAtMs !== undefined) throw valueErased({ key, height, erasedAtMs });
}

/** A checkpoint is a signature over the newest head; older ones are not kept. */
function noOldCheckpoints(): LedgerError {
  const message = "a checkpoint is of the newest head; ask for a consistency proof between sizes";
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: "consistency" } });
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
