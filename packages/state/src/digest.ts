/**
 * The group digest: a chain over everything that applying did, vault roots and what no vault root covers
 * (results, idempotency). Replicas compare it at equal index (storage.md, "Group digest").
 *
 *     digest(i) = SHA-256("LVD1" || digest(i-1) || u64 index || u64 term || block hashes || SHA-256(results))
 *
 * The block hashes are those of the entry's new blocks, in the order of the vaults' internal ids.
 */
import { ByteWriter, type Hasher } from "@authledger/types";

const digestWriter = new ByteWriter(256);

export function nextDigest(
  hasher: Hasher,
  previous: Uint8Array,
  index: number,
  term: number,
  blockHashes: readonly Uint8Array[],
  results: Uint8Array,
): Uint8Array {
  const resultsHash = hasher.sha256(results);
  const input = digestWriter.clear();
  input.utf8("LVD1").bytes(previous).u64(index).u64(term);
  for (const blockHash of blockHashes) input.bytes(blockHash);
  input.bytes(resultsHash);
  return hasher.sha256(input.view());
}
