/**
 * The trie of Ethereum as @ethereumjs/mpt keeps it, over a Map in memory: the same number of leaves, with keys and
 * values as long as ours. It hashes with keccak256 in JavaScript unless it is given SHA-256 of node:crypto, so that
 * hashing is no cheaper for us than for it.
 */
import { createHash } from "node:crypto";
import { randomNumbers, tuple } from "../lib/tuples.mjs";
import { MerklePatriciaTrie } from "../peers/node_modules/@ethereumjs/mpt/dist/esm/index.js";
import { randomBlocks } from "./blocks.mjs";

/** Keys and records as long as ours. */
const RECORD_BYTES = 56;

/**
 * @param {number} leaves
 * @param {"keccak256" | "sha256"} hash
 */
export async function create(leaves, hash) {
  let hashes = 0;
  const sha256 = (/** @type {Uint8Array} */ data) => {
    hashes++;
    return createHash("sha256").update(data).digest();
  };
  /** @type {any} */
  const trie = new MerklePatriciaTrie({
    useKeyHashing: true,
    ...(hash === "sha256" && { useKeyHashingFunction: sha256 }),
  });
  /** @param {readonly number[]} numbers @param {number} version */
  const apply = async (numbers, version) => {
    for (const number of numbers) await trie.put(keyOf(number), recordOf(number, version));
    return trie.root();
  };
  return {
    build: async () => {
      for (let i = 0; i < leaves; i++) await apply([i], 0);
      return { operations: leaves };
    },
    prepare_update: (/** @type {any} */ options) => randomBlocks(leaves, options),
    update: async (/** @type {number[][]} */ blocks) => {
      hashes = 0;
      let operations = 0;
      for (const block of blocks) {
        await apply(block, 1);
        operations += block.length;
      }
      return { operations, extra: { hashes: hash === "sha256" ? hashes / operations : undefined } };
    },
    verify: async () => {
      const random = randomNumbers(leaves);
      for (let i = 0; i < 100; i++) {
        const found = await trie.get(keyOf(random(leaves)));
        if (found?.length !== RECORD_BYTES) throw new Error("a leaf is gone");
      }
      return {};
    },
    close: () => undefined,
  };
}

/** @param {number} number */
function keyOf(number) {
  const { resource, relation, subject } = tuple(number);
  return Buffer.from(`${resource}#${relation}@${subject}`);
}

/** @param {number} number @param {number} version */
function recordOf(number, version) {
  const record = Buffer.alloc(RECORD_BYTES);
  keyOf(number).copy(record);
  record.writeUInt32BE(version + 1, RECORD_BYTES - 4);
  return record;
}
