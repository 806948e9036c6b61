/**
 * Organizations and vaults as rows: what the system vault's entities say, under internal ids. Ids are dense,
 * in the order of creation, and never used again.
 *
 * The entities are the truth, and committed: `org:<slug>` and `vault:<organization slug>:<vault slug>`, JSON
 * values (docs/format/entry.md). The rows follow from them when a block is applied.
 */
import { pack, unpack } from "msgpackr";
import { readU32, type Tables, u32Key, u64Key, vaultSlugKey } from "./tables.js";

export type OrganizationStatus = "active" | "migrating" | "suspended" | "deleting" | "deleted";
export type VaultStatus = "active" | "read_only" | "deleted";

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
}

/** A page of rows and where the next one begins. */
export interface RowPage<T> {
  readonly rows: readonly T[];
  readonly next: bigint | undefined;
}

export class VaultRows {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get organizationCount(): number {
    return this.#tables.organization.count;
  }

  get vaultCount(): number {
    return this.#tables.vault.count;
  }

  /** Adds or replaces; the id stays. */
  putOrganization(row: Omit<OrganizationRow, "id">): OrganizationRow {
    const known = this.organizationBySlug(row.slug);
    const id = known?.id ?? this.organizationCount;
    this.#tables.organization.put(u32Key(id), pack({ ...row, slug: String(row.slug) }));
    this.#tables.organizationSlug.put(u64Key(row.slug), u32Key(id));
    return { id, ...row };
  }

  organization(id: number): OrganizationRow | undefined {
    const bytes = this.#tables.organization.get(u32Key(id));
    if (bytes === undefined) return undefined;
    const row = unpack(bytes) as Omit<OrganizationRow, "id" | "slug"> & { slug: string };
    return { ...row, id, slug: BigInt(row.slug) };
  }

  organizationBySlug(slug: bigint): OrganizationRow | undefined {
    const id = this.#tables.organizationSlug.get(u64Key(slug));
    return id === undefined ? undefined : this.organization(readU32(id));
  }

  /** Organizations in the order of their slugs, from `from` on; `_system` is not among them. */
  organizations(from: bigint, limit: number): RowPage<OrganizationRow> {
    const rows: OrganizationRow[] = [];
    const cursor = this.#tables.organizationSlug.cursor();
    const ids: number[] = [];
    const start = from > 0n ? from : 1n;
    for (let ok = cursor.seek(u64Key(start)); ok && ids.length <= limit; ok = cursor.next()) {
      ids.push(readU32(cursor.value));
    }
    for (const id of ids) rows.push(this.organization(id)!);
    return { rows: rows.slice(0, limit), next: rows[limit]?.slug };
  }

  addVault(row: Omit<VaultRow, "id" | "organizationSlug">): VaultRow {
    const id = this.vaultCount;
    this.#tables.vault.put(u32Key(id), pack({ ...row, slug: String(row.slug) }));
    this.#tables.vaultSlug.put(vaultSlugKey(row.organization, row.slug), u32Key(id));
    return this.vault(id)!;
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

  /** Vaults of an organization in the order of their slugs, from `from` on. */
  vaults(organization: number, from: bigint, limit: number): RowPage<VaultRow> {
    const ids: number[] = [];
    const cursor = this.#tables.vaultSlug.cursor();
    let ok = cursor.seek(vaultSlugKey(organization, from));
    for (; ok && ids.length <= limit; ok = cursor.next()) {
      if (readU32(cursor.key) !== organization) break;
      ids.push(readU32(cursor.value));
    }
    const rows = ids.map((id) => this.vault(id)!);
    return { rows: rows.slice(0, limit), next: rows[limit]?.slug };
  }
}
