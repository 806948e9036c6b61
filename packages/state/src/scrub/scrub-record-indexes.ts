/** Index rows of records, both ways: a record has the rows that it must have, and a row has its record. */
import {
  decodeRecord,
  entityKey,
  Kind,
  type LedgerKey,
  type LedgerRecord,
  PathHasher,
} from "@authledger/proof";
import { decodeUtf8, type Hasher, LedgerError, toHex } from "@authledger/types";
import { entityRowKey, expiryKey, isIndexed } from "../record-indexes.js";
import { readU32, readU48, type Tables, u32Key } from "../tables.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "../trie/leaf-row.js";
import type { VaultRow } from "../vault-rows.js";
import type { Finding, ScrubCounts } from "./difference.js";
import { rowsUnder, type ScrubView } from "./scrub-view.js";

const EXPIRY_VAULT_AT = 6;
const EXPIRY_PATH_AT = 10;

/** What a record's index rows lack (INV-INDEX-1, INV-INDEX-2). */
export function missingIndexRow(
  vault: number,
  path: Uint8Array,
  record: LedgerRecord,
  tables: Tables,
  view: ScrubView,
): string | undefined {
  const { kind, partition, item } = record.key;
  if (kind !== Kind.entity && kind !== Kind.tupleByResource) return undefined;
  const { expiresAtMs } = record;
  const expiry = view(tables.expiry);
  if (isIndexed(expiresAtMs) && !expiry.has(expiryKey(Number(expiresAtMs), vault, path))) {
    return "it has no row in the index of expiries";
  }
  if (kind !== Kind.entity) return undefined;
  const row = view(tables.entity).get(entityRowKey(vault, partition + item));
  if (row === undefined) return "it has no row in the index of entities";
  return row.length === 0 ? undefined : "the index of entities has it as removed";
}

/** Rows of the index of expiries have a record with that expiry. Yields after every row. */
export function* scrubExpiries(
  { tables, counts }: { readonly tables: Tables; readonly counts: ScrubCounts },
  view: ScrubView,
): Generator<void, Finding | undefined> {
  for (const { key } of rowsUnder(view(tables.expiry), new Uint8Array(0))) {
    counts.indexRows++;
    const vault = readU32(key, EXPIRY_VAULT_AT);
    const path = key.slice(EXPIRY_PATH_AT);
    const record = recordAt(vault, path, tables, view);
    if (record === undefined || record.expiresAtMs !== BigInt(readU48(key, 0))) {
      const bucket = path[0]!;
      const what = `the index of expiries has vault ${vault} at ${readU48(key, 0)}, no record has`;
      return { area: "index", bucket, path: toHex(path), what };
    }
    yield;
  }
  return undefined;
}

/** Rows of a vault's index of entities have an entity; those of entities that a kept block removed have none. */
export function* scrubEntities(
  vault: VaultRow,
  deps: { readonly tables: Tables; readonly counts: ScrubCounts; readonly hasher: Hasher },
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const { tables, counts, hasher } = deps;
  const paths = new PathHasher(hasher, vault.salt);
  for (const { key, value } of rowsUnder(view(tables.entity), u32Key(vault.id))) {
    counts.indexRows++;
    const isRemoved = value.length > 0;
    const name = decodeUtf8(key.slice(4));
    const entity: LedgerKey | undefined = name === undefined ? undefined : entityKey(name);
    const path = entity && paths.path(entity);
    const record = path && recordAt(vault.id, path, tables, view);
    if (path === undefined || (record === undefined) !== isRemoved) {
      const found = isRemoved ? "as removed, and there is a record" : "no record has";
      return { area: "index", what: `the index of entities has "${name ?? toHex(key)}", ${found}` };
    }
    yield;
  }
  return undefined;
}

function recordAt(
  vault: number,
  path: Uint8Array,
  tables: Tables,
  view: ScrubView,
): LedgerRecord | undefined {
  const key = leafKeyBuffer(vault);
  key.set(path, PATH_AT);
  const row = view(tables.leaf).get(key);
  if (row === undefined) return undefined;
  try {
    return decodeRecord(recordOfRow(row).slice());
  } catch (error) {
    if (LedgerError.from(error).code === "PROOF_INVALID") return undefined;
    throw error;
  }
}
