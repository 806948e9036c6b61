/**
 * All proofs of a toy trie, read by the real decoder: entities "0" to "63" whose paths differ in 6 bits only, and
 * every way to write the pruned trie of every pair of them, and of random sets. Under one root no key has two
 * answers, whichever string is read (INV-PROVEN-1), and what is pruned is never "absent" (INV-PROVEN-2).
 *
 * Keys with chosen paths cannot be found under SHA-256, so the hash of path segments alone is another, injective
 * one; every other input is hashed as ever.
 */
import { ByteWriter, type Hasher } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import {
  BuiltTrie,
  decodeStateProof,
  encodeRecord,
  encodeStateProof,
  entityKey,
  Kind,
  nobleHasher,
  PathHasher,
  type ProvenTrie,
  RecordHasher,
  TrieHasher,
} from "../../src/index.js";
import { bitAt, firstDifferentBit, prefixOf } from "../../src/trie/path.js";
import { NodeTag } from "../../src/trie/state-proof-encode.js";

const BITS = 6;
const VALUES = 2 ** BITS;
const SALT = new Uint8Array(32);
const VAULT_REF = new Uint8Array(32).fill(7);
/** Where tag, salt and n end in the input of a path segment. */
const SEGMENT_AT = 33;

/** The third segment begins with the entity's number in 6 bits; everything else of a path is zero. */
const toyHasher: Hasher = {
  sha256: (data) => {
    if (data[0] !== 0x10) return nobleHasher.sha256(data);
    const digest = new Uint8Array(32);
    if (data[SEGMENT_AT] === 3) digest[0] = numberAtEnd(data) << (8 - BITS);
    return digest;
  },
  sha256Into: (data, out, offset) => out.set(toyHasher.sha256(data), offset),
};

/** The item is the last string of the key: digits behind a length. */
function numberAtEnd(data: Uint8Array): number {
  const text = Buffer.from(data.subarray(-2)).toString("latin1");
  return Number(/[0-9]+$/.exec(text)?.[0]);
}

const context = { hasher: toyHasher, salt: SALT, vaultRef: VAULT_REF };
const paths = new PathHasher(toyHasher, SALT);
const trieHasher = new TrieHasher(toyHasher);
const recordHasher = new RecordHasher(toyHasher, SALT);

interface Leaf {
  readonly value: number;
  readonly path: Uint8Array;
  readonly record: Uint8Array;
  readonly recordHash: Uint8Array;
}

const LEAVES: readonly Leaf[] = Array.from({ length: VALUES }, (_, value) => {
  const key = entityKey(String(value));
  const record = encodeRecord(key, { version: 1n, expiresAtMs: 0n, value: undefined });
  return { value, path: paths.path(key), record, recordHash: recordHasher.hash(record) };
});

type Node =
  | { kind: "leaf"; leaf: Leaf; hash: Uint8Array }
  | { kind: "branch"; bit: number; path: Uint8Array; left: Node; right: Node; hash: Uint8Array };

function build(leaves: readonly Leaf[]): Node {
  const first = leaves[0]!;
  if (leaves.length === 1) {
    return { kind: "leaf", leaf: first, hash: trieHasher.leaf(first.path, first.recordHash) };
  }
  const bit = firstDifferentBit(first.path, leaves.at(-1)!.path);
  const left = build(leaves.filter((leaf) => bitAt(leaf.path, bit) === 0));
  const right = build(leaves.filter((leaf) => bitAt(leaf.path, bit) === 1));
  const hash = trieHasher.branch(bit, first.path, left.hash, right.hash);
  return { kind: "branch", bit, path: first.path, left, right, hash };
}

/** Every way to write a node so that its hash comes out. */
function writings(node: Node): Uint8Array[] {
  if (node.kind === "leaf") {
    const { path, record, recordHash } = node.leaf;
    return [
      new ByteWriter(64).u8(NodeTag.leaf).u32(record.length).bytes(record).finish(),
      new ByteWriter(81).u8(NodeTag.hashedLeaf).bytes(path).bytes(recordHash).finish(),
    ];
  }
  const { bit, path, left, right } = node;
  const prefix = prefixOf(path, bit).subarray(0, (bit + 7) >> 3);
  const tagged = (tag: number): ByteWriter => new ByteWriter(256).u8(tag).u16(bit);
  const lefts = writings(left);
  const rights = writings(right);
  return [
    tagged(NodeTag.stump).bytes(prefix).bytes(left.hash).bytes(right.hash).finish(),
    ...rights.map((shown) => tagged(NodeTag.rightOnly).bytes(left.hash).bytes(shown).finish()),
    ...lefts.map((shown) => tagged(NodeTag.leftOnly).bytes(right.hash).bytes(shown).finish()),
    ...lefts.flatMap((one) =>
      rights.map((other) => tagged(NodeTag.branch).bytes(one).bytes(other).finish()),
    ),
  ];
}

/** Proofs of one bucket, bucket 0, whose siblings are those of a trie that is empty elsewhere. */
function proofsOf(values: readonly number[]): { proofs: Uint8Array[]; root: Uint8Array } {
  const leaves = values.map((value) => LEAVES[value]!);
  const source = new BuiltTrie(toyHasher, leaves);
  const honest = encodeStateProof(source, paths, { gets: [entityKey("0")], lists: [] });
  const siblings = honest.subarray(honest.length - 8 * 32);
  const proofs = writings(build(leaves)).map((node) => {
    const out = new ByteWriter(512).utf8("LSP1").u64(values.length).u16(1).u8(0);
    return out.u64(values.length).bytes(node).bytes(siblings).finish();
  });
  return { proofs, root: decodeStateProof(honest, context).stateRoot };
}

/** How many of the answers were not "insufficient". */
function expectOneAnswer(trie: ProvenTrie, set: ReadonlySet<number>): number {
  let answers = 0;
  for (let value = 0; value < VALUES; value++) {
    const { kind } = trie.get(entityKey(String(value)));
    if (kind === "insufficient") continue;
    answers += 1;
    if ((kind === "present") !== set.has(value)) expect([value, kind]).toBe("the truth");
  }
  const list = trie.list({ kind: Kind.entity, partition: "" });
  if (list.kind === "complete") {
    const items = list.records.map(({ record }) => Number(record.key.item));
    expect(new Set(items)).toEqual(set);
  }
  return answers;
}

function checkAll(values: readonly number[]): number {
  const { proofs, root } = proofsOf(values);
  let answers = 0;
  for (const proof of proofs) {
    const trie = decodeStateProof(proof, context);
    expect(Buffer.from(trie.stateRoot).equals(root)).toBe(true);
    answers += expectOneAnswer(trie, new Set(values));
  }
  // The proof that shows everything answers everything, the one that prunes all but the prefix the least.
  expect(answers).toBeGreaterThanOrEqual(VALUES);
  return proofs.length;
}

describe("all proofs of a toy trie of 6 bits", () => {
  test("paths differ in 6 bits only", () => {
    const first = LEAVES[0]!.path;
    for (const { path } of LEAVES.slice(1)) {
      expect(firstDifferentBit(path, first)).toBeGreaterThanOrEqual(192);
      expect(firstDifferentBit(path, first)).toBeLessThan(192 + BITS);
    }
  });

  test("of one leaf and of every pair: each key has the right answer, or none", () => {
    for (let a = 0; a < VALUES; a++) checkAll([a]);
    let proofs = 0;
    for (let a = 0; a < VALUES; a++) {
      for (let b = a + 1; b < VALUES; b++) proofs += checkAll([a, b]);
    }
    expect(proofs).toBe(2_016 * 9);
  });

  test("of random sets of up to five leaves: each key has the right answer, or none", () => {
    const random = testRandom("toy trie");
    for (let i = 0; i < testRounds(20); i++) {
      const size = 3 + random.int(3);
      const values = [...new Set(Array.from({ length: size }, () => random.int(VALUES)))];
      if (values.length > 1) checkAll(values.sort((x, y) => x - y));
    }
  });

  test("two different sets of leaves never have one root", () => {
    const roots = new Set<string>();
    for (let a = 0; a < VALUES; a++) {
      roots.add(build([LEAVES[a]!]).hash.join());
      for (let b = a + 1; b < VALUES; b++) roots.add(build([LEAVES[a]!, LEAVES[b]!]).hash.join());
    }
    expect(roots.size).toBe(VALUES + 2_016);
  });
});
