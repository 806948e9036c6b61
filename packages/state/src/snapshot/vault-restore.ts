/**
 * Restores one vault from its sections: checks its whole history, writes its records, and compares what they hash
 * to with what the newest header says.
 *
 *   INV-SNAP-5  A vault is restored only when its header chain, history roots and transaction roots hold, every
 *               bucket and the state root are those of its newest header, values are those that records commit
 *               to, and tuples are there in both directions. What differs is named.
 */
import {
  type BlockHeader,
  BUCKETS,
  BucketTree,
  blockHash,
  CompactRange,
  commitToValue,
  decodeHeader,
  decodeRecord,
  Kind,
  type LedgerRecord,
  leafHash,
  NONCE_BYTES,
  PATH_BYTES,
  type Predecessor,
  stateRoot,
  treeRoot,
  vaultRef,
} from "@authledger/proof";
import {
  ByteWriter,
  compareBytes,
  equalBytes,
  HASH_BYTES,
  type Hasher,
  LedgerError,
  toHex,
} from "@authledger/types";
import { clientKey, decodeClientRow, encodeClientRow } from "../client-row.js";
import { OpenVault } from "../open-vault.js";
import { updateIndexes } from "../record-indexes.js";
import type { Tables } from "../tables.js";
import type { TrieDeps } from "../trie/vault-trie.js";
import type { VaultRow } from "../vault-rows.js";
import { corruptAt, type Frame, FrameType, type SnapshotPlace } from "./frames.js";
import {
  type BlockSection,
  decodeVaultEnd,
  type RecordSection,
  readBlocks,
  readBuckets,
  readClients,
  readRecords,
} from "./sections.js";
import { TwinCheck } from "./twin-check.js";

/** A record on its way into the tables. */
interface Leaf extends RecordSection {
  readonly path: Uint8Array;
  readonly after: LedgerRecord;
}

const NO_HASH = new Uint8Array(HASH_BYTES);

export class VaultRestore {
  /** As it will go on: under its new origin. */
  readonly vault: OpenVault;
  readonly #tables: Tables;
  readonly #hasher: Hasher;
  /** The origin before, and what its headers must name. */
  readonly #origin: string;
  readonly #reference: Uint8Array;
  readonly #history: CompactRange;
  readonly #expected: BucketTree;
  readonly #expectedCounts = new Uint32Array(BUCKETS);
  readonly #twins: TwinCheck;
  readonly #row = new ByteWriter(512);
  readonly #recordHash = new Uint8Array(HASH_BYTES);
  readonly #lastPath = new Uint8Array(PATH_BYTES);
  #tip: BlockHeader | undefined;
  #previousHash: Uint8Array = NO_HASH;
  #records = 0;
  #clients = 0;
  /** Buckets below are complete and were compared. */
  #compared = 0;
  #place: SnapshotPlace;
  #offset = 0;
  /** The section before; they come in the order of their types. */
  #last: number = FrameType.vault;

  constructor(row: VaultRow, origin: string, tables: Tables, trie: TrieDeps) {
    this.vault = new OpenVault(row, tables, trie);
    this.#tables = tables;
    this.#hasher = trie.hasher;
    this.#origin = origin;
    this.#reference = vaultRef(this.#hasher, origin, row.salt);
    this.#history = new CompactRange(this.#hasher);
    this.#expected = new BucketTree(this.#hasher);
    this.#twins = new TwinCheck(this.#hasher);
    this.#place = { organization: String(row.organizationSlug), vault: String(row.slug) };
  }

  get records(): number {
    return this.#records;
  }

  /** Blocks of the history so far. */
  get blocks(): number {
    return this.#history.size;
  }

  /** Time of the newest block. */
  get timeMs(): number {
    return this.#tip?.timestampMs ?? 0;
  }

  blocksSection(frame: Frame): void {
    this.#read(frame, () => {
      for (const block of readBlocks(frame.payload)) this.#block(block);
    });
  }

  /** The roots of the buckets: they must make up the state root before any record is looked at. */
  bucketsSection(frame: Frame): void {
    this.#read(frame, () => {
      let total = 0;
      for (const { bucket, count, root } of readBuckets(frame.payload)) {
        this.#expected.set(bucket, count, root);
        this.#expectedCounts[bucket] = count;
        total += count;
      }
      const root = stateRoot(this.#hasher, this.#reference, total, this.#expected.top());
      const tip = this.#tip;
      this.#require(tip !== undefined, "a vault without blocks");
      this.#place = { ...this.#place, height: tip?.height ?? 0 };
      this.#require(
        tip?.leafCount === total && equalBytes(root, tip.stateRoot),
        "the roots of the buckets do not make up the state root of the newest header",
      );
    });
  }

  recordsSection(frame: Frame): void {
    this.#read(frame, () => {
      const leaves = [...readRecords(frame.payload)].map((section) => this.#leaf(section));
      if (leaves.length === 0) return;
      this.#write(leaves);
      this.#compareUpTo(this.#lastPath[0]!);
    });
  }

  clientsSection(frame: Frame): void {
    this.#read(frame, () => {
      for (const { id, row } of readClients(frame.payload)) {
        // Its last write is now part of what block 0 holds.
        const restored = encodeClientRow({ ...decodeClientRow(row), height: 0 });
        this.#tables.client.put(clientKey(this.vault.id, id), restored);
        this.#clients++;
      }
    });
  }

  /** Ends the vault; the head that it was restored from. */
  endSection(frame: Frame): Predecessor {
    return this.#read(frame, () => {
      const { blocks, records, clients, root } = decodeVaultEnd(frame.payload);
      this.#compareUpTo(BUCKETS);
      this.#require(this.#twins.isPaired, "a tuple is there in one direction only");
      this.#require(records === this.#records, `${this.#records} of ${records} records came`);
      this.#require(clients === this.#clients, `${this.#clients} of ${clients} clients came`);
      const size = this.#history.size;
      const own = this.#history.root();
      this.#require(blocks === size && equalBytes(root, own), "blocks are missing at the end");
      return { origin: this.#origin, size, root: own };
    });
  }

  #block({ header: bytes, transactions }: BlockSection): void {
    const height = this.#history.size;
    this.#place = { ...this.#place, height };
    const header = decodeHeader(bytes);
    const previous = this.#tip;
    this.#require(header.height === height, `a header of height ${header.height}`);
    this.#require(equalBytes(header.vaultRef, this.#reference), "a header of another vault");
    this.#require(
      equalBytes(header.previousHash, this.#previousHash),
      "the header does not name the one before it",
    );
    this.#require(
      equalBytes(header.historyRoot, this.#history.root()),
      "the header has another history than its own",
    );
    this.#require(header.timestampMs >= (previous?.timestampMs ?? 0), "time goes back");
    if (transactions.length > 0) {
      const leaves = transactions.map((one) => leafHash(this.#hasher, one));
      this.#require(
        leaves.length === header.transactionCount &&
          equalBytes(treeRoot(this.#hasher, leaves), header.transactionRoot),
        "the transactions are not those of the header",
      );
    }
    this.#previousHash = blockHash(this.#hasher, bytes);
    this.#history.append(this.#previousHash);
    this.#tip = header;
  }

  #leaf(section: RecordSection): Leaf {
    const record = decodeRecord(section.record);
    const path = this.vault.paths.path(record.key);
    this.#place = { ...this.#place, bucket: path[0]!, path: toHex(path) };
    const isBehind = this.#records === 0 || compareBytes(path, this.#lastPath) > 0;
    this.#require(isBehind, "the record's path is not behind the one before it");
    this.#checkValue(record, section.stored);
    this.#twins.add(record, section.record);
    this.#lastPath.set(path);
    this.#records++;
    return { ...section, path, after: record };
  }

  /** A tuple's condition lies with its authoritative direction. */
  #checkValue({ key, value }: LedgerRecord, stored: Uint8Array | undefined): void {
    const isHere = value !== undefined && key.kind !== Kind.tupleBySubject;
    this.#require(isHere === (stored !== undefined), "a value is missing, or is one too many");
    if (value === undefined || stored === undefined) return;
    const nonce = stored.subarray(0, NONCE_BYTES);
    const own = commitToValue(this.#hasher, nonce, stored.subarray(NONCE_BYTES));
    const isSame = own.length === value.length && equalBytes(own.digest, value.digest);
    this.#require(isSame, "the value is not the one that the record commits to");
  }

  /** Writes leaves in path order, and the trie above them. */
  #write(leaves: readonly Leaf[]): void {
    const paths = new Uint8Array(leaves.length * PATH_BYTES);
    leaves.forEach(({ path }, i) => {
      paths.set(path, i * PATH_BYTES);
    });
    const writeLeaves = (from: number, to: number): void => {
      for (let i = from; i < to; i++) this.#writeLeaf(leaves[i]!);
    };
    const deltas = new Int8Array(leaves.length).fill(1);
    this.vault.trie.update(0, { count: leaves.length, paths, deltas, writeLeaves });
  }

  #writeLeaf({ path, record, stored, after }: Leaf): void {
    const { leaf, value } = this.#tables;
    const { vault } = this;
    this.#row.clear();
    const row = this.#row.bytes(NO_HASH).bytes(record).view();
    vault.records.hashInto(record, this.#recordHash, 0);
    vault.leaves.leafInto(path, this.#recordHash, row, 0);
    leaf.put(vault.rowKey(path), row);
    if (stored !== undefined) value.put(vault.rowKey(path), stored);
    const place = { vault: vault.id, height: 0 };
    updateIndexes(this.#tables, place, path, { key: after.key, before: undefined, after });
  }

  /** Names the first bucket below `end` that is not as the header's state has it. */
  #compareUpTo(end: number): void {
    const { trie } = this.vault;
    for (; this.#compared < end; this.#compared++) {
      const bucket = this.#compared;
      const isSame =
        trie.bucketCount(bucket) === this.#expectedCounts[bucket] &&
        equalBytes(trie.bucketTreeNode(-1, bucket), this.#expected.node(-1, bucket));
      const { organization, vault, height } = this.#place;
      if (!isSame) this.#place = { organization, vault, height, bucket } as SnapshotPlace;
      this.#require(isSame, "the records of the bucket do not make up its root");
    }
  }

  #require(condition: boolean, why: string): void {
    if (!condition) throw corruptAt(this.#offset, why, this.#place);
  }

  /** What cannot be decoded is damage too, at the place where it was met. */
  #read<T>({ type, offset }: Frame, read: () => T): T {
    this.#offset = offset;
    const isOnce = type === FrameType.buckets;
    const isMissed = type > FrameType.buckets && this.#last < FrameType.buckets;
    const isInOrder = isOnce ? type > this.#last : type >= this.#last;
    this.#require(isInOrder && !isMissed, "the sections of a vault are out of order");
    this.#last = type;
    try {
      return read();
    } catch (error) {
      const isForm = error instanceof LedgerError && error.code !== "SNAPSHOT_CORRUPT";
      if (!isForm) throw error;
      throw corruptAt(offset, error.message, this.#place);
    }
  }
}
