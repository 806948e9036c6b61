/**
 * An honest vault in memory with all its keys, so that tests can also make it lie: blocks sealed by the real
 * executor, roots from scratch, checkpoints signed by whom the test names.
 */
import { equalBytes, utf8 } from "@authledger/types";
import {
  BlockExecutor,
  BuiltTrie,
  blockHash,
  type CanonicalOp,
  checkpointBody,
  commitToValue,
  configHash,
  consistencyProof,
  cosignatureLine,
  decodeRecord,
  encodeDescriptor,
  encodeHeader,
  encodeLimits,
  encodePolicy,
  encodeRecord,
  encodeStateProof,
  encodeTransaction,
  encodeTransactionProof,
  formatCheckpoint,
  nobleHasher as hasher,
  inclusionProof,
  Kind,
  keyId,
  type LedgerKey,
  leafHash,
  lookupOf,
  type NoteKey,
  noteKey,
  PathHasher,
  type Policy,
  type ProofQuestions,
  type ProvenAnswer,
  SignatureType,
  type StoredRecord,
  signatureLine,
  type TrustAnchor,
  treeRoot,
  type ValueCommitment,
  vaultRef,
} from "../../src/index.js";
import { signerOf, type TestSigner } from "./node-ed25519.js";

/** A key with its signer. */
export interface TestKey extends TestSigner {
  readonly key: NoteKey;
}

export function testKey(name: string, type: SignatureType, seed: number): TestKey {
  const signer = signerOf(new Uint8Array(32).fill(seed));
  return { ...signer, key: noteKey(hasher, name, type, signer.publicKey) };
}

export const replica = (number: number, key = 0): TestKey =>
  testKey(`replica-${number}.test/${key}`, SignatureType.cosignature, 16 * key + number);

/** A policy of three replicas, quorum 2, unless it says otherwise. */
export function policyOf(log: TestKey, changes: Partial<Policy> = {}): Policy {
  const cosigners = [1, 2, 3].map((id) => ({ id, key: replica(id).key }));
  return { epoch: 1, logKeys: [log.key], cosigners, quorum: 2, fromSize: 1, ...changes };
}

interface State {
  readonly records: ReadonlyMap<string, { key: LedgerKey; record: StoredRecord }>;
  readonly trie: BuiltTrie;
}

interface AnswerOptions {
  readonly height?: number;
  /** Size of the checkpoint. */
  readonly size?: number;
  /** Size of the head that the client holds. */
  readonly from?: number;
  readonly timeS?: number;
  readonly cosigners?: readonly TestKey[];
}

/** Time of the genesis block; block h is h seconds later. */
export const START_S = 1_700_000_000;

export class TestVault {
  readonly origin: string;
  readonly salt: Uint8Array;
  readonly log: TestKey;
  readonly policy: Policy;
  readonly headers: Uint8Array[] = [];
  readonly blocks: Uint8Array[][] = [];
  readonly states: State[] = [];
  readonly #hashes: Uint8Array[] = [];
  readonly #values = new Map<string, Uint8Array>();
  #nonce = 0;

  constructor({ origin = "ledger.test/vault", saltByte = 7, change = {} as Partial<Policy> } = {}) {
    this.origin = origin;
    this.salt = new Uint8Array(32).fill(saltByte);
    this.log = testKey(origin, SignatureType.log, 200);
    this.policy = policyOf(this.log, change);
    this.seal([
      this.setRecord("genesis", encodeDescriptor(origin)),
      this.setRecord("policy", encodePolicy(this.policy)),
      this.setRecord("limits", encodeLimits(1_000)),
    ]);
  }

  get anchor(): TrustAnchor {
    const { origin, salt, policy } = this;
    return { origin, salt, policy, genesis: blockHash(hasher, this.headers[0]!) };
  }

  get size(): number {
    return this.headers.length;
  }

  /** Keeps a value and says what a record says of it. */
  commit(value: Uint8Array): ValueCommitment {
    const nonce = new Uint8Array(16);
    new DataView(nonce.buffer).setUint32(0, ++this.#nonce);
    const committed = commitToValue(hasher, nonce, value);
    const stored = new Uint8Array(16 + value.length);
    stored.set(nonce);
    stored.set(value, 16);
    this.#values.set(committed.digest.join(), stored);
    return committed;
  }

  /** nonce16 || value of what was committed. */
  storedValue({ digest }: ValueCommitment): Uint8Array {
    return this.#values.get(digest.join())!;
  }

  setRecord(group: string, value: Uint8Array): CanonicalOp {
    return {
      op: "set_record",
      partition: "ledger",
      group,
      item: "",
      value: this.commit(value),
    };
  }

  setEntity(key: string, text: string, expiresAtMs = 0): CanonicalOp {
    const value = this.commit(utf8(text));
    return { op: "set_entity", key, expiresAtMs, value, condition: { kind: "none" } };
  }

  /** One block with one transaction per list of operations. */
  seal(...transactions: readonly (readonly CanonicalOp[])[]): void {
    const height = this.size;
    const timestampMs = (START_S + height) * 1000;
    const records = new Map(this.states.at(-1)?.records);
    const source = { get: (key: LedgerKey) => records.get(keyId(key))?.record };
    const executor = new BlockExecutor(source, height, timestampMs);
    const encoded = transactions.map((ops, i) => {
      const about = { id: new Uint8Array(16).fill(i), clientId: "", sequence: 0, timestampMs };
      const transaction = { ...about, actor: "test", reason: "", ops };
      if (executor.run(transaction).kind !== "accepted") throw new Error("a test's block failed");
      return encodeTransaction(transaction);
    });
    for (const { key, after } of executor.netChanges()) {
      if (after === undefined) records.delete(keyId(key));
      else records.set(keyId(key), { key, record: after });
    }
    const bytes = [...records.values()].map(({ key, record }) => encodeRecord(key, record));
    const trie = BuiltTrie.fromRecords(hasher, this.salt, bytes);
    this.states.push({ records, trie });
    this.blocks.push(encoded);
    const header = this.#header(height, timestampMs);
    this.headers.push(header);
    this.#hashes.push(blockHash(hasher, header));
  }

  #header(height: number, timestampMs: number): Uint8Array {
    const { trie } = this.states[height]!;
    const transactions = this.blocks[height]!;
    const own = trie.leaves.filter(({ record }) => {
      const { key } = decodeRecord(record);
      return key.kind === Kind.ledgerRecord && key.partition === "ledger";
    });
    const hashes = own.map(({ recordHash }) => recordHash);
    const reference = vaultRef(hasher, this.origin, this.salt);
    const previous = this.headers[height - 1];
    return encodeHeader({
      bothDirections: true,
      vaultRef: reference,
      height,
      timestampMs,
      term: 1,
      index: height + 1,
      transactionCount: transactions.length,
      transactionRoot: treeRoot(
        hasher,
        transactions.map((transaction) => leafHash(hasher, transaction)),
      ),
      previousHash: previous ? blockHash(hasher, previous) : new Uint8Array(32),
      historyRoot: treeRoot(hasher, this.blockHashes(height)),
      stateRoot: trie.root(reference),
      leafCount: trie.total,
      configHash: configHash(hasher, hashes),
    });
  }

  blockHashes(size = this.size): Uint8Array[] {
    return this.#hashes.slice(0, size);
  }

  root(size = this.size): Uint8Array {
    return treeRoot(hasher, this.blockHashes(size));
  }

  checkpoint({
    size = this.size,
    timeS = START_S + this.size,
    cosigners = [replica(1), replica(2), replica(3)],
    root = this.root(size),
  }: AnswerOptions & { readonly root?: Uint8Array } = {}): string {
    const body = checkpointBody({ origin: this.origin, size: BigInt(size), root });
    return formatCheckpoint(body, [
      signatureLine(this.log.key, body, this.log.sign),
      ...cosigners.map(({ key, sign }) => cosignatureLine(key, body, timeS, sign)),
    ]);
  }

  stateProof(questions: Partial<ProofQuestions>, height = this.size - 1): Uint8Array {
    const all = { gets: [], lists: [], ...questions };
    return encodeStateProof(this.states[height]!.trie, new PathHasher(hasher, this.salt), all);
  }

  historyProof(height: number, size = this.size): Uint8Array[] {
    return inclusionProof(hasher, lookupOf(hasher, this.blockHashes()), height, size);
  }

  consistency(a: number, b: number): Uint8Array[] {
    const node = lookupOf(hasher, this.blockHashes());
    return consistencyProof(hasher, node, Math.min(a, b), Math.max(a, b));
  }

  answer(questions: Partial<ProofQuestions>, options: AnswerOptions = {}): ProvenAnswer {
    const size = options.size ?? this.size;
    const height = options.height ?? size - 1;
    return {
      checkpoint: this.checkpoint({ ...options, size }),
      header: this.headers[height]!,
      historyProof: this.historyProof(height, size),
      consistencyProof: this.consistency(options.from ?? 1, size),
      stateProof: this.stateProof(questions, height),
    };
  }

  transactionProof(height: number, index: number): Uint8Array {
    const transactions = this.blocks[height]!;
    const leaves = transactions.map((transaction) => leafHash(hasher, transaction));
    return encodeTransactionProof({
      index,
      count: transactions.length,
      path: inclusionProof(hasher, lookupOf(hasher, leaves), index, leaves.length),
      transaction: transactions[index]!,
    });
  }

  /** The record that is there at a height, as the model of what a proof must say. */
  recordAt(height: number, key: LedgerKey): StoredRecord | undefined {
    return this.states[height]!.records.get(keyId(key))?.record;
  }
}

export function sameRecord(a: StoredRecord | undefined, b: StoredRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const isSame = a.version === b.version && a.expiresAtMs === b.expiresAtMs;
  if (a.value === undefined || b.value === undefined) return isSame && a.value === b.value;
  return isSame && equalBytes(a.value.digest, b.value.digest);
}
