/** The state root, the leaf count and the config hash of a vault, computed from bucket rows and leaves. */
import {
  BUCKETS,
  BucketTree,
  configHash,
  decodeHeader,
  Kind,
  PARTITION_BITS,
  PathHasher,
  RecordHasher,
  stateRoot,
  vaultRef,
} from "@authledger/proof";
import { equalBytes, HASH_BYTES, type Hasher } from "@authledger/types";
import { bucketKey, readU32, type Tables, u32Key } from "../tables.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "../trie/leaf-row.js";
import type { VaultRow } from "../vault-rows.js";
import type { Finding } from "./difference.js";
import { rowsUnder, type ScrubView } from "./scrub-view.js";

/** Compares with the newest header. Bucket rows must be written (`VaultTrie.writeAll`) at the view's moment. */
export function scrubRoot(
  vault: VaultRow,
  tables: Tables,
  hasher: Hasher,
  view: ScrubView,
): Finding | undefined {
  const bytes = view(tables.tip).get(u32Key(vault.id));
  if (bytes === undefined) return { area: "header", what: "the vault has no newest header" };
  const header = decodeHeader(bytes.slice());
  const { height } = header;
  const tree = new BucketTree(hasher);
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const row = view(tables.bucket).get(bucketKey(vault.id, bucket));
    if (row === undefined) continue;
    total += readU32(row);
    tree.set(bucket, readU32(row), row.slice(4, 4 + HASH_BYTES));
  }
  if (total !== header.leafCount) {
    const what = `the bucket rows count ${total} leaves, the newest header ${header.leafCount}`;
    return { area: "state_root", height, what };
  }
  const ref = vaultRef(hasher, vault.origin, vault.salt);
  if (!equalBytes(stateRoot(hasher, ref, total, tree.top()), header.stateRoot)) {
    return {
      area: "state_root",
      height,
      what: "the buckets make another state root than the newest header's",
    };
  }
  if (equalBytes(ownConfigHash(vault, tables, hasher, view), header.configHash)) return undefined;
  return {
    area: "config",
    height,
    what: "the ledger's records make another config hash than the newest header's",
  };
}

function ownConfigHash(
  vault: VaultRow,
  tables: Tables,
  hasher: Hasher,
  view: ScrubView,
): Uint8Array {
  const prefix = leafKeyBuffer(vault.id);
  prefix.set(new PathHasher(hasher, vault.salt).listPrefix(Kind.ledgerRecord, "ledger"), PATH_AT);
  const records = new RecordHasher(hasher, vault.salt);
  const hashes: Uint8Array[] = [];
  for (const { value } of rowsUnder(
    view(tables.leaf),
    prefix.slice(0, PATH_AT + PARTITION_BITS / 8),
  )) {
    hashes.push(records.hash(recordOfRow(value)));
  }
  return configHash(hasher, hashes);
}
