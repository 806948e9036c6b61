/**
 * How much vaults and organizations hold: counted when a block is applied, so that asking costs one row.
 *
 *     vault_usage         u32 vault          u64 entities || u64 tuples || u64 records || u64 live bytes || u64 history bytes
 *     organization_usage  u32 organization   u64 vaults, then as above: the sums over its vaults
 *
 *   INV-USAGE-1  A vault's row says what counting its rows would say: entities + 2 x tuples + records is the leaf count
 *                of its newest header.
 *   INV-USAGE-2  An organization's row is the sum over its vaults that are neither being deleted nor deleted.
 *
 * Bytes are those of keys and values of rows: live ones in `leaf` and `value`, history in `leaf_hist`, `value_hist` and
 * `transaction`. Not counted are rows whose number follows from others (branches, buckets, headers, indexes), the unused
 * part of pages, and the log.
 *
 * State of a version that did not count has no rows: each is counted once, before the first change of its vault.
 */
import { decodeRecord, Kind } from "@authledger/proof";
import type { Table, TableView } from "@authledger/store";
import { ByteReader, ByteWriter } from "@authledger/types";
import { readU32, type Tables, u32Key } from "./tables.js";
import { recordOfRow } from "./trie/leaf-row.js";
import { isGone, type VaultRows } from "./vault-rows.js";

/** What a vault holds. */
export interface VaultUsage {
  readonly entities: number;
  /** Each once, although it is stored in two directions. */
  readonly tuples: number;
  /** The ledger's own: configuration, policy, models. */
  readonly records: number;
  readonly liveBytes: number;
  /** What blocks replaced or removed, and their transactions, as far as retention keeps them. */
  readonly historyBytes: number;
}

/** What the vaults of an organization hold together. */
export interface OrganizationUsage extends VaultUsage {
  /** Those that are not deleted. */
  readonly vaults: number;
}

/** How a block changes what its vault holds. */
export type UsageChange = { -readonly [K in keyof VaultUsage]: number };

/** The tables that are counted, as they are now or at the moment of a view. */
export type UsageView = (table: Table) => Pick<TableView, "cursor">;

const NOTHING: VaultUsage = { entities: 0, tuples: 0, records: 0, liveBytes: 0, historyBytes: 0 };

export class UsageRows {
  readonly #tables: Tables;
  readonly #rows: VaultRows;

  constructor(tables: Tables, rows: VaultRows) {
    this.#tables = tables;
    this.#rows = rows;
  }

  /** What a vault holds; nothing of one that is gone. Counts only where no block has come since it was not counted. */
  vault(id: number): VaultUsage {
    const row = this.#rows.vault(id);
    return row === undefined || isGone(row) ? NOTHING : this.#counted(id);
  }

  /** What an organization's vaults hold. */
  organization(id: number): OrganizationUsage {
    const row = this.#tables.organizationUsage.get(u32Key(id));
    if (row === undefined) return this.#sum(id);
    const reader = new ByteReader(row, "usage of an organization");
    return { vaults: reader.safeU64("vaults"), ...readUsage(reader) };
  }

  /** Makes sure that there are rows to change: what is not counted is counted now. */
  begin(vault: number, organization: number): void {
    const { vaultUsage, organizationUsage } = this.#tables;
    if (!organizationUsage.has(u32Key(organization))) {
      this.#putOrganization(organization, this.#sum(organization));
    }
    if (!vaultUsage.has(u32Key(vault))) this.#putVault(vault, countVault(this.#tables, vault));
  }

  /** A block or a step of retention has changed a vault, behind `begin`. */
  change(vault: number, organization: number, change: UsageChange): void {
    this.#putVault(vault, plus(this.#counted(vault), change));
    const { vaults, ...usage } = this.organization(organization);
    this.#putOrganization(organization, { vaults, ...plus(usage, change) });
  }

  /** A vault is about to be created: its row is written behind this. */
  opening(organization: number): void {
    const usage = this.organization(organization);
    this.#putOrganization(organization, { ...usage, vaults: usage.vaults + 1 });
  }

  /** A vault is about to be deleted: its status is written behind this. Its own row goes with its other rows. */
  closing(vault: number, organization: number): void {
    this.begin(vault, organization);
    const { vaults, ...usage } = this.organization(organization);
    const left = plus(usage, negative(this.#counted(vault)));
    this.#putOrganization(organization, { vaults: vaults - 1, ...left });
  }

  /** Counts everything: behind a restore, which writes rows without counting them. */
  countAll(): void {
    for (let id = 0; id < this.#rows.vaultCount; id++) {
      const row = this.#rows.vault(id)!;
      if (!isGone(row)) this.#putVault(id, countVault(this.#tables, id));
    }
    for (let id = 0; id < this.#rows.organizationCount; id++) {
      this.#putOrganization(id, this.#sum(id));
    }
  }

  #counted(vault: number): VaultUsage {
    const row = this.#tables.vaultUsage.get(u32Key(vault));
    return row === undefined ? countVault(this.#tables, vault) : decodeVaultUsage(row);
  }

  #sum(organization: number): OrganizationUsage {
    let vaults = 0;
    let usage = NOTHING;
    for (const id of this.#rows.vaultIdsOf(organization)) {
      if (isGone(this.#rows.vault(id)!)) continue;
      vaults++;
      usage = plus(usage, this.#counted(id));
    }
    return { vaults, ...usage };
  }

  #putVault(vault: number, usage: VaultUsage): void {
    this.#tables.vaultUsage.put(u32Key(vault), writeUsage(out.clear(), usage).view());
  }

  #putOrganization(organization: number, { vaults, ...usage }: OrganizationUsage): void {
    const row = writeUsage(out.clear().u64(vaults), usage).view();
    this.#tables.organizationUsage.put(u32Key(organization), row);
  }
}

const out = new ByteWriter(64);

/** A change that changes nothing, to be added to. */
export function noChange(): UsageChange {
  return { ...NOTHING };
}

/** Is one thing of a kind more or less. */
export function countKind(change: UsageChange, kind: number, by: 1 | -1): void {
  if (kind === Kind.entity) change.entities += by;
  else if (kind === Kind.tupleByResource) change.tuples += by;
  else if (kind !== Kind.tupleBySubject) change.records += by;
}

/** @throws LedgerError CODEC_DECODE */
export function decodeVaultUsage(row: Uint8Array): VaultUsage {
  return readUsage(new ByteReader(row, "usage of a vault"));
}

/** Leaves that a vault with this usage has. */
export function leavesOf({ entities, tuples, records }: VaultUsage): number {
  return entities + 2 * tuples + records;
}

function countVault(tables: Tables, vault: number): VaultUsage {
  const counting = countVaultRows(tables, vault, (table) => table);
  for (;;) {
    const step = counting.next();
    if (step.done) return step.value;
  }
}

/** Counts the rows of a vault. Yields after every row. */
export function* countVaultRows(
  tables: Tables,
  vault: number,
  view: UsageView,
): Generator<void, VaultUsage> {
  const usage = noChange();
  const { leaf, value, leafHist, valueHist, transaction } = tables;
  for (const table of [leaf, value, leafHist, valueHist, transaction]) {
    const cursor = view(table).cursor();
    for (let ok = cursor.seek(u32Key(vault)); ok; ok = cursor.next()) {
      const { key } = cursor;
      if (readU32(key) !== vault) break;
      const isLive = table === leaf || table === value;
      usage[isLive ? "liveBytes" : "historyBytes"] += key.length + cursor.valueLength;
      if (table === leaf) {
        countKind(usage, decodeRecord(recordOfRow(cursor.value).slice()).key.kind, 1);
      }
      yield;
    }
  }
  return usage;
}

function writeUsage(to: ByteWriter, usage: VaultUsage): ByteWriter {
  to.u64(usage.entities).u64(usage.tuples).u64(usage.records);
  return to.u64(usage.liveBytes).u64(usage.historyBytes);
}

function readUsage(reader: ByteReader): VaultUsage {
  const entities = reader.safeU64("entities");
  const tuples = reader.safeU64("tuples");
  const records = reader.safeU64("records");
  const liveBytes = reader.safeU64("live bytes");
  const historyBytes = reader.safeU64("history bytes");
  reader.end();
  return { entities, tuples, records, liveBytes, historyBytes };
}

function plus(a: VaultUsage, b: VaultUsage): VaultUsage {
  return {
    entities: a.entities + b.entities,
    tuples: a.tuples + b.tuples,
    records: a.records + b.records,
    liveBytes: a.liveBytes + b.liveBytes,
    historyBytes: a.historyBytes + b.historyBytes,
  };
}

function negative(usage: VaultUsage): VaultUsage {
  return plus(NOTHING, {
    entities: -usage.entities,
    tuples: -usage.tuples,
    records: -usage.records,
    liveBytes: -usage.liveBytes,
    historyBytes: -usage.historyBytes,
  });
}
