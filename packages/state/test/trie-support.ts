/** One trie over tables on a memory disk, its leaves set by path, beside the trie built from scratch. */
import type { SeededRandom } from "@authledger/io";
import { BuiltTrie, PATH_BYTES, TrieHasher, type TrieNode } from "@authledger/proof";
import { compareBytes, fromHex, type Hasher, toHex } from "@authledger/types";
import { openTables, type Tables } from "../src/tables.js";
import { BranchCache, type BranchCacheOptions } from "../src/trie/branch-cache.js";
import { LeafRange } from "../src/trie/leaf-range.js";
import { leafKeyBuffer, PATH_AT } from "../src/trie/leaf-row.js";
import { NodePool } from "../src/trie/node-pool.js";
import { SMALL_LEAVES_MAX, TrieUpdater } from "../src/trie/trie-updater.js";
import { type TrieDeps, VaultTrie } from "../src/trie/vault-trie.js";
import { newDisk, openStore } from "./state-support.js";

export const VAULT = 7;
const SALT = new Uint8Array(32);

/** Leaves by path in hex; undefined removes one. */
export type LeafChanges = ReadonlyMap<string, Uint8Array | undefined>;

export class TestTrie {
  readonly tables: Tables;
  readonly cache: BranchCache;
  /** What is in the trie: the hash of each leaf's record by its path. */
  readonly leaves = new Map<string, Uint8Array>();
  trie: VaultTrie;
  readonly #deps: TrieDeps;
  readonly #hasher: Hasher;
  #height = 0;

  private constructor(tables: Tables, hasher: Hasher, options: BranchCacheOptions) {
    this.tables = tables;
    this.#hasher = hasher;
    this.cache = new BranchCache(tables.branch, new NodePool(hasher), options);
    const leaves = new LeafRange(tables.leaf);
    this.#deps = {
      leafTable: tables.leaf,
      bucketTable: tables.bucket,
      bucketHistTable: tables.bucketHist,
      cache: this.cache,
      updater: new TrieUpdater(this.cache, leaves, hasher),
      leaves,
      hasher,
    };
    this.trie = new VaultTrie(VAULT, SALT, this.#deps);
  }

  static async open(
    random: SeededRandom,
    hasher: Hasher,
    options: BranchCacheOptions = { dirtyMax: 20, residentMax: 50 },
  ): Promise<TestTrie> {
    const store = await openStore(await newDisk(), random);
    return new TestTrie(openTables(store), hasher, options);
  }

  /** A block: every change at once. */
  apply(changes: LeafChanges): void {
    const sorted = [...changes].map(([hex, hash]) => ({ path: fromHex(hex), hex, hash }));
    sorted.sort((a, b) => compareBytes(a.path, b.path));
    const paths = new Uint8Array(sorted.length * PATH_BYTES);
    const deltas = new Int8Array(sorted.length);
    sorted.forEach(({ path, hex, hash }, i) => {
      paths.set(path, i * PATH_BYTES);
      deltas[i] = Number(hash !== undefined) - Number(this.leaves.has(hex));
    });
    const written: string[] = [];
    const writeLeaves = (from: number, to: number): void => {
      for (const { path, hex, hash } of sorted.slice(from, to)) {
        this.#writeLeaf(path, hash);
        written.push(hex);
      }
    };
    this.trie.update(++this.#height, { count: sorted.length, paths, deltas, writeLeaves });
    if (written.join() !== sorted.map(({ hex }) => hex).join()) throw new Error("leaves unwritten");
    for (const { hex, hash } of sorted) {
      if (hash === undefined) this.leaves.delete(hex);
      else this.leaves.set(hex, hash);
    }
  }

  #writeLeaf(path: Uint8Array, recordHash: Uint8Array | undefined): void {
    const key = leafKeyBuffer(VAULT);
    key.set(path, PATH_AT);
    if (recordHash === undefined) {
      this.tables.leaf.delete(key);
      return;
    }
    const row = new Uint8Array(64);
    new TrieHasher(this.#hasher).leafInto(path, recordHash, row, 0);
    row.set(recordHash, 32);
    this.tables.leaf.put(key, row);
  }

  /** Everything to the tables, as before a flush. */
  writeAll(): void {
    this.trie.writeAll();
  }

  /** Drops what is in memory and opens the trie from its rows. */
  reopen(): void {
    this.writeAll();
    this.trie.evict();
    this.trie = new VaultTrie(VAULT, SALT, this.#deps);
  }

  built(): BuiltTrie {
    const leaves = [...this.leaves].map(([hex, recordHash]) => {
      return { path: fromHex(hex), record: recordHash, recordHash };
    });
    return new BuiltTrie(this.#hasher, leaves);
  }

  /** The keys of the branch rows that should be there, of the trie built from scratch. */
  expectedBranches(): string[] {
    const rows: string[] = [];
    const built = this.built();
    for (let bucket = 0; bucket < 256; bucket++) collect(built.bucket(bucket), rows);
    return rows.sort();
  }
}

/** `bit/left/right` of every branch with enough leaves to be stored; the number of leaves below. */
function collect(node: TrieNode, rows: string[]): number {
  if (node.kind === "empty") return 0;
  if (node.kind === "leaf") return 1;
  const count = collect(node.left(), rows) + collect(node.right(), rows);
  if (count > SMALL_LEAVES_MAX) rows.push(branchName(node.bit, node.leftHash, node.rightHash));
  return count;
}

export function branchName(bit: number, left: Uint8Array, right: Uint8Array): string {
  return `${String(bit).padStart(3, "0")}/${toHex(left)}/${toHex(right)}`;
}
