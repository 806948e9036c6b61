/**
 * Organizations and vaults as rows: what the system vault's entities say, under internal ids. Ids are dense,
 * in the order of creation, and never used again.
 *
 * The entities are the truth, and committed: `org:<slug>` and `vault:<organization slug>:<vault slug>`, JSON
 * values (docs/format/entry.md). The rows follow from them when a block is applied.
 */
import type { Cursor } from "@authledger/store";
import { compareBytes } from "@authledger/types";
import { pack, unpack } from "msgpackr";
import { readU32, type Tables, u32Key, u64Key, vaultSlugKey } from "./tables.js";

export type OrganizationStatus = "active" | "migrating" | "suspended" | "deleting" | "deleted";
export type VaultStatus = "active" | "read_only" | "deleting" | "deleted";

export interface OrganizationRow {
  readonly id: number;
  readonly slug: bigint;
  readonly name: string;
  readonly status: OrganizationStatus;
  readonly createdAtMs: number;
}

export interface VaultRow {
  readonly id: number;
  /** Internal id of the organization. */
  readonly organization: number;
  readonly organizationSlug: bigint;
  readonly slug: bigint;
  readonly name: string;
  readonly status: VaultStatus;
  readonly createdAtMs: number;
  readonly origin: string;
  readonly salt: Uint8Array;
  /** Of a deleted vault: the newest block that it had. */
  readonly lastHeight?: number;
  /** The newest blocks that are kept whole; 0 = all. */
  readonly retentionBlocks: number;
}

/** Is everything of the vault or organization gone, or about to go? */
export function isGone({ status }: { readonly status: string }): boolean {
  return status === "deleting" || status === "deleted";
}

/** Rows of one page that are looked at: deleted ones are passed over. */
const PAGE_SCAN_MAX = 10_000;

/** Organizations kept decoded; some 200 bytes each. */
const DECODED_MAX = 1_024;

/** A page of rows and where the next one begins. */
export interface RowPage<T> {
  readonly rows: readonly T[];
  readonly next: bigint | undefined;
}

export class VaultRows {
  readonly #tables: Tables;
  /** How many are deleted. */
  #counted: { vaults: number; organizations: number } | undefined;
  /** Organizations as they were decoded: each write asks for the status of its own. */
  readonly #decoded = new Map<number, OrganizationRow>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get organizationCount(): number {
    return this.#tables.organization.count;
  }

  get vaultCount(): number {
    return this.#tables.vault.count;
  }

  /** Those that are not deleted, the system's own among them. */
  get liveOrganizations(): number {
    return this.organizationCount - this.#gone().organizations;
  }

  /** Those that are not deleted, the system's own among them. */
  get liveVaults(): number {
    return this.vaultCount - this.#gone().vaults;
  }

  /** Counted when first asked, and from then on kept. */
  #gone(): { vaults: number; organizations: number } {
    if (this.#counted !== undefined) return this.#counted;
    const counted = { vaults: 0, organizations: 0 };
    for (let id = 0; id < this.vaultCount; id++) if (isGone(this.vault(id)!)) counted.vaults++;
    for (let id = 0; id < this.organizationCount; id++) {
      if (isGone(this.organization(id)!)) counted.organizations++;
    }
    this.#counted = counted;
    return counted;
  }

  /** Adds or replaces; the id stays. */
  putOrganization(row: Omit<OrganizationRow, "id">): OrganizationRow {
    const known = this.organizationBySlug(row.slug);
    if (this.#counted !== undefined && isGone(row) && !(known && isGone(known))) {
      this.#counted.organizations++;
    }
    const id = known?.id ?? this.organizationCount;
    this.#decoded.delete(id);
    this.#tables.organization.put(u32Key(id), pack({ ...row, slug: String(row.slug) }));
    this.#tables.organizationSlug.put(u64Key(row.slug), u32Key(id));
    return { id, ...row };
  }

  organization(id: number): OrganizationRow | undefined {
    const known = this.#decoded.get(id);
    if (known !== undefined) return known;
    const bytes = this.#tables.organization.get(u32Key(id));
    if (bytes === undefined) return undefined;
    const row = unpack(bytes) as Omit<OrganizationRow, "id" | "slug"> & { slug: string };
    const organization = { ...row, id, slug: BigInt(row.slug) };
    if (this.#decoded.size >= DECODED_MAX) this.#decoded.clear();
    this.#decoded.set(id, organization);
    return organization;
  }

  organizationBySlug(slug: bigint): OrganizationRow | undefined {
    const id = this.#tables.organizationSlug.get(u64Key(slug));
    return id === undefined ? undefined : this.organization(readU32(id));
  }

  /** Organizations that are not deleted in the order of their slugs, from `from` on; `_system` is not among them. */
  organizations(from: bigint, limit: number): RowPage<OrganizationRow> {
    const cursor = this.#tables.organizationSlug.cursor();
    const start = from > 0n ? from : 1n;
    const ids = idsFrom(cursor, u64Key(start), EVERYTHING);
    return pageOf(ids, limit, (id) => this.organization(id)!);
  }

  addVault(row: Omit<VaultRow, "id" | "organizationSlug">): VaultRow {
    const id = this.vaultCount;
    this.#tables.vault.put(u32Key(id), pack({ ...row, slug: String(row.slug) }));
    this.#tables.vaultSlug.put(vaultSlugKey(row.organization, row.slug), u32Key(id));
    return this.vault(id)!;
  }

  /** Takes over what may change in a vault. */
  updateVault(
    id: number,
    change: Pick<VaultRow, "name" | "status" | "retentionBlocks">,
  ): VaultRow | undefined {
    const known = this.vault(id);
    if (known === undefined) return undefined;
    const { id: _, organizationSlug, ...row } = { ...known, ...change };
    this.#tables.vault.put(u32Key(id), pack({ ...row, slug: String(row.slug) }));
    return { ...known, ...change };
  }

  vault(id: number): VaultRow | undefined {
    const bytes = this.#tables.vault.get(u32Key(id));
    if (bytes === undefined) return undefined;
    const row = unpack(bytes) as Omit<VaultRow, "id" | "slug"> & { slug: string };
    const organizationSlug = this.organization(row.organization)!.slug;
    const salt = new Uint8Array(row.salt);
    return { ...row, id, slug: BigInt(row.slug), salt, organizationSlug };
  }

  vaultBySlug(organization: number, slug: bigint): VaultRow | undefined {
    const id = this.#tables.vaultSlug.get(vaultSlugKey(organization, slug));
    return id === undefined ? undefined : this.vault(readU32(id));
  }

  /** Vaults of an organization that are not deleted in the order of their slugs, from `from` on. */
  vaults(organization: number, from: bigint, limit: number): RowPage<VaultRow> {
    const ids = this.#vaultIds(organization, from);
    return pageOf(ids, limit, (id) => this.vault(id)!);
  }

  /** Ids of an organization's vaults, deleted ones too. */
  vaultIdsOf(organization: number): number[] {
    return [...this.#vaultIds(organization, 0n)];
  }

  /** How many vaults of an organization there are, and how many of them are still being deleted. */
  vaultsLeft(organization: number): { readonly active: number; readonly deleting: number } {
    let active = 0;
    let deleting = 0;
    for (const id of this.vaultIdsOf(organization)) {
      const row = this.vault(id)!;
      if (row.status === "deleting") deleting++;
      else if (!isGone(row)) active++;
    }
    return { active, deleting };
  }

  /** Vaults that are being deleted. Reads all rows. */
  deletingVaults(): VaultRow[] {
    const rows: VaultRow[] = [];
    for (let id = 0; id < this.vaultCount; id++) {
      const row = this.vault(id)!;
      if (row.status === "deleting") rows.push(row);
    }
    return rows;
  }

  /** Organizations that are being deleted. Reads all rows. */
  deletingOrganizations(): OrganizationRow[] {
    const rows: OrganizationRow[] = [];
    for (let id = 0; id < this.organizationCount; id++) {
      const row = this.organization(id)!;
      if (row.status === "deleting") rows.push(row);
    }
    return rows;
  }

  /** Changes the status of a vault; `lastHeight` is kept once it is given. */
  setVaultStatus(id: number, status: VaultStatus, lastHeight: number): void {
    if (this.#counted !== undefined && isGone({ status }) && !isGone(this.vault(id)!)) {
      this.#counted.vaults++;
    }
    const stored = unpack(this.#tables.vault.get(u32Key(id))!) as object;
    this.#tables.vault.put(u32Key(id), pack({ ...stored, status, lastHeight }));
  }

  *#vaultIds(organization: number, from: bigint): Generator<number> {
    const cursor = this.#tables.vaultSlug.cursor();
    yield* idsFrom(cursor, vaultSlugKey(organization, from), u32Key(organization));
  }
}

const EVERYTHING = new Uint8Array(0);

/** Ids in rows of a table of slugs from a key on, as far as its keys begin with `prefix`. */
function* idsFrom(cursor: Cursor, from: Uint8Array, prefix: Uint8Array): Generator<number> {
  for (let ok = cursor.seek(from); ok; ok = cursor.next()) {
    if (compareBytes(cursor.key.subarray(0, prefix.length), prefix) !== 0) return;
    yield readU32(cursor.value);
  }
}

/** Rows that are not deleted, at most `limit`, and where the next page begins. */
function pageOf<T extends { readonly slug: bigint; readonly status: string }>(
  ids: Iterable<number>,
  limit: number,
  rowOf: (id: number) => T,
): RowPage<T> {
  const rows: T[] = [];
  let looked = 0;
  for (const id of ids) {
    const row = rowOf(id);
    if (rows.length >= limit || looked++ >= PAGE_SCAN_MAX) return { rows, next: row.slug };
    if (!isGone(row)) rows.push(row);
  }
  return { rows, next: undefined };
}
