/**
 * The trie of a vault as the state machine keeps it, on a page store that is never flushed, over a disk in memory.
 * An update is what a block does for a record that it sets: path, record hash and leaf hash, the leaf's row into the
 * page store, the branches above it, and once a block the root of the state.
 */
import {
  MemoryDisk,
  NodeHasher,
  nodeClock,
  nodeRandom,
  nodeTimers,
} from "../../packages/io/dist/index.js";
import {
  BuiltTrie,
  commitToValue,
  encodeDescriptor,
  encodeTransaction,
  PATH_BYTES,
  stateRoot,
  tupleKey,
  writeRecord,
} from "../../packages/proof/dist/index.js";
import { encodeEntry, GroupState } from "../../packages/state/dist/index.js";
import { PageStore } from "../../packages/store/dist/index.js";
import { ByteWriter, compareBytes } from "../../packages/types/dist/index.js";
import { tuple } from "../lib/tuples.mjs";
import { randomBlocks } from "./blocks.mjs";

const HASH_BYTES = 32;
const SYSTEM_VAULT = 0;
const ORIGIN = "bench.example";
const TIME_MS = 1_700_000_000_000;
/** So much that nothing has to be flushed or read again. */
const CACHE_BYTES = 8 * 2 ** 30;
/** Leaves set by one block while the trie is built. */
const BUILD_BLOCK = 10_000;
/** Up to here the root is compared with that of a trie built from scratch. */
const VERIFIED_LEAVES_MAX = 200_000;

/** Counts what is hashed. */
class CountingHasher extends NodeHasher {
  count = 0;

  /** @override @param {Uint8Array} data @param {Uint8Array} out @param {number} offset */
  sha256Into(data, out, offset) {
    this.count++;
    super.sha256Into(data, out, offset);
  }
}

/** @typedef {{ readonly number: number, readonly path: Uint8Array }} Change */

/** @param {number} leaves */
export async function create(leaves) {
  const hasher = new CountingHasher();
  const disk = new MemoryDisk();
  await disk.makeDirectory("/d");
  const store = await PageStore.open(
    { path: "/d/state.db", cacheBytes: CACHE_BYTES, groupId: 1, incarnation: new Uint8Array(16) },
    { disk, clock: nodeClock, timers: nodeTimers, random: nodeRandom },
  );
  const state = new GroupState(store, hasher);
  const trie = new BenchTrie(state, hasher);
  return {
    build: () => {
      for (let from = 0; from < leaves; from += BUILD_BLOCK) {
        const to = Math.min(from + BUILD_BLOCK, leaves);
        trie.apply(numbersFrom(from, to), 0);
      }
      return { operations: leaves };
    },
    prepare_update: (/** @type {any} */ options) => randomBlocks(leaves, options),
    update: (/** @type {number[][]} */ blocks) => {
      const before = hasher.count;
      for (const block of blocks) trie.apply(block, 1);
      const operations = blocks.reduce((sum, block) => sum + block.length, 0);
      return { operations, extra: { hashes: (hasher.count - before) / operations } };
    },
    verify: () => trie.verify(),
    close: () => store.close(),
  };
}

class BenchTrie {
  #state;
  #hasher;
  #vault;
  #index = 0;
  #row = new ByteWriter(512);
  #recordHash = new Uint8Array(HASH_BYTES);

  /** @param {GroupState} state @param {CountingHasher} hasher */
  constructor(state, hasher) {
    this.#state = state;
    this.#hasher = hasher;
    this.#applyEntry(initEntry(hasher));
    this.#vault = /** @type {import("../../packages/state/dist/index.js").OpenVault} */ (
      state.vault(SYSTEM_VAULT)
    );
  }

  get total() {
    return this.#vault.trie.total;
  }

  /** @param {Uint8Array} payload */
  #applyEntry(payload) {
    const { outcomes } = this.#state.apply(++this.#index, 1, payload);
    if (outcomes.some(({ kind }) => kind === "refused")) throw new Error(JSON.stringify(outcomes));
  }

  /**
   * Sets the leaves of some tuples; all new or all there.
   *
   * @param {readonly number[]} numbers
   * @param {0 | 1} version
   */
  apply(numbers, version) {
    const vault = this.#vault;
    const changes = numbers.map((number) => ({
      number,
      path: vault.paths.path(keyOf(number)),
    }));
    changes.sort((a, b) => compareBytes(a.path, b.path));
    const paths = new Uint8Array(changes.length * PATH_BYTES);
    changes.forEach(({ path }, i) => {
      paths.set(path, i * PATH_BYTES);
    });
    const deltas = new Int8Array(changes.length).fill(version === 0 ? 1 : 0);
    const writeLeaves = (/** @type {number} */ from, /** @type {number} */ to) => {
      for (let i = from; i < to; i++) this.#writeLeaf(/** @type {Change} */ (changes[i]), version);
    };
    vault.trie.update(this.#index, { count: changes.length, paths, deltas, writeLeaves });
    this.root();
  }

  root() {
    const { trie, vaultRef } = this.#vault;
    return stateRoot(this.#hasher, vaultRef, trie.total, trie.top());
  }

  /** @param {Change} change @param {number} version */
  #writeLeaf({ number, path }, version) {
    const row = this.#row;
    row.clear();
    row.bytes(this.#recordHash);
    writeRecord(row, keyOf(number), recordOf(version));
    const bytes = row.view();
    this.#vault.records.hashInto(bytes.subarray(HASH_BYTES), this.#recordHash, 0);
    this.#vault.leaves.leafInto(path, this.#recordHash, bytes, 0);
    const replaced = this.#state.tables.leaf.put(this.#vault.rowKey(path), bytes);
    if (replaced !== version > 0) throw new Error("a leaf is there exactly when it was set before");
  }

  /** The root is that of a trie built at once from the records that are stored. */
  verify() {
    const vault = this.#vault;
    if (this.total > VERIFIED_LEAVES_MAX) return;
    const records = [];
    const cursor = this.#state.tables.leaf.cursor();
    for (let ok = cursor.first(); ok; ok = cursor.next()) {
      records.push(cursor.value.slice(HASH_BYTES));
    }
    const built = BuiltTrie.fromRecords(this.#hasher, vault.row.salt, records);
    if (compareBytes(built.root(vault.vaultRef), this.root()) === 0) return;
    throw new Error("the root differs from that of a trie built from scratch");
  }
}

/** @param {number} from @param {number} to */
function numbersFrom(from, to) {
  return Array.from({ length: to - from }, (_, k) => from + k);
}

/** @param {number} number */
function keyOf(number) {
  return tupleKey(tuple(number));
}

/** @param {number} version */
function recordOf(version) {
  return { version: BigInt(version + 1), expiresAtMs: 0n, value: undefined };
}

/** @param {NodeHasher} hasher */
function initEntry(hasher) {
  const nonce = new Uint8Array(16);
  const value = encodeDescriptor(`${ORIGIN}/0/0`);
  const genesis = {
    canonical: transaction([
      {
        ...{ op: "set_record", partition: "ledger", group: "genesis", item: "" },
        value: commitToValue(hasher, nonce, value),
      },
    ]),
    values: [{ nonce, value }],
  };
  const init = {
    ...{ kind: "init", clusterId: "0".repeat(32), clusterOrigin: ORIGIN },
    ...{ salt: new Uint8Array(32).fill(1), genesis },
  };
  return encodeEntry({ timeMs: TIME_MS, items: [/** @type {any} */ (init)] });
}

/** @param {readonly object[]} ops */
function transaction(ops) {
  return encodeTransaction({
    ...{ id: new Uint8Array(16), clientId: "bench", sequence: 1, actor: "bench", reason: "" },
    timestampMs: TIME_MS,
    ops: /** @type {any} */ (ops),
  });
}
