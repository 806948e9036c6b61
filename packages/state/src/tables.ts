/**
 * Every table of a group's page store. Ids are fixed for ever; keys are big-endian, so that they sort as
 * numbers do. Each vault's rows begin with its internal id, which never leaves the server and never enters a
 * hash.
 *
 * | id | table | key | value |
 * |---|---|---|---|
 * | 1 | meta | "cluster"; "configuration" | msgpack; docs/format/cluster.md |
 * | 2 | organization | u32 id | msgpack |
 * | 3 | organization_slug | u64 slug | u32 id |
 * | 4 | vault | u32 id | msgpack |
 * | 5 | vault_slug | u32 organization, u64 slug | u32 id |
 * | 6 | tip | u32 vault | header of the newest block, 244 bytes |
 * | 7 | leaf | u32 vault, path48 | leaf-row.ts |
 * | 8 | value | u32 vault, path48 | nonce16, value |
 * | 9 | branch | branch-row.ts | branch-row.ts |
 * | 10 | bucket | u32 vault, u8 bucket | u32 leaves, root32 |
 * | 11 | header | u32 vault, u48 height | header, 244 bytes |
 * | 12 | transaction | u32 vault, u48 height, u32 index | transaction-row.ts |
 * | 13 | history | u32 vault, u8 level, u48 index | hash of a complete subtree of the history tree |
 * | 14 | client | u32 vault, client id | client-row.ts |
 * | 15 | idempotency | u32 vault, lp16 client id, key | idempotency.ts |
 * | 16 | idempotency_age | u32 vault, u48 time, u48 height, u32 index | key of the idempotency row |
 * | 17 | leaf_hist | past/history-rows.ts | the record before the block |
 * | 18 | bucket_hist | past/history-rows.ts | u32 leaves, root32 |
 * | 19 | expiry | u48 expires_at, u32 vault, path48 | none |
 * | 20 | entity | u32 vault, key | none |
 * | 25 | value_hist | past/history-rows.ts | nonce16, value |
 * | 32 | policy | u32 vault, u32 epoch | policy-rows.ts |
 * | 38 | vault_usage | u32 vault | usage.ts |
 * | 39 | organization_usage | u32 organization | usage.ts |
 */
import type { PageStore, Table } from "@authledger/store";

export interface Tables {
  readonly meta: Table;
  readonly organization: Table;
  readonly organizationSlug: Table;
  readonly vault: Table;
  readonly vaultSlug: Table;
  readonly tip: Table;
  readonly leaf: Table;
  readonly value: Table;
  readonly branch: Table;
  readonly bucket: Table;
  readonly header: Table;
  readonly transaction: Table;
  readonly history: Table;
  readonly client: Table;
  readonly idempotency: Table;
  readonly idempotencyAge: Table;
  readonly leafHist: Table;
  readonly bucketHist: Table;
  readonly expiry: Table;
  readonly entity: Table;
  readonly valueHist: Table;
  readonly policy: Table;
  readonly vaultUsage: Table;
  readonly organizationUsage: Table;
}

/** Opens or creates all tables. */
export function openTables(store: PageStore): Tables {
  return {
    meta: store.table(1, "meta"),
    organization: store.table(2, "organization"),
    organizationSlug: store.table(3, "organization_slug"),
    vault: store.table(4, "vault"),
    vaultSlug: store.table(5, "vault_slug"),
    tip: store.table(6, "tip"),
    leaf: store.table(7, "leaf"),
    value: store.table(8, "value"),
    branch: store.table(9, "branch"),
    bucket: store.table(10, "bucket"),
    header: store.table(11, "header"),
    transaction: store.table(12, "transaction"),
    history: store.table(13, "history"),
    client: store.table(14, "client"),
    idempotency: store.table(15, "idempotency"),
    idempotencyAge: store.table(16, "idempotency_age"),
    leafHist: store.table(17, "leaf_hist"),
    bucketHist: store.table(18, "bucket_hist"),
    expiry: store.table(19, "expiry"),
    entity: store.table(20, "entity"),
    valueHist: store.table(25, "value_hist"),
    policy: store.table(32, "policy"),
    vaultUsage: store.table(38, "vault_usage"),
    organizationUsage: store.table(39, "organization_usage"),
  };
}

/** `u32 vault || u48 height`. */
export function heightKey(vault: number, height: number): Uint8Array {
  const key = new Uint8Array(10);
  writeU32(key, 0, vault);
  writeU48(key, 4, height);
  return key;
}

/** `u32 vault || u48 height || u32 index`. */
export function transactionKey(vault: number, height: number, index: number): Uint8Array {
  const key = new Uint8Array(14);
  writeU32(key, 0, vault);
  writeU48(key, 4, height);
  writeU32(key, 10, index);
  return key;
}

/** `u32 vault || u8 level || u48 index`. */
export function historyKey(vault: number, level: number, index: number): Uint8Array {
  const key = new Uint8Array(11);
  writeU32(key, 0, vault);
  key[4] = level;
  writeU48(key, 5, index);
  return key;
}

/** `u32 vault || u8 bucket`. */
export function bucketKey(vault: number, bucket: number): Uint8Array {
  const key = new Uint8Array(5);
  writeU32(key, 0, vault);
  key[4] = bucket;
  return key;
}

export function u32Key(id: number): Uint8Array {
  const key = new Uint8Array(4);
  writeU32(key, 0, id);
  return key;
}

export function u64Key(slug: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, slug);
  return key;
}

/** `u32 organization || u64 slug`. */
export function vaultSlugKey(organization: number, slug: bigint): Uint8Array {
  const key = new Uint8Array(12);
  writeU32(key, 0, organization);
  new DataView(key.buffer).setBigUint64(4, slug);
  return key;
}

export function readU32(bytes: Uint8Array, at = 0): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}

export function readU48(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x100_0000_0000 + bytes[at + 1]! * 0x1_0000_0000 + readU32(bytes, at + 2);
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  writeU32(bytes, at + 2, value >>> 0);
}
