/**
 * All proofs of a toy trie: 64 paths that differ in 6 bits only, an exhaustive walk over every pruned trie of
 * every set of leaves. Under one root no path has two answers, whichever of the proof strings is read
 * (INV-PROVEN-1), and what is pruned is never "absent".
 *
 * The 6 bits lie at bits 8 to 13, behind the bucket byte, where real tries branch; records are found by their
 * paths through a table, since nobody can find keys with chosen paths under SHA-256.
 */
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { nobleHasher, PATH_BYTES, TrieHasher } from "../../src/index.js";
import { bitAt, firstDifferentBit } from "../../src/trie/path.js";

interface Leaf {
  readonly value: number;
  readonly path: Uint8Array;
  readonly hash: Uint8Array;
}

type Node =
  | { kind: "leaf"; leaf: Leaf; hash: Uint8Array }
  | { kind: "branch"; bit: number; path: Uint8Array; left: Node; right: Node; hash: Uint8Array }
  | { kind: "pruned"; hash: Uint8Array };

const FIRST_BIT = 8;
const trie = new TrieHasher(nobleHasher);

function leafOf(value: number): Leaf {
  const path = new Uint8Array(PATH_BYTES);
  path[1] = value << 2;
  return { value, path, hash: trie.leaf(path, new Uint8Array(32).fill(value)) };
}

function build(leaves: readonly Leaf[]): Node {
  const [first] = leaves;
  if (leaves.length === 1) return { kind: "leaf", leaf: first!, hash: first!.hash };
  const bit = firstDifferentBit(first!.path, leaves.at(-1)!.path);
  const left = build(leaves.filter((leaf) => bitAt(leaf.path, bit) === 0));
  const right = build(leaves.filter((leaf) => bitAt(leaf.path, bit) === 1));
  const hash = trie.branch(bit, first!.path, left.hash, right.hash);
  return { kind: "branch", bit, path: first!.path, left, right, hash };
}

/** All pruned forms of a node: each part is shown or replaced by its hash. */
function prunings(node: Node): Node[] {
  const pruned: Node = { kind: "pruned", hash: node.hash };
  if (node.kind !== "branch") return [node, pruned];
  const forms: Node[] = [pruned];
  for (const left of prunings(node.left)) {
    for (const right of prunings(node.right)) forms.push({ ...node, left, right });
  }
  return forms;
}

/** The verifier's rule of `get`, on a path. */
function answer(node: Node, path: Uint8Array): "present" | "absent" | "insufficient" {
  if (node.kind === "pruned") return "insufficient";
  if (node.kind === "leaf") {
    return firstDifferentBit(node.leaf.path, path) === PATH_BYTES * 8 ? "present" : "absent";
  }
  if (firstDifferentBit(node.path, path) < node.bit) return "absent";
  return answer(bitAt(path, node.bit) === 0 ? node.left : node.right, path);
}

/** The root as a verifier recomputes it. */
function rootOf(node: Node): Uint8Array {
  if (node.kind !== "branch") return node.hash;
  return trie.branch(node.bit, node.path, rootOf(node.left), rootOf(node.right));
}

function checkAll(values: readonly number[], paths: readonly Leaf[]): number {
  const set = new Set(values);
  const whole = build(values.map((value) => paths[value]!));
  const forms = prunings(whole);
  for (const form of forms) {
    expect(rootOf(form)).toEqual(whole.hash);
    for (const { value, path } of paths) {
      const got = answer(form, path);
      if (got === "insufficient") continue;
      expect(got).toBe(set.has(value) ? "present" : "absent");
    }
  }
  return forms.length;
}

describe("all proofs of a toy trie of 6 bits", () => {
  const paths = Array.from({ length: 64 }, (_, value) => leafOf(value));

  test("paths differ in bits 8 to 13 only", () => {
    for (const { path } of paths.slice(1)) {
      expect(firstDifferentBit(path, paths[0]!.path)).toBeGreaterThanOrEqual(FIRST_BIT);
    }
  });

  test("every pair of leaves, every pruning: right or insufficient", () => {
    let forms = 0;
    for (let a = 0; a < 64; a++) {
      for (let b = a + 1; b < 64; b++) forms += checkAll([a, b], paths);
    }
    expect(forms).toBeGreaterThan(2_016 * 4);
  });

  test("random sets of up to six leaves, every pruning: right or insufficient", () => {
    const random = testRandom("toy trie");
    for (let i = 0; i < testRounds(60); i++) {
      const size = 3 + random.int(4);
      const values = [...new Set(Array.from({ length: size }, () => random.int(64)))];
      checkAll(
        values.sort((x, y) => x - y),
        paths,
      );
    }
  });

  test("two different sets of leaves never have one root", () => {
    const roots = new Set<string>();
    for (let a = 0; a < 64; a++) {
      roots.add(build([paths[a]!]).hash.join());
      for (let b = a + 1; b < 64; b++) roots.add(build([paths[a]!, paths[b]!]).hash.join());
    }
    expect(roots.size).toBe(64 + 2_016);
  });
});
