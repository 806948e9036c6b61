/**
 * The incremental trie against the one built from scratch, over histories of blocks whose paths share prefixes
 * of any length: few random paths ever part below bit 30, a rule must not depend on that.
 */
import type { SeededRandom } from "@authledger/io";
import { PATH_BYTES, type TrieNode } from "@authledger/proof";
import { fromHex, type Hasher, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { bucketKey, readU32 } from "../../src/tables.js";
import { bitOfKey, branchValue } from "../../src/trie/branch-row.js";
import { NO_NODE } from "../../src/trie/node-pool.js";
import { SMALL_LEAVES_MAX } from "../../src/trie/trie-updater.js";
import { hasher } from "../state-support.js";
import { branchName, type LeafChanges, TestTrie, VAULT } from "../trie-support.js";

/** A path that parts from `base` at `bit`, random behind it. */
function partingAt(random: SeededRandom, base: Uint8Array, bit: number): Uint8Array {
  const path = random.bytes(PATH_BYTES);
  for (let i = 0; i < bit; i++) copyBit(base, path, i);
  copyBit(base, path, bit);
  path[bit >> 3]! ^= 0x80 >> (bit & 7);
  return path;
}

function copyBit(from: Uint8Array, to: Uint8Array, bit: number): void {
  const mask = 0x80 >> (bit & 7);
  to[bit >> 3] = (to[bit >> 3]! & ~mask) | (from[bit >> 3]! & mask);
}

/** A new path: anywhere in a few buckets, or next to one that is there. */
function newPath(random: SeededRandom, known: readonly string[]): Uint8Array {
  if (known.length === 0 || random.chance(0.2)) {
    const path = random.bytes(PATH_BYTES);
    path[0] = random.int(3);
    return path;
  }
  const base = fromHex(random.pick(known));
  const bit = random.pick([8 + random.int(24), 56 + random.int(20), 8 + random.int(376), 383]);
  return partingAt(random, base, bit);
}

/** A block that mostly grows, mostly shrinks, or empties a whole subtree while another one grows beside it. */
function randomBlock(random: SeededRandom, trie: TestTrie): LeafChanges {
  const known = [...trie.leaves.keys()];
  const changes = new Map<string, Uint8Array | undefined>();
  if (known.length > 0 && random.chance(0.25)) exchange(random, known, changes);
  const shrink = random.pick([0.1, 0.1, 0.5, 0.8]);
  const count = random.pick([1, 3, 12, 40]);
  for (let i = 0; i < count; i++) {
    if (known.length > 0 && random.chance(shrink)) changes.set(random.pick(known), undefined);
    else if (known.length > 0 && random.chance(0.2)) {
      changes.set(random.pick(known), random.bytes(32));
    } else changes.set(toHex(newPath(random, known)), random.bytes(32));
  }
  return changes;
}

/** Removes a whole subtree, and mostly puts one next to it. */
function exchange(
  random: SeededRandom,
  known: readonly string[],
  changes: Map<string, Uint8Array | undefined>,
): void {
  const victim = random.pick(known);
  const prefix = victim.slice(0, random.pick([2, 4, 4, 16]));
  for (const path of known) if (path.startsWith(prefix)) changes.set(path, undefined);
  const beside = partingAt(random, fromHex(victim), 8 + random.int(24));
  for (let i = random.int(16); i > 0; i--) {
    changes.set(toHex(partingAt(random, beside, random.between(40, 384))), random.bytes(32));
  }
}

function expectEqualToBuilt(test: TestTrie): void {
  const built = test.built();
  expect(test.trie.total).toBe(built.total);
  for (let bucket = 0; bucket < 4; bucket++) {
    expect(test.trie.bucketCount(bucket)).toBe(built.bucketCount(bucket));
  }
  expect(toHex(test.trie.top())).toBe(toHex(built.bucketTreeNode(7, 0)));
}

/** Walks both as a proof does. */
function expectEqualNodes(ours: TrieNode, built: TrieNode): void {
  expect(ours.kind).toBe(built.kind);
  if (ours.kind === "leaf" && built.kind === "leaf") {
    expect(toHex(ours.path)).toBe(toHex(built.path));
  }
  if (ours.kind !== "branch" || built.kind !== "branch") return;
  expect(branchName(ours.bit, ours.leftHash, ours.rightHash)).toBe(
    branchName(built.bit, built.leftHash, built.rightHash),
  );
  expectEqualNodes(ours.left(), built.left());
  expectEqualNodes(ours.right(), built.right());
}

/** Of the rows in the table, in the form of `expectedBranches`. */
function storedBranches({ tables }: TestTrie): string[] {
  const names: string[] = [];
  const cursor = tables.branch.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    const { key, value } = cursor;
    names.push(branchName(bitOfKey(key), value.subarray(0, 32), value.subarray(32, 64)));
  }
  return names.sort();
}

/** Rows of buckets say what the trie built from scratch has; those without one are empty. */
function expectBucketRows(trie: TestTrie): void {
  const scratch = trie.built();
  let total = 0;
  const cursor = trie.tables.bucket.cursor();
  for (let ok = cursor.seek(bucketKey(VAULT, 0)); ok; ok = cursor.next()) {
    const bucket = cursor.key[4]!;
    const count = readU32(cursor.value);
    total += count;
    expect(count).toBe(scratch.bucketCount(bucket));
    expect(toHex(cursor.value.subarray(4))).toBe(toHex(scratch.bucketRoot(bucket)));
  }
  expect(total).toBe(scratch.total);
}

describe("the incremental trie", () => {
  test("has the root of its leaves, whatever blocks led to them (INV-TRIE-1)", async () => {
    const random = testRandom("trie model");
    for (let round = 0; round < testRounds(12); round++) {
      const trie = await TestTrie.open(random, hasher);
      for (let block = 0; block < 40; block++) {
        trie.apply(randomBlock(random, trie));
        expectEqualToBuilt(trie);
        if (random.chance(0.1)) trie.reopen();
      }
    }
  });

  test("stores a branch exactly where more than a small subtree is below it (INV-TRIE-2), and no branch is dirty when all are written, which bucket rows agree with (INV-BRANCH-3, INV-VAULTTRIE-1)", async () => {
    const random = testRandom("trie branches");
    for (let round = 0; round < testRounds(10); round++) {
      const trie = await TestTrie.open(random, hasher);
      for (let block = 0; block < 30; block++) {
        trie.apply(randomBlock(random, trie));
        if (random.chance(0.6)) continue;
        trie.writeAll();
        expect(trie.cache.pool.dirty).toBe(0);
        expect(storedBranches(trie)).toEqual(trie.expectedBranches());
        expectBucketRows(trie);
        if (random.chance(0.5)) trie.reopen();
      }
    }
  });

  test("has the row of every branch in memory that is not dirty (INV-BRANCH-2)", async () => {
    const random = testRandom("trie rows");
    const trie = await TestTrie.open(random, hasher, { dirtyMax: 5, residentMax: 50 });
    let clean = 0;
    for (let block = 0; block < 60; block++) {
      trie.apply(randomBlock(random, trie));
      const { pool } = trie.cache;
      const rows = new Set(storedBranches(trie));
      for (let node = 0; node < pool.end; node++) {
        if (pool.isFree(node) || pool.isDirty(node)) continue;
        const value = branchValue(pool, node);
        const name = branchName(pool.bit(node), value.subarray(0, 32), value.subarray(32, 64));
        expect(rows).toContain(name);
        clean++;
      }
      if (random.chance(0.1)) trie.reopen();
    }
    expect(clean).toBeGreaterThan(50);
  });

  test("has nothing but dirty branches above a dirty one (INV-BRANCH-4), whatever was written or dropped", async () => {
    const random = testRandom("trie dirty");
    const trie = await TestTrie.open(random, hasher, { dirtyMax: 10_000, residentMax: 100 });
    const { pool } = trie.cache;
    let dirty = 0;
    for (let block = 0; block < 80; block++) {
      trie.apply(randomBlock(random, trie));
      for (let node = 0; node < pool.end; node++) {
        if (pool.isFree(node)) continue;
        for (const child of [pool.child(node, 0), pool.child(node, 1)]) {
          if (child === NO_NODE || !pool.isDirty(child)) continue;
          expect(pool.isDirty(node)).toBe(true);
          dirty++;
        }
      }
      const rows = trie.trie.writeRows();
      if (random.chance(0.2)) rows.next();
      if (random.chance(0.2)) {
        trie.writeAll();
        trie.trie.shed();
        expectEqualToBuilt(trie);
      }
    }
    expect(dirty).toBeGreaterThan(50);
  });

  test("shows proofs every node that the trie built from scratch has", async () => {
    const random = testRandom("trie walk");
    const trie = await TestTrie.open(random, hasher);
    for (let block = 0; block < 12; block++) {
      trie.apply(randomBlock(random, trie));
      const built = trie.built();
      for (let bucket = 0; bucket < 4; bucket++) {
        expectEqualNodes(trie.trie.bucket(bucket), built.bucket(bucket));
      }
      if (random.chance(0.3)) trie.reopen();
    }
  });

  test.each([SMALL_LEAVES_MAX - 1, SMALL_LEAVES_MAX, SMALL_LEAVES_MAX + 1, SMALL_LEAVES_MAX + 2])(
    "crosses the small size up and down, one leaf at a time, from %i leaves",
    async (start) => {
      const random = testRandom("trie threshold");
      const trie = await TestTrie.open(random, hasher);
      const base = random.bytes(PATH_BYTES);
      const paths = Array.from({ length: SMALL_LEAVES_MAX + 4 }, (_, i) =>
        toHex(partingAt(random, base, 300 + i)),
      );
      trie.apply(new Map(paths.slice(0, start).map((path) => [path, random.bytes(32)])));
      for (const path of paths.slice(start)) {
        trie.apply(new Map([[path, random.bytes(32)]]));
        expectEqualToBuilt(trie);
      }
      for (const path of paths) {
        trie.apply(new Map([[path, undefined]]));
        expectEqualToBuilt(trie);
        trie.writeAll();
        expect(storedBranches(trie)).toEqual(trie.expectedBranches());
      }
      expect(trie.trie.total).toBe(0);
    },
  );

  /**
   * A block that removed the last leaf below a branch and put many leaves beside it joined the two at a new
   * branch with an empty side, which no verifier accepts: the new branch has to give way to its other side.
   */
  test("leaves no branch with an empty side when a subtree goes while another one comes above it", async () => {
    const random = testRandom("trie exchange");
    const base = random.bytes(PATH_BYTES);
    const old = Array.from({ length: 12 }, (_, i) => toHex(partingAt(random, base, 200 + i)));
    const elsewhere = partingAt(random, base, 20);
    const fresh = Array.from({ length: 12 }, (_, i) => toHex(partingAt(random, elsewhere, 90 + i)));
    const trie = await TestTrie.open(random, hasher);
    trie.apply(new Map(old.map((path) => [path, random.bytes(32)])));
    const exchange = [
      ...old.map((path): [string, undefined] => [path, undefined]),
      ...fresh.map((path): [string, Uint8Array] => [path, random.bytes(32)]),
    ];
    trie.apply(new Map(exchange));
    expectEqualToBuilt(trie);
    trie.writeAll();
    expect(storedBranches(trie)).toEqual(trie.expectedBranches());
  });
});

/** Counts what is hashed. */
class CountingHasher implements Hasher {
  count = 0;

  sha256(data: Uint8Array): Uint8Array {
    this.count++;
    return hasher.sha256(data);
  }

  sha256Into(data: Uint8Array, out: Uint8Array, offset: number): void {
    this.count++;
    hasher.sha256Into(data, out, offset);
  }
}

/** Hashes from a leaf to the bucket's root: its small subtree is built again, each branch above hashed once. */
function hashesAbove(node: TrieNode, path: Uint8Array): { branches: number; leaves: number } {
  if (node.kind !== "branch") return { branches: 0, leaves: 1 };
  const isRight = (path[node.bit >> 3]! & (0x80 >> (node.bit & 7))) !== 0;
  const taken = hashesAbove(isRight ? node.right() : node.left(), path);
  const leaves = taken.leaves + leavesBelow(isRight ? node.left() : node.right());
  return { leaves, branches: leaves <= SMALL_LEAVES_MAX ? leaves - 1 : taken.branches + 1 };
}

function leavesBelow(node: TrieNode): number {
  if (node.kind === "empty") return 0;
  return node.kind === "leaf" ? 1 : leavesBelow(node.left()) + leavesBelow(node.right());
}

test("one changed leaf is hashed with its way up and nothing else (INV-TRIE-3)", async () => {
  const random = testRandom("trie hashes");
  const counter = new CountingHasher();
  const trie = await TestTrie.open(random, counter, { dirtyMax: 10_000, residentMax: 10_000 });
  const paths = Array.from({ length: 1_000 }, () => {
    const path = random.bytes(PATH_BYTES);
    path[0]! &= 1;
    return toHex(path);
  });
  trie.apply(new Map(paths.map((path) => [path, random.bytes(32)])));
  trie.trie.top();
  for (const path of paths.slice(0, 30)) {
    counter.count = 0;
    trie.apply(new Map([[path, random.bytes(32)]]));
    trie.trie.top();
    const bytes = fromHex(path);
    const { count } = counter;
    const { branches } = hashesAbove(trie.built().bucket(bytes[0]!), bytes);
    // The leaf itself, the branches, the bucket's leaf and the eight levels above it.
    expect(count).toBe(1 + branches + 1 + 8);
  }
});
