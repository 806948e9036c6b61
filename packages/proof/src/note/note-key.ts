/**
 * Keys of signed notes: verifier keys as text, key ids, and how a vault's log key follows from the log seed
 * (commitment.md, "Checkpoint").
 */
import {
  ByteWriter,
  concatBytes,
  type Hasher,
  LedgerError,
  measurePrintable,
  toHex,
  utf8,
} from "@authledger/types";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { fromBase64, toBase64 } from "../base64.js";
import { reject } from "../rejection.js";

/** What a key signs with, as its first byte. */
export const SignatureType = { log: 0x01, cosignature: 0x04 } as const;
export type SignatureType = (typeof SignatureType)[keyof typeof SignatureType];

export interface NoteKey {
  readonly name: string;
  readonly type: SignatureType;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 4 bytes. */
  readonly id: Uint8Array;
}

const PUBLIC_KEY_BYTES = 32;

/** Can a key of a note be called so? Not empty, printable, without "+", which parts the fields of a verifier key. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && !name.includes("+") && measurePrintable(name).ok;
}

/**
 * keyid = SHA-256(name || 0x0A || type || public key)[0, 4).
 * @throws LedgerError INVALID_ARGUMENT for a name that no note can carry, or a key that is not 32 bytes
 */
export function noteKey(
  hasher: Hasher,
  name: string,
  type: SignatureType,
  publicKey: Uint8Array,
): NoteKey {
  if (!isKeyName(name) || publicKey.length !== PUBLIC_KEY_BYTES) {
    const message = `"${name.slice(0, 80)}" with ${publicKey.length} bytes is not a key of notes`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "name" } });
  }
  const input = concatBytes(utf8(name), Uint8Array.of(0x0a, type), publicKey);
  return { name, type, publicKey, id: hasher.sha256(input).slice(0, 4) };
}

/** `<name>+<8 hex digits>+<base64(type || public key)>`. */
export function formatVerifierKey(key: NoteKey): string {
  const bytes = concatBytes(Uint8Array.of(key.type), key.publicKey);
  return `${key.name}+${toHex(key.id)}+${toBase64(bytes)}`;
}

/** @throws LedgerError PROOF_INVALID when the text is not a verifier key, or its key id is another's */
export function parseVerifierKey(hasher: Hasher, text: string): NoteKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text);
  const bytes = match && fromBase64(match[3]!);
  const type = bytes?.[0];
  const isName = match !== null && isKeyName(match[1]!);
  if (!isName || bytes?.length !== 33 || (type !== 0x01 && type !== 0x04)) {
    throw reject("key", `"${text.slice(0, 200)}" is not a verifier key`);
  }
  const key = noteKey(hasher, match[1]!, type, bytes.slice(1));
  if (toHex(key.id) !== match[2]) throw reject("key", `the key id of ${match[1]} is wrong`);
  return key;
}

/** Seed of a vault's log key: HKDF-SHA256(log seed, no salt, "ledger log key v1" || lp16(origin) || u32 epoch). */
export function deriveLogSeed(logSeed: Uint8Array, origin: string, epoch: number): Uint8Array {
  const info = new ByteWriter(64).utf8("ledger log key v1").lp16(origin).u32(epoch).finish();
  return hkdf(sha256, logSeed, undefined, info, 32);
}
