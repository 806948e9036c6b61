/** Rows of the tables in words, for people who look at a page (`authledger debug page`). Never throws. */
import { decodeHeader, decodeRecord, decodeTransaction, PATH_BYTES } from "@authledger/proof";
import { decodeUtf8, HASH_BYTES, toHex } from "@authledger/types";
import { unpack } from "msgpackr";
import { decodeClientRow } from "./client-row.js";
import { readU32, readU48 } from "./tables.js";
import { decodeTransactionRow } from "./transaction-row.js";
import { bitOfKey } from "./trie/branch-row.js";
import { recordOfRow } from "./trie/leaf-row.js";
import { decodeVaultUsage, type VaultUsage } from "./usage.js";

/** A time in milliseconds since 1970 as people read it. */
export type TimeText = (ms: number) => string;

/** What a row of a table says, in one line; its bytes as hex digits where the table is not known. */
export function describeRow(
  table: string,
  key: Uint8Array,
  value: Uint8Array,
  time: TimeText,
): string {
  try {
    return DESCRIPTIONS[table]?.(key, value, time) ?? `${value.length} bytes ${hexOf(value)}`;
  } catch {
    return `not a row of ${table}: ${value.length} bytes ${hexOf(value)}`;
  }
}

/** What a key of a table names, in one line. The keys of branches are shorter than those of rows, and stay hex digits. */
export function describeKey(table: string, key: Uint8Array): string {
  try {
    return keyText(table, key);
  } catch {
    return toHex(key);
  }
}

function keyText(table: string, key: Uint8Array): string {
  const vault = key.length >= 4 ? `vault ${readU32(key)} ` : "";
  switch (table) {
    case "meta":
      return textOf(key);
    case "organization":
      return `organization ${readU32(key)}`;
    case "leaf":
    case "value":
      return `${vault}bucket ${key[4]} path ${toHex(key.subarray(4, 4 + PATH_BYTES))}`;
    case "branch":
      return `${vault}bucket ${key[4]} bit ${bitOfKey(key)} prefix ${toHex(key.subarray(4, 12))}`;
    case "bucket":
      return `${vault}bucket ${key[4]}`;
    case "header":
      return `${vault}height ${readU48(key, 4)}`;
    case "transaction":
      return `${vault}height ${readU48(key, 4)} number ${readU32(key, 10)}`;
    case "history":
      return `${vault}level ${key[4]} node ${readU48(key, 5)}`;
    case "client":
    case "entity":
      return `${vault}${textOf(key.subarray(4))}`;
    case "policy":
      return `${vault}epoch ${readU32(key, 4)}`;
    case "organization_slug":
      return `organization ${u64Of(key, 0)}`;
    case "vault_slug":
      return `organization ${readU32(key)} vault ${u64Of(key, 4)}`;
    case "leaf_hist":
    case "value_hist":
      return `${vault}before height ${heightOf(key)} path ${toHex(key.subarray(4, 4 + PATH_BYTES))}`;
    case "bucket_hist":
      return `${vault}before height ${heightOf(key)} bucket ${key[4]}`;
    case "expiry":
      return `vault ${readU32(key, 6)} path ${toHex(key.subarray(10))}`;
    case "idempotency_age":
      return `${vault}height ${readU48(key, 10)} number ${readU32(key, 16)}`;
    case "organization_usage":
      return `organization ${readU32(key)}`;
    case "vault":
    case "vault_usage":
    case "tip":
      return vault.trim();
    default:
      return toHex(key);
  }
}

const DESCRIPTIONS: Readonly<
  Record<string, (key: Uint8Array, value: Uint8Array, time: TimeText) => string>
> = {
  meta: (key, value) =>
    textOf(key) === "configuration" ? hexOf(value) : JSON.stringify(unpack(value)),
  organization: (_, value) => packedText(value),
  vault: (_, value) => packedText(value),
  organization_slug: (_, value) => `organization ${readU32(value)}`,
  vault_slug: (_, value) => `vault ${readU32(value)}`,
  tip: (_, value, time) => headerText(value, time),
  header: (_, value, time) => headerText(value, time),
  leaf: (_, value, time) =>
    `${recordText(recordOfRow(value), time)}, hash ${hexOf(value.subarray(0, HASH_BYTES))}`,
  leaf_hist: (_, value, time) => `was ${recordText(value, time)}`,
  value: (_, value) => `${value.length - 16} bytes "${textOf(value.subarray(16, 48))}"`,
  branch: (_, value) =>
    `${readU32(value, 2 * HASH_BYTES)} + ${readU32(value, 2 * HASH_BYTES + 4)} leaves, changed at height ${readU48(value, 2 * HASH_BYTES + 8)}`,
  bucket: (_, value) => `${readU32(value)} leaves, root ${hexOf(value.subarray(4))}`,
  bucket_hist: (_, value) => `was ${readU32(value)} leaves, root ${hexOf(value.subarray(4))}`,
  transaction: (_, value) => {
    const { canonical, statuses } = decodeTransactionRow(value);
    const { actor, clientId, sequence, ops } = decodeTransaction(canonical.slice());
    const by = clientId === "" ? actor : `${actor}, client ${clientId} ${sequence}`;
    return `${ops.length} operations by ${by}: ${ops
      .slice(0, 3)
      .map(({ op }) => op)
      .join(
        ", ",
      )}${ops.length > 3 ? ", ..." : ""} (${new Set(statuses).size === 1 ? statuses[0] : "mixed"})`;
  },
  history: (_, value) => `hash ${toHex(value)}`,
  client: (_, value) => {
    const { sequence, height } = decodeClientRow(value);
    return `sequence ${sequence} at height ${height}`;
  },
  idempotency_age: (key, _value, time) => `remembered at ${time(readU48(key, 4))}`,
  expiry: (key, _value, time) => `expires ${time(readU48(key, 0))}`,
  entity: () => "an entity",
  vault_usage: (_, value) => usageText(decodeVaultUsage(value)),
  organization_usage: (_, value) =>
    `${u64Of(value, 0)} vaults, ${usageText(decodeVaultUsage(value.subarray(8)))}`,
  policy: (_, value) =>
    value[0] === 1 ? `changed, the bundle is missing` : `bundle of ${value.length - 1} bytes`,
};

function usageText({ entities, tuples, liveBytes, historyBytes }: VaultUsage): string {
  return `${entities} entities, ${tuples} tuples, ${liveBytes} bytes, ${historyBytes} of history`;
}

function headerText(bytes: Uint8Array, time: TimeText): string {
  const { height, timestampMs, transactionCount, leafCount, stateRoot } = decodeHeader(
    bytes.slice(),
  );
  const at = time(timestampMs);
  return `block ${height} of ${at}, ${transactionCount} transactions, ${leafCount} leaves, state root ${toHex(stateRoot)}`;
}

function recordText(bytes: Uint8Array, time: TimeText): string {
  const { key, version, expiresAtMs, value } = decodeRecord(bytes.slice());
  const { kind, partition, group, item } = key;
  const names = [partition, group, item].filter((part) => part !== "").join(" ");
  const expiry = expiresAtMs === 0n ? "" : `, expires ${time(Number(expiresAtMs))}`;
  const kinds = ["", "tuple", "tuple by subject", "entity", "ledger record", "vault head"];
  const size = value === undefined ? "" : `, value of ${value.length} bytes`;
  return `${kinds[kind]} ${kind === 3 ? partition + item : names}, version ${version}${expiry}${size}`;
}

function packedText(value: Uint8Array): string {
  const row = unpack(value) as Record<string, unknown>;
  // The salt lets guesses be tested against hashes that proofs show.
  const { salt: _, ...shown } = row;
  return JSON.stringify(shown, (_key, field: unknown) =>
    typeof field === "bigint" ? String(field) : field,
  );
}

function u64Of(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at);
}

/** Heights of history rows are inverted and at the end of their keys. */
function heightOf(key: Uint8Array): bigint {
  return 2n ** 64n - 1n - u64Of(key, key.length - 8);
}

function textOf(bytes: Uint8Array): string {
  return decodeUtf8(bytes.slice()) ?? toHex(bytes);
}

function hexOf(bytes: Uint8Array): string {
  return bytes.length <= 32 ? toHex(bytes) : `${toHex(bytes.subarray(0, 32))}...`;
}
