/**
 * Answers with their proofs: the state proof, the header, its inclusion in the signed head, and that head's consistency
 * with the one that the client trusts. Everything is of one moment; only the signature is waited for.
 */
import {
  type BlockHeader,
  consistencyProof,
  encodeStateProof,
  inclusionProof,
  Kind,
  type LedgerKey,
  type ListQuery,
} from "@authledger/proof";
import type { OpenVault, StateView } from "@authledger/state";
import { equalBytes, type Hasher, LedgerError, limits } from "@authledger/types";
import { ANSWER_BYTES_MAX, type AnswerSize, answerTooLarge } from "./answer-size.js";
import type { AnswerProof, ProveOptions } from "./port.js";
import type { SignedHead, Signer } from "./signer.js";

const EMPTY = new Uint8Array(0);
/** Proven answers that wait for their signature, together: clients choose how many ask at once. */
const HELD_BYTES_MAX = 8 * limits.MESSAGE_BYTES_MAX;
const HELD_RETRY_MS = 100;
/** Heads that are asked for until one is still near. */
const HEAD_TRIES_MAX = 3;

export interface AnswerProofsDeps {
  readonly signer: Signer;
  readonly hasher: Hasher;
  /** A vault as it is now. @throws LedgerError also REPLICA_DIVERGED, NOT_READY (INV-REPLICA-11) */
  readonly open: (vault: number) => OpenVault;
  /** Resolves when a vault has so many blocks here. @throws LedgerError STALE_REPLICA when that takes too long */
  readonly untilSize: (vault: number, size: number) => Promise<void>;
}

/** A state and the header that its root is in. */
export interface ProvenState {
  readonly state: StateView;
  readonly header: BlockHeader;
  readonly headerBytes: Uint8Array;
}

export interface Questions {
  readonly gets?: readonly LedgerKey[];
  readonly lists?: readonly ListQuery[];
  /** The interval of lists that name none of their own. */
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
}

/** An answer as of a time, and what its proof has to show. */
export interface ProvableAnswer<R> {
  readonly reply: R;
  readonly questions: () => Questions;
  readonly size: AnswerSize;
}

/** The answer of a state, as of a time. */
export type AnswerAt<R> = (state: StateView, timeMs: number) => ProvableAnswer<R>;

/** An answer and its state proof; what the signed head adds is still missing. */
interface MadeAnswer<R> {
  readonly reply: R;
  readonly block: { readonly height: number; readonly header: Uint8Array };
  readonly stateProof: Uint8Array;
  readonly bytes: number;
  readonly page: Pick<Questions, "from" | "to">;
}

export class AnswerProofs {
  readonly #deps: AnswerProofsDeps;
  #heldBytes = 0;

  constructor(deps: AnswerProofsDeps) {
    this.#deps = deps;
  }

  /**
   * A proven answer. The time of the signature is known before it is made, so answer and proof are of one moment and of
   * the time that the verifier will judge by (INV-ANSWER-1). A node that asks the leader answers when it has the head.
   */
  async current<R extends object>(
    vault: OpenVault,
    prove: ProveOptions,
    answerAt: AnswerAt<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    this.#requireRoom();
    const { signer } = this.#deps;
    if (signer.asksLeader) return this.#underHeads(vault.id, prove, answerAt);
    const head = signer.request(vault, prove.cosignatures);
    const newest = newestOf(vault);
    const answer = answerAt(vault, judgedAtMs(newest.header, head, prove));
    const made = this.#made(newest, prove, answer);
    const signed = await this.#holding(made.bytes, head.signed);
    const isAsked = signed.size === head.size && isSameSecond(signed.timeMs, head.timeMs);
    if (isAsked) return this.#proven(vault, signed, prove, made);
    // The disk is full and the signature an older one of the same head: the answer is given as of its time.
    const isOlder = signed.timeMs < head.timeMs;
    if (isOlder && this.#deps.open(vault.id).size !== signed.size) throw movedOnFullDisk();
    return this.#underHeads(vault.id, prove, answerAt, signed);
  }

  /**
   * A proven answer about a block that need not be the newest: historical, judged by the time that it was asked for.
   * The newest signed head is waited for; it covers the block, whichever it is.
   */
  async past<R extends object>(
    vault: OpenVault,
    state: ProvenState,
    prove: ProveOptions,
    answer: ProvableAnswer<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    this.#requireRoom();
    const made = this.#made(state, prove, answer);
    const signed = await this.#holding(made.bytes, this.#head(vault, prove));
    return this.#proven(vault, signed, prove, made);
  }

  /** The inclusion of a header, without a state. */
  async header(
    vault: OpenVault,
    prove: ProveOptions,
    block: MadeAnswer<object>["block"],
    size: AnswerSize,
  ): Promise<AnswerProof> {
    this.#requireRoom();
    const bytes = checkedBytes(size, EMPTY);
    const signed = await this.#holding(bytes, this.#head(vault, prove));
    const made = { reply: {}, block, stateProof: EMPTY, bytes, page: {} };
    return (await this.#proven(vault, signed, prove, made)).proof;
  }

  /** From a client's head to one of this size; the other way round when it has seen more. */
  consistency(vault: OpenVault, trustedSize: number, size: number): Uint8Array[] {
    if (trustedSize === 0 || trustedSize > size) return [];
    return consistencyProof(this.#deps.hasher, vault.historyNode, trustedSize, size);
  }

  /** A signed head that covers the vault as it is now, and that this node has the blocks of. */
  async signed(vault: OpenVault, cosignatures = 0): Promise<SignedHead> {
    const { signer, untilSize } = this.#deps;
    const signed = await signer.head(vault, { minSize: vault.size, cosignatures });
    await untilSize(vault.id, signed.size);
    return signed;
  }

  #head(vault: OpenVault, { cosignatures }: ProveOptions): Promise<SignedHead> {
    return this.signed(vault, cosignatures);
  }

  /**
   * A vault may have moved past a head before it is here: its retention keeps hardly anything, or a value was erased.
   * @param first a head that is here already, for the first try
   */
  async #underHeads<R extends object>(
    id: number,
    prove: ProveOptions,
    answerAt: AnswerAt<R>,
    first?: SignedHead,
  ): Promise<R & { readonly proof: AnswerProof }> {
    let given = first;
    for (let tries = HEAD_TRIES_MAX; ; tries--) {
      const signed = given ?? (await this.#head(this.#deps.open(id), prove));
      given = undefined;
      try {
        return await this.#underHead(id, signed, prove, answerAt);
      } catch (error) {
        if (tries === 1 || !isOutrun(LedgerError.from(error))) throw error;
      }
    }
  }

  /** The answer of the state under a head, which may not be the newest any more. */
  async #underHead<R extends object>(
    id: number,
    signed: SignedHead,
    prove: ProveOptions,
    answerAt: AnswerAt<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    const vault = this.#deps.open(id);
    const state = vault.size === signed.size ? newestOf(vault) : stateOf(vault, signed.size - 1);
    const answer = answerAt(state.state, judgedAtMs(state.header, signed, prove));
    return this.#proven(vault, signed, prove, this.#made(state, prove, answer));
  }

  #made<R extends object>(
    { state, header, headerBytes }: ProvenState,
    prove: ProveOptions,
    { reply, questions, size }: ProvableAnswer<R>,
  ): MadeAnswer<R> {
    const isKnown =
      prove.configHash.length === 0 || equalBytes(prove.configHash, header.configHash);
    const { gets = [], lists = [], from, to } = questions();
    const config = isKnown ? [] : [{ kind: Kind.ledgerRecord, partition: "ledger" }];
    const asked = { gets, lists: [...lists.map((list) => ({ from, to, ...list })), ...config] };
    // A proof of no bucket is none: who asks nothing gets the history alone.
    const isAsked = asked.gets.length + asked.lists.length > 0;
    const stateProof = isAsked ? encodeStateProof(state.trie, state.paths, asked) : EMPTY;
    const block = { height: header.height, header: headerBytes };
    return { reply, block, stateProof, bytes: checkedBytes(size, stateProof), page: { from, to } };
  }

  /**
   * The answer with everything that a client needs to check it under a head.
   * @throws LedgerError VAULT_DELETED when it was deleted while the head was waited for
   */
  #proven<R extends object>(
    { id }: OpenVault,
    { size, note }: SignedHead,
    prove: ProveOptions,
    { reply, block, stateProof, page }: MadeAnswer<R>,
  ): R & { readonly proof: AnswerProof } {
    const { hasher, open } = this.#deps;
    const vault = open(id);
    const proof = {
      stateProof,
      header: block.header,
      historyProof: inclusionProof(hasher, vault.historyNode, block.height, size),
      consistencyProof: this.consistency(vault, prove.trustedSize, size),
      pageFrom: page.from ?? EMPTY,
      pageTo: page.to ?? EMPTY,
      checkpoint: note,
    };
    return { ...reply, proof };
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
}

/**
 * T of a proven answer (commitment.md, "Expiry"): the later of the block's time and the signature's, in whole seconds. To a client
 * that trusts a newer head the answer is historical, whatever the signature says: the block's time.
 */
function judgedAtMs(
  { timestampMs }: BlockHeader,
  { size, timeMs }: Pick<SignedHead, "size" | "timeMs">,
  { trustedSize }: ProveOptions,
): number {
  if (size < trustedSize) return timestampMs;
  return Math.max(timestampMs, Math.floor(timeMs / 1000) * 1000);
}

/** The state under a head is not there any more as it was. */
function isOutrun({ code }: LedgerError): boolean {
  return code === "HEIGHT_UNAVAILABLE" || code === "VALUE_ERASED";
}

function isSameSecond(aMs: number, bMs: number): boolean {
  return Math.floor(aMs / 1000) === Math.floor(bMs / 1000);
}

/** @throws LedgerError for an answer that is too large with its proof */
function checkedBytes(size: AnswerSize, stateProof: Uint8Array): number {
  const bytes = size.bytes + stateProof.length;
  if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge(size.field, { actual: bytes });
  return bytes;
}

function movedOnFullDisk(): LedgerError {
  const message = "the disk is full, and the vault has moved since its newest signed head";
  return new LedgerError("DISK_FULL", message);
}

function newestOf(vault: OpenVault): ProvenState {
  const { header, bytes: headerBytes } = vault.tip;
  return { state: vault, header, headerBytes };
}

/** @throws LedgerError HEIGHT_UNAVAILABLE */
function stateOf(vault: OpenVault, height: number): ProvenState {
  const state = vault.at(height);
  const { header, headerBytes } = state;
  return { state, header, headerBytes };
}
