/**
 * Records: what a leaf commits to (commitment.md, "State").
 *
 *     record = K || u64 version || u64 expires_at_ms || u8 has_value || [u32 value_len || value digest]
 *     value digest = H(0x18 || nonce16 || value)        record hash = H(0x16 || salt || record)
 *
 * u64 fields are bigints here: a verifier must accept any of them.
 */
import {
  ByteReader,
  ByteWriter,
  decodeUtf8,
  HASH_BYTES,
  type Hasher,
  LedgerError,
  limits,
} from "@authledger/types";
import { type RejectReason, reject } from "../rejection.js";
import { Tag } from "../tags.js";
import { type Kind, keyFormProblem, type LedgerKey, writeKey } from "./key.js";

export const NONCE_BYTES = 16;

/** What a record says of its value: enough to check it, not to guess it. */
export interface ValueCommitment {
  readonly length: number;
  readonly digest: Uint8Array;
}

/** What is stored under a key. */
export interface StoredRecord {
  /** Height of the block that last changed it. */
  readonly version: bigint;
  /** Milliseconds since 1970; 0 = never. */
  readonly expiresAtMs: bigint;
  readonly value: ValueCommitment | undefined;
}

export interface LedgerRecord extends StoredRecord {
  readonly key: LedgerKey;
}

export function writeRecord(out: ByteWriter, key: LedgerKey, record: StoredRecord): void {
  writeKey(out, key);
  out.u64(record.version).u64(record.expiresAtMs);
  if (record.value === undefined) out.u8(0);
  else out.u8(1).u32(record.value.length).bytes(record.value.digest);
}

/** @throws LedgerError RECORD_TOO_LARGE over 70,000 bytes */
export function encodeRecord(key: LedgerKey, record: StoredRecord): Uint8Array {
  const out = new ByteWriter(160);
  writeRecord(out, key, record);
  checkRecordBytes(out.length);
  return out.finish();
}

/** @throws LedgerError RECORD_TOO_LARGE over 70,000 bytes */
export function checkRecordBytes(bytes: number): void {
  if (bytes <= limits.RECORD_BYTES_MAX) return;
  const message = `the record is ${bytes} bytes; the limit is ${limits.RECORD_BYTES_MAX}`;
  throw new LedgerError("RECORD_TOO_LARGE", message, {
    details: { limit: limits.RECORD_BYTES_MAX, actual: bytes },
  });
}

/**
 * Reads a record that nobody vouches for.
 * @throws LedgerError PROOF_INVALID with the reason
 */
export function decodeRecord(bytes: Uint8Array): LedgerRecord {
  if (bytes.length > limits.RECORD_BYTES_MAX) {
    throw reject("len", `a record of ${bytes.length} bytes`);
  }
  const input = new RecordReader(bytes);
  const kind = input.u8();
  const key: LedgerKey = {
    kind: kind as Kind,
    partition: input.text("partition"),
    group: input.text("group"),
    item: input.text("item"),
  };
  const version = input.u64();
  const expiresAtMs = input.u64();
  const value = input.value();
  if (input.remaining > 0) throw reject("left-over", "bytes are left over behind a record");
  const problem = keyFormProblem(key) ?? recordFormProblem(key, expiresAtMs, value !== undefined);
  if (problem !== undefined) throw reject(problem, `a record's key of kind ${kind} is not allowed`);
  return { key, version, expiresAtMs, value };
}

function recordFormProblem(
  key: LedgerKey,
  expiresAtMs: bigint,
  hasValue: boolean,
): RejectReason | undefined {
  if (key.kind !== 4 && key.kind !== 5) return undefined;
  if (hasValue && expiresAtMs === 0n) return undefined;
  return key.kind === 4 ? "kind4" : "kind5";
}

/** The value commitment of bytes that travel as nonce and value. */
export function commitToValue(
  hasher: Hasher,
  nonce: Uint8Array,
  value: Uint8Array,
): ValueCommitment {
  const input = new Uint8Array(1 + NONCE_BYTES + value.length);
  input[0] = Tag.valueDigest;
  input.set(nonce, 1);
  input.set(value, 1 + NONCE_BYTES);
  return { length: value.length, digest: hasher.sha256(input) };
}

/** Hashes records of one vault without allocating. */
export class RecordHasher {
  readonly #hasher: Hasher;
  readonly #salt: Uint8Array;
  readonly #input = new ByteWriter(512);

  constructor(hasher: Hasher, salt: Uint8Array) {
    this.#hasher = hasher;
    this.#salt = salt;
  }

  hashInto(record: Uint8Array, out: Uint8Array, offset: number): void {
    this.#input.clear();
    this.#input.u8(Tag.record).bytes(this.#salt).bytes(record);
    this.#hasher.sha256Into(this.#input.view(), out, offset);
  }

  hash(record: Uint8Array): Uint8Array {
    const out = new Uint8Array(HASH_BYTES);
    this.hashInto(record, out, 0);
    return out;
  }
}

/** ByteReader with the reasons of proofs. */
class RecordReader {
  readonly #input: ByteReader;

  constructor(bytes: Uint8Array) {
    this.#input = new ByteReader(bytes, "record");
  }

  get remaining(): number {
    return this.#input.remaining;
  }

  u8(): number {
    this.#need(1);
    return this.#input.u8("kind");
  }

  u64(): bigint {
    this.#need(8);
    return this.#input.u64("number");
  }

  text(what: string): string {
    this.#need(2);
    const length = this.#input.u16(what);
    this.#need(length);
    const text = decodeUtf8(this.#input.bytes(length, what));
    if (text === undefined) throw reject("utf8", `a record's ${what} is not well-formed UTF-8`);
    return text;
  }

  value(): ValueCommitment | undefined {
    const flag = this.u8();
    if (flag === 0) return undefined;
    if (flag !== 1) throw reject("has-value", `has_value is ${flag}`);
    this.#need(4 + HASH_BYTES);
    return {
      length: this.#input.u32("value_len"),
      digest: this.#input.bytes(HASH_BYTES, "digest"),
    };
  }

  #need(bytes: number): void {
    if (this.#input.remaining < bytes) throw reject("record-short", "a record ends early");
  }
}
