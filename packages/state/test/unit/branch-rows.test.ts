/** Rows of branches and the pool that holds branches in memory. */
import { copyPrefix, PATH_BYTES, type TrieNode } from "@authledger/proof";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import {
  BRANCH_VALUE_BYTES,
  bitOfKey,
  branchKey,
  branchValue,
  prefixOfKey,
  readBranchValue,
  vaultOfKey,
} from "../../src/trie/branch-row.js";
import { NO_NODE, NodePool } from "../../src/trie/node-pool.js";
import { SMALL_LEAVES_MAX } from "../../src/trie/trie-updater.js";
import { hasher } from "../state-support.js";
import { TestTrie, VAULT } from "../trie-support.js";

type Random = ReturnType<typeof testRandom>;

function prefix(path: Uint8Array, bits: number): Uint8Array {
  const out = new Uint8Array(PATH_BYTES);
  copyPrefix(path, bits, out);
  return out;
}

describe("a branch row", () => {
  test.each([
    [8, "short"],
    [64, "short"],
    [65, "long"],
    [383, "long"],
  ])("at bit %i has a %s key that says what it is of", (bit, form) => {
    const path = prefix(new Uint8Array(PATH_BYTES).fill(0xff), bit);
    const key = branchKey(0xfedc_ba98, path, 0, bit).slice();
    const hex = toHex(path);
    const end = bit.toString(16).padStart(4, "0");
    const short = `fedcba98${hex.slice(0, 16)}00${end}`;
    const long = `fedcba98${hex.slice(0, 16)}01${hex.slice(16)}${end}`;
    expect(toHex(key)).toBe(form === "short" ? short : long);
    const read = new Uint8Array(PATH_BYTES);
    prefixOfKey(key, read);
    expect([vaultOfKey(key), bitOfKey(key), toHex(read)]).toEqual([0xfedc_ba98, bit, hex]);
  });

  test("has the sides' hashes and counts, and the height, at their places", () => {
    const pool = new NodePool(hasher);
    const node = pool.allocate(1, 9, new Uint8Array(PATH_BYTES), 0);
    pool.setSide(node, 0, 0x01020304, new Uint8Array(32).fill(0xaa), NO_NODE);
    pool.setSide(node, 1, 0xfffffffe, new Uint8Array(32).fill(0xbb), NO_NODE);
    pool.setHeight(node, 0x0102_0304_0506);
    const row = branchValue(pool, node).slice();
    expect(row).toHaveLength(BRANCH_VALUE_BYTES);
    const hashes = `${"aa".repeat(32)}${"bb".repeat(32)}`;
    expect(toHex(row)).toBe(`${hashes}01020304fffffffe010203040506`);
    const again = pool.allocate(1, 9, new Uint8Array(PATH_BYTES), 0);
    readBranchValue(row, pool, again, NO_NODE);
    expect(toHex(branchValue(pool, again))).toBe(toHex(row));
    expect(pool.count(again)).toBe(0x01020304 + 0xfffffffe);
  });

  test("comes in the order of a walk, and first behind the prefix of any subtree that it tops (INV-BRANCH-1)", async () => {
    const random = testRandom("branch rows");
    const trie = await TestTrie.open(random, hasher);
    trie.apply(new Map(clusteredPaths(random).map((path) => [toHex(path), random.bytes(32)])));
    trie.writeAll();
    const walked: string[] = [];
    const built = trie.built();
    const cursor = trie.tables.branch.cursor();
    for (let bucket = 0; bucket < 256; bucket++) {
      walk(built.bucket(bucket), 8, (path, from, bit) => {
        const own = branchKey(VAULT, prefix(path, bit), 0, bit).slice();
        walked.push(toHex(own));
        for (let bits = from; bits <= bit; bits++) {
          expect(cursor.seek(branchKey(VAULT, prefix(path, bits), 0, bits))).toBe(true);
          expect(toHex(cursor.key)).toBe(toHex(own));
        }
      });
    }
    const rows: string[] = [];
    for (let ok = cursor.first(); ok; ok = cursor.next()) rows.push(toHex(cursor.key));
    expect(rows).toEqual(walked);
    expect(rows.filter((row) => row.length === 110).length).toBeGreaterThan(20);
    expect(rows.filter((row) => row.length === 30).length).toBeGreaterThan(20);
  });
});

/** Paths of two buckets that part at bits from 8 to 383. */
function clusteredPaths(random: Random): Uint8Array[] {
  const paths: Uint8Array[] = [];
  for (let i = 0; i < 600; i++) {
    const path = random.bytes(PATH_BYTES);
    path[0]! &= 1;
    const base = paths.length > 0 && random.chance(0.8) ? random.pick(paths.slice(0, 8)) : path;
    const bits = random.pick([8 + random.int(60), 56 + random.int(20), 8 + random.int(376)]);
    path.set(base.subarray(0, bits >> 3));
    paths.push(path);
  }
  return paths;
}

/** Stored branches, parents first: their path, the first bit that is theirs, and their own bit. */
function walk(
  node: TrieNode,
  from: number,
  visit: (path: Uint8Array, from: number, bit: number) => void,
): void {
  if (node.kind !== "branch" || leaves(node) <= SMALL_LEAVES_MAX) return;
  visit(firstLeaf(node), from, node.bit);
  walk(node.left(), node.bit + 1, visit);
  walk(node.right(), node.bit + 1, visit);
}

function leaves(node: TrieNode): number {
  if (node.kind !== "branch") return node.kind === "leaf" ? 1 : 0;
  return leaves(node.left()) + leaves(node.right());
}

function firstLeaf(node: TrieNode): Uint8Array {
  if (node.kind === "branch") return firstLeaf(node.left());
  if (node.kind === "leaf") return node.path;
  throw new Error("a branch has no empty side");
}

describe("the pool of branches", () => {
  test("keeps bit, prefix and vault of a node whatever changes beside them (INV-POOL-1)", () => {
    const random = testRandom("pool");
    const pool = new NodePool(hasher);
    const nodes = Array.from({ length: 3_000 }, (_, i) => {
      const path = random.bytes(PATH_BYTES);
      const bit = random.between(8, 384);
      return {
        node: pool.allocate(i, bit, path, 0),
        vault: i,
        bit,
        path: toHex(prefix(path, bit)),
      };
    });
    for (const { node } of nodes) {
      pool.setSide(node, random.int(2), random.u32(), random.bytes(32), random.int(9));
      pool.setHeight(node, random.int(2 ** 48));
      pool.markDirty(node);
      if (random.chance(0.5)) pool.markStored(node);
    }
    for (const { node, vault, bit, path } of nodes) {
      expect([pool.vault(node), pool.bit(node), toHex(pool.prefix(node))]).toEqual([
        vault,
        bit,
        path,
      ]);
    }
  });

  test("hands a freed node out once, clean and without sides, and frees none twice (INV-POOL-2)", () => {
    const pool = new NodePool(hasher);
    const path = new Uint8Array(PATH_BYTES);
    const nodes = Array.from({ length: 100 }, () => pool.allocate(1, 8, path, 0));
    expect(new Set(nodes).size).toBe(100);
    for (const node of nodes) {
      pool.setSide(node, 0, 5, new Uint8Array(32), 3);
      pool.markDirty(node);
    }
    for (const node of nodes.slice(0, 40)) pool.release(node);
    expect([pool.live, pool.dirty, pool.isFree(nodes[0]!)]).toEqual([60, 60, true]);
    expect(() => pool.release(nodes[0]!)).toThrow("INV-POOL-2");
    const again = Array.from({ length: 50 }, () => pool.allocate(2, 9, path, 0));
    const inUse = [...nodes.slice(40), ...again];
    expect(new Set(inUse).size).toBe(inUse.length);
    expect([pool.end, pool.live, pool.dirty]).toEqual([110, 110, 60]);
    for (const node of again) {
      expect([pool.isFree(node), pool.isDirty(node), pool.isStored(node)]).toEqual([
        false,
        false,
        false,
      ]);
      expect([pool.child(node, 0), pool.child(node, 1)]).toEqual([NO_NODE, NO_NODE]);
    }
  });
});
