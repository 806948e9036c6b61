/**
 * Remembers transactions by (vault, client id, idempotency key), so that a client that repeats a request gets
 * the first answer (L-133). It is replicated state: it survives restarts and failover, and what it holds
 * depends on the entries alone.
 *
 *   INV-IDEM-1  A key is remembered for 24 hours of block time, unless its vault remembers 100,000 newer ones.
 *   INV-IDEM-2  Row and age row exist together.
 */
import type { Table } from "@authledger/store";
import { ByteReader, ByteWriter, equalBytes } from "@authledger/types";
import { type RememberedTransaction, statusesFromBytes, statusesToBytes } from "./outcome.js";
import { readU32, readU48, u32Key, writeU32, writeU48 } from "./tables.js";

export const IDEMPOTENCY_TTL_MS: number = 24 * 60 * 60 * 1000;
export const IDEMPOTENCY_KEYS_MAX = 100_000;
/** Rows removed for each one added: more than one, so that a full or aged table shrinks. */
const EVICTIONS_PER_INSERT = 2;

export type IdempotencyLookup =
  | { readonly kind: "unknown" }
  | { readonly kind: "same"; readonly remembered: RememberedTransaction }
  /** The key was used with another payload. */
  | { readonly kind: "reused" };

export class Idempotency {
  readonly #rows: Table;
  readonly #ages: Table;
  /** Rows of each vault, counted when first asked. */
  readonly #counts = new Map<number, number>();
  /** The key of a row that was looked for last and is not there: nothing of it has to be forgotten. */
  #absent: Uint8Array | undefined;

  constructor(rows: Table, ages: Table) {
    this.#rows = rows;
    this.#ages = ages;
  }

  lookup(
    vault: number,
    clientId: string,
    key: string,
    payloadHash: Uint8Array,
    nowMs: number,
  ): IdempotencyLookup {
    const id = rowKey(vault, clientId, key);
    const row = this.#rows.get(id);
    if (row === undefined) {
      this.#absent = id;
      return { kind: "unknown" };
    }
    const input = new ByteReader(row, "idempotency row");
    const hash = input.bytes(32, "payload hash");
    const timeMs = input.safeU64("time");
    if (timeMs + IDEMPOTENCY_TTL_MS <= nowMs) return { kind: "unknown" };
    if (!equalBytes(hash, payloadHash)) return { kind: "reused" };
    return { kind: "same", remembered: readRemembered(input) };
  }

  remember(
    vault: number,
    clientId: string,
    key: string,
    payloadHash: Uint8Array,
    nowMs: number,
    transaction: RememberedTransaction,
  ): void {
    const id = rowKey(vault, clientId, key);
    // The first count reads the table: before anything changes in it.
    this.#count(vault);
    if (this.#absent === undefined || !equalBytes(this.#absent, id)) this.#forget(vault, id);
    this.#absent = undefined;
    const row = rowWriter.clear().bytes(payloadHash).u64(nowMs);
    row.bytes(transaction.transactionId).u64(transaction.sequence).u64(transaction.height);
    row.u32(transaction.index).bytes(statusesToBytes(transaction.statuses));
    this.#rows.put(id, row.view());
    this.#ages.put(ageKey(vault, nowMs, transaction.height, transaction.index), id);
    this.#counts.set(vault, this.#count(vault) + 1);
    this.#evict(vault, nowMs);
  }

  /** Forgets how many rows a vault has: they are removed elsewhere, with the vault. */
  forgetCount(vault: number): void {
    this.#counts.delete(vault);
  }

  /** Removes the oldest rows that are too old or too many, a bounded number of them. */
  #evict(vault: number, nowMs: number): void {
    for (let i = 0; i < EVICTIONS_PER_INSERT; i++) {
      const cursor = this.#ages.cursor();
      if (!cursor.seek(u32Key(vault)) || readU32(cursor.key) !== vault) return;
      const aged = readU48(cursor.key, 4) + IDEMPOTENCY_TTL_MS <= nowMs;
      if (!aged && this.#count(vault) <= IDEMPOTENCY_KEYS_MAX) return;
      const age = cursor.key.slice();
      this.#rows.delete(cursor.value.slice());
      this.#ages.delete(age);
      this.#counts.set(vault, this.#count(vault) - 1);
    }
  }

  /** Removes an expired row whose key is used again, with its age row. */
  #forget(vault: number, id: Uint8Array): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    const input = new ByteReader(row, "idempotency row");
    input.bytes(32, "payload hash");
    const timeMs = input.safeU64("time");
    const { height, index } = readRemembered(input);
    this.#rows.delete(id);
    this.#ages.delete(ageKey(vault, timeMs, height, index));
    this.#counts.set(vault, this.#count(vault) - 1);
  }

  #count(vault: number): number {
    const known = this.#counts.get(vault);
    if (known !== undefined) return known;
    let count = 0;
    const cursor = this.#ages.cursor();
    let more = cursor.seek(u32Key(vault));
    while (more && readU32(cursor.key) === vault) {
      count++;
      more = cursor.next();
    }
    this.#counts.set(vault, count);
    return count;
  }
}

const rowWriter = new ByteWriter(128);
const rowKeyWriter = new ByteWriter(300);

function rowKey(vault: number, clientId: string, key: string): Uint8Array {
  rowKeyWriter.clear();
  return rowKeyWriter.u32(vault).lp16(clientId).utf8(key).finish();
}

/** `u32 vault || u48 time || u48 height || u32 index`: oldest first, no two alike. */
function ageKey(vault: number, timeMs: number, height: number, index: number): Uint8Array {
  const key = new Uint8Array(20);
  writeU32(key, 0, vault);
  writeU48(key, 4, timeMs);
  writeU48(key, 10, height);
  writeU32(key, 16, index);
  return key;
}

function readRemembered(input: ByteReader): RememberedTransaction {
  return {
    transactionId: input.bytes(16, "transaction id").slice(),
    sequence: input.safeU64("sequence"),
    height: input.safeU64("height"),
    index: input.u32("index"),
    statuses: statusesFromBytes(input.bytes(input.remaining, "statuses")),
  };
}
