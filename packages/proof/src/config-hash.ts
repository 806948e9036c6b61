/** config_hash: what every header says of the vault's configuration (commitment.md, "State"). */
import { ByteWriter, type Hasher, LedgerError, limits } from "@authledger/types";
import { Tag } from "./tags.js";

/** H(0x19 || u32 n || record hashes) over list(0x04, "ledger") in path order. */
export function configHash(hasher: Hasher, recordHashes: readonly Uint8Array[]): Uint8Array {
  const { length } = recordHashes;
  if (length > limits.CONFIG_RECORDS_MAX) {
    const message = `${length} configuration records; the limit is ${limits.CONFIG_RECORDS_MAX}`;
    throw new LedgerError("LIMIT_EXCEEDED", message);
  }
  const out = new ByteWriter(5 + 32 * length).u8(Tag.configHash).u32(length);
  for (const recordHash of recordHashes) out.bytes(recordHash);
  return hasher.sha256(out.view());
}
