/**
 * What the table of idempotency keeps of values that are erased: a remembered request has a hash of what the client sent,
 * values included, and no salt, since a repeated request has to come to the same hash. Whoever reads the row could test
 * guesses against it. So it goes with the value: a hash of zeros is that of no request.
 *
 *   INV-ERASE-5  Of a request that set, replaced or deleted a value, no hash is kept once the value is erased. It stays
 *                remembered, so that it is not applied a second time: repeating it is IDEMPOTENCY_KEY_REUSED.
 */
import {
  type CanonicalOp,
  decodeHeader,
  decodeTransaction,
  entityKey,
  equalKeys,
  type LedgerKey,
  tupleKey,
} from "@authledger/proof";
import { HASH_BYTES } from "@authledger/types";
import type { OpenVault } from "./open-vault.js";
import { readU32, type Tables, transactionKey, writeU32, writeU48 } from "./tables.js";
import { canonicalOfRow } from "./transaction-row.js";

type PayloadTables = Pick<Tables, "idempotency" | "idempotencyAge" | "transaction">;
type Vault = Pick<OpenVault, "id" | "header">;

/** `u32 vault || u48 time || u48 height` of a row by age; the index in the block follows. */
const BLOCK_BYTES = 16;
const AGE_BYTES = 20;

export class RememberedPayloads {
  readonly #tables: PayloadTables;
  readonly #vault: Vault;
  readonly #seen = new Set<number>();
  /** Requests that were looked at. */
  looked = 0;

  constructor(tables: PayloadTables, vault: Vault) {
    this.#tables = tables;
    this.#vault = vault;
  }

  /** Forgets what was sent by the requests of a block that are about a key. */
  forget(height: number, key: LedgerKey): void {
    if (this.#seen.has(height)) return;
    this.#seen.add(height);
    for (const { row, index } of this.#remembered(height)) {
      this.looked++;
      if (!this.#isAbout(height, index, key)) continue;
      const stored = this.#tables.idempotency.get(row);
      if (stored === undefined) continue;
      const blank = stored.slice();
      blank.fill(0, 0, HASH_BYTES);
      this.#tables.idempotency.put(row, blank);
    }
  }

  /** Keys of the block's remembered requests, and where in the block they are. */
  #remembered(height: number): { readonly row: Uint8Array; readonly index: number }[] {
    const header = this.#vault.header(height);
    if (header === undefined) return [];
    const start = new Uint8Array(AGE_BYTES);
    writeU32(start, 0, this.#vault.id);
    writeU48(start, 4, decodeHeader(header).timestampMs);
    writeU48(start, 10, height);
    const found = [];
    const cursor = this.#tables.idempotencyAge.cursor();
    for (let ok = cursor.seek(start); ok && isOfBlock(cursor.key, start); ok = cursor.next()) {
      found.push({ row: cursor.value.slice(), index: readU32(cursor.key, BLOCK_BYTES) });
    }
    return found;
  }

  /** Of a block that retention has removed nobody knows what its requests were about. */
  #isAbout(height: number, index: number, key: LedgerKey): boolean {
    const row = this.#tables.transaction.get(transactionKey(this.#vault.id, height, index));
    if (row === undefined) return true;
    const { ops } = decodeTransaction(canonicalOfRow(row).slice());
    return ops.some((op) => {
      const own = keyOf(op);
      return own !== undefined && equalKeys(own, key);
    });
  }
}

function keyOf(op: CanonicalOp): LedgerKey | undefined {
  if ("tuple" in op) return tupleKey(op.tuple);
  return "key" in op ? entityKey(op.key) : undefined;
}

function isOfBlock(key: Uint8Array, start: Uint8Array): boolean {
  for (let i = 0; i < BLOCK_BYTES; i++) if (key[i] !== start[i]) return false;
  return true;
}
