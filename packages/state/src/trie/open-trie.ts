/** What all tries of a group share, made from its tables. */
import type { Hasher } from "@authledger/types";
import type { Tables } from "../tables.js";
import { BranchCache, type BranchCacheOptions } from "./branch-cache.js";
import { LeafRange } from "./leaf-range.js";
import { NodePool } from "./node-pool.js";
import { TrieUpdater } from "./trie-updater.js";
import type { TrieDeps } from "./vault-trie.js";

export function openTrie(tables: Tables, hasher: Hasher, options: BranchCacheOptions): TrieDeps {
  const cache = new BranchCache(tables.branch, new NodePool(hasher), options);
  const leaves = new LeafRange(tables.leaf);
  return {
    leafTable: tables.leaf,
    bucketTable: tables.bucket,
    bucketHistTable: tables.bucketHist,
    cache,
    updater: new TrieUpdater(cache, leaves, hasher),
    leaves,
    hasher,
  };
}
