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

export interface AnswerProofsDeps {
  readonly signer: Signer;
  readonly hasher: Hasher;
  /** A vault as it is now. */
  readonly open: (vault: number) => OpenVault;
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
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
}

/** An answer as of a time, and what its proof has to show. */
export interface ProvableAnswer<R> {
  readonly reply: R;
  readonly questions: () => Questions;
  readonly size: AnswerSize;
}

export class AnswerProofs {
  readonly #deps: AnswerProofsDeps;
  #heldBytes = 0;

  constructor(deps: AnswerProofsDeps) {
    this.#deps = deps;
  }

  /**
   * A proven answer. The time of the signature is known before it is made, so answer and proof are of one moment and of
   * the time that the verifier will judge by (INV-ANSWER-1).
   */
  async current<R extends object>(
    vault: OpenVault,
    prove: ProveOptions,
    answerAt: (timeMs: number) => ProvableAnswer<R>,
  ): Promise<R & { readonly proof: AnswerProof }> {
    this.#requireRoom();
    const head = this.#deps.signer.request(vault);
    const made = this.#answerWithProof(
      vault,
      newestOf(vault),
      prove,
      answerAt(signedTimeMs(vault, head.timeMs)),
    );
    const signed = await this.#holding(made.bytes, head.signed);
    if (signedTimeMs(vault, signed.timeMs) === signedTimeMs(vault, head.timeMs)) {
      return { ...made.reply, proof: { ...made.proof, checkpoint: signed.note } };
    }
    // The disk is full and the signature an older one of the same head: the answer is given as of its time.
    const now = this.#deps.open(vault.id);
    if (now.size !== signed.size) throw movedOnFullDisk();
    const { reply, proof } = this.#answerWithProof(
      now,
      newestOf(now),
      prove,
      answerAt(signedTimeMs(now, signed.timeMs)),
    );
    return { ...reply, proof: { ...proof, checkpoint: signed.note } };
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
    const made = this.#answerWithProof(vault, state, prove, answer);
    const { note } = await this.#holding(made.bytes, this.#deps.signer.head(vault));
    return { ...made.reply, proof: { ...made.proof, checkpoint: note } };
  }

  /** The inclusion of a header, without a state. */
  async header(
    vault: OpenVault,
    prove: ProveOptions,
    block: { readonly height: number; readonly header: Uint8Array },
    size: AnswerSize,
  ): Promise<AnswerProof> {
    this.#requireRoom();
    const parts = this.#proofParts(vault, prove, block, EMPTY, size);
    const { note } = await this.#holding(parts.bytes, this.#deps.signer.head(vault));
    return { ...parts.proof, checkpoint: note };
  }

  #answerWithProof<R extends object>(
    vault: OpenVault,
    { state, header, headerBytes }: ProvenState,
    prove: ProveOptions,
    { reply, questions, size }: ProvableAnswer<R>,
  ): { reply: R; proof: Omit<AnswerProof, "checkpoint">; bytes: number } {
    const isKnown =
      prove.configHash.length === 0 || equalBytes(prove.configHash, header.configHash);
    const { gets = [], lists = [], from, to } = questions();
    const config = isKnown ? [] : [{ kind: Kind.ledgerRecord, partition: "ledger" }];
    const asked = { gets, lists: [...lists.map((list) => ({ ...list, from, to })), ...config] };
    // A proof of no bucket is none: who asks nothing gets the history alone.
    const isAsked = asked.gets.length + asked.lists.length > 0;
    const stateProof = isAsked ? encodeStateProof(state.trie, state.paths, asked) : EMPTY;
    const block = { height: header.height, header: headerBytes };
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
      consistencyProof: this.consistency(vault, prove.trustedSize),
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
  consistency(vault: OpenVault, trustedSize: number): Uint8Array[] {
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

function newestOf(vault: OpenVault): ProvenState {
  const { header, bytes: headerBytes } = vault.tip;
  return { state: vault, header, headerBytes };
}
