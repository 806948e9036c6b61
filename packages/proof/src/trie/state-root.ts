/** vault_ref, which binds origin and salt, and the state root (commitment.md, "State"). */
import { ByteWriter, type Hasher } from "@authledger/types";
import { Tag } from "../tags.js";

export const SALT_BYTES = 32;

/** H(0x17 || lp16(origin) || H(0x1a || salt)): a wrong salt or origin fails every proof. */
export function vaultRef(hasher: Hasher, origin: string, salt: Uint8Array): Uint8Array {
  const commitment = hasher.sha256(new ByteWriter(64).u8(Tag.saltCommitment).bytes(salt).view());
  return hasher.sha256(new ByteWriter(320).u8(Tag.vaultRef).lp16(origin).bytes(commitment).view());
}

/** H(0x15 || vault_ref || u64 total || top). */
export function stateRoot(
  hasher: Hasher,
  reference: Uint8Array,
  total: number | bigint,
  top: Uint8Array,
): Uint8Array {
  const input = new ByteWriter(80).u8(Tag.stateRoot).bytes(reference).u64(total).bytes(top);
  return hasher.sha256(input.view());
}
