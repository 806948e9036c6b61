/**
 * Headers, history and proofs of a fake vault, worked out when they are first asked for: a test that asks for no proof
 * pays for none. Byte for byte what a node makes of the same records (commitment.md).
 */
import {
  BuiltTrie,
  blockHash,
  blockQuestions,
  CompactRange,
  configHash,
  consistencyProof,
  encodeHeader,
  encodeRecord,
  encodeStateProof,
  inclusionProof,
  Kind,
  leafHash,
  lookupOf,
  type ProofQuestions,
  RecordHasher,
  treeRoot,
  vaultRef,
  verifyCheckpoint,
} from "@authledger/proof";
import { type common, read } from "@authledger/proto";
import { equalBytes } from "@authledger/types";
import { nodeCrypto } from "../verify/node-crypto.js";
import type { FakeSigner } from "./signer.js";
import type { FakeVault } from "./vault.js";

const { hasher } = nodeCrypto;
const EMPTY = new Uint8Array(0);
const TERM = 1;

/** What a proof must show, and where in its list a page lies. */
export interface Questions extends ProofQuestions {
  readonly pageFrom?: Uint8Array | undefined;
  readonly pageTo?: Uint8Array | undefined;
}

export class Commitment {
  readonly #vault: FakeVault;
  readonly #signer: FakeSigner;
  readonly #vaultRef: Uint8Array;
  readonly #records: RecordHasher;
  readonly #headers: Uint8Array[] = [];
  /** The trie that was built last. */
  #built: { readonly height: number; readonly trie: BuiltTrie } | undefined;

  constructor(vault: FakeVault, signer: FakeSigner) {
    const { origin, salt } = vault.identity;
    this.#vault = vault;
    this.#signer = signer;
    this.#vaultRef = vaultRef(hasher, origin, salt);
    this.#records = new RecordHasher(hasher, salt);
  }

  header(height: number): Uint8Array {
    while (this.#headers.length <= height) this.#headers.push(this.#nextHeader());
    return this.#headers[height]!;
  }

  /** A proof about the state of a height, under a head of the vault as it is now. */
  proof(
    height: number,
    questions: Questions,
    { trustedSize, configHash: known }: common.Prove,
    nowMs: number,
  ): common.Proof {
    const header = this.header(height);
    const isKnown = known.length === 0 || Buffer.compare(known, header.subarray(-32)) === 0;
    const config = isKnown ? [] : [{ kind: Kind.ledgerRecord, partition: "ledger" }];
    const asked = { gets: questions.gets, lists: [...questions.lists, ...config] };
    const isAsked = asked.gets.length + asked.lists.length > 0;
    const node = lookupOf(hasher, this.#leaves());
    return {
      stateProof: isAsked ? encodeStateProof(this.#trie(height), this.#vault.paths, asked) : EMPTY,
      header,
      historyProof: inclusionProof(hasher, node, height, this.#vault.size),
      checkpoint: this.checkpoint(nowMs),
      consistencyProof: this.consistency(Number(trustedSize), this.#vault.size),
      pageFrom: questions.pageFrom ?? EMPTY,
      pageTo: questions.pageTo ?? EMPTY,
    };
  }

  checkpoint(nowMs: number): string {
    const { origin } = this.#vault.identity;
    const leaves = this.#leaves();
    const timeMs = Math.max(nowMs, this.#vault.tip.timeMs);
    return this.#signer.checkpoint(origin, leaves.length, treeRoot(hasher, leaves), timeMs);
  }

  /** Whether a head that somebody shows is of this history. @throws LedgerError PROOF_INVALID when nobody here signed it */
  judgementOf(note: string): read.CheckpointJudgement {
    const { CHECKPOINT_JUDGEMENT_LARGER: larger } = read.CheckpointJudgement;
    const { CHECKPOINT_JUDGEMENT_CONSISTENT: consistent } = read.CheckpointJudgement;
    const { CHECKPOINT_JUDGEMENT_CONTRADICTION: contradiction } = read.CheckpointJudgement;
    const { origin } = this.#vault.identity;
    const { size, root } = verifyCheckpoint(note, origin, this.#signer.policy(origin), nodeCrypto);
    if (size > BigInt(this.#vault.size)) return larger;
    const own = treeRoot(hasher, this.#leaves().slice(0, Number(size)));
    return equalBytes(own, root) ? consistent : contradiction;
  }

  /** Between two sizes; none from size 0 or from one that is not there yet. */
  consistency(fromSize: number, toSize: number): Uint8Array[] {
    if (fromSize === 0 || fromSize > toSize) return [];
    return consistencyProof(hasher, lookupOf(hasher, this.#leaves()), fromSize, toSize);
  }

  /** What runs a block again: every key that it touches, in the state before it. */
  witness(height: number): Uint8Array {
    const { executed } = this.#vault.blocks[height]!;
    const questions = blockQuestions(executed.map(({ transaction }) => transaction));
    return encodeStateProof(this.#trie(height - 1), this.#vault.paths, questions);
  }

  /** Roots of the complete subtrees over the first headers. */
  compactRange(size: number): Uint8Array[] {
    return [...CompactRange.restore(hasher, size, lookupOf(hasher, this.#leaves())).roots];
  }

  #leaves(): Uint8Array[] {
    this.header(this.#vault.size - 1);
    return this.#headers.map((header) => leafHash(hasher, header));
  }

  #trie(height: number): BuiltTrie {
    if (this.#built?.height !== height) {
      const leaves = this.#vault.records(height).map(({ key, path, record }) => {
        const bytes = encodeRecord(key, record);
        return { path, record: bytes, recordHash: this.#records.hash(bytes) };
      });
      this.#built = { height, trie: new BuiltTrie(hasher, leaves) };
    }
    return this.#built.trie;
  }

  #nextHeader(): Uint8Array {
    const height = this.#headers.length;
    const { timeMs, index, transactions } = this.#vault.blocks[height]!;
    const trie = this.#trie(height);
    const leaves = this.#headers.map((header) => leafHash(hasher, header));
    const before = this.#headers.at(-1);
    return encodeHeader({
      bothDirections: true,
      vaultRef: this.#vaultRef,
      height,
      timestampMs: timeMs,
      term: TERM,
      index,
      transactionCount: transactions.length,
      transactionRoot: treeRoot(
        hasher,
        transactions.map((bytes) => leafHash(hasher, bytes)),
      ),
      previousHash: before === undefined ? new Uint8Array(32) : blockHash(hasher, before),
      historyRoot: treeRoot(hasher, leaves),
      stateRoot: trie.root(this.#vaultRef),
      leafCount: trie.total,
      configHash: this.#configHash(height),
    });
  }

  #configHash(height: number): Uint8Array {
    const records = this.#vault.records(
      height,
      ({ kind, partition }) => kind === Kind.ledgerRecord && partition === "ledger",
    );
    const hashes = records.map(({ key, record }) => this.#records.hash(encodeRecord(key, record)));
    return configHash(hasher, hashes);
  }
}
