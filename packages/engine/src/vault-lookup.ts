/** Organizations and vaults by their slugs, and what is told of them outside. */
import {
  firstIndexOf,
  type GroupState,
  type OrganizationRow,
  type VaultRow,
} from "@authledger/state";
import { LedgerError } from "@authledger/types";
import type { EngineReply, EngineRequest, OrganizationInfo, VaultInfo } from "./port.js";

/** @throws LedgerError ORGANIZATION_NOT_FOUND */
export function findOrganization(state: GroupState, slug: bigint): OrganizationRow {
  const row = state.rows.organizationBySlug(slug);
  if (row !== undefined && slug !== 0n) return row;
  throw new LedgerError("ORGANIZATION_NOT_FOUND", `there is no organization ${slug}`, {
    details: { organization: String(slug) },
  });
}

/** @throws LedgerError VAULT_NOT_FOUND, ORGANIZATION_NOT_FOUND */
export function findVault(state: GroupState, organization: bigint, slug: bigint): VaultRow {
  const { id } = findOrganization(state, organization);
  const row = state.rows.vaultBySlug(id, slug);
  if (row !== undefined) return row;
  const message = `organization ${organization} has no vault ${slug}`;
  throw new LedgerError("VAULT_NOT_FOUND", message, {
    details: { organization: String(organization), vault: String(slug) },
  });
}

/** Every token of this incarnation has an index behind its first. @throws LedgerError TOKEN_BEFORE_RESTORE */
export function requireOwnToken(state: GroupState, { index }: { readonly index: number }): void {
  const { incarnation } = state;
  if (incarnation === 0 || index > firstIndexOf(incarnation)) return;
  const message = `the consistency token is from before the restore that began incarnation ${incarnation}`;
  throw new LedgerError("TOKEN_BEFORE_RESTORE", message, { details: { incarnation } });
}

/** @throws LedgerError ORGANIZATION_NOT_ACTIVE, ORGANIZATION_SUSPENDED */
export function checkWritable(state: GroupState, row: VaultRow): void {
  const organization = state.rows.organization(row.organization);
  if (organization?.status === "active" && row.status === "active") return;
  state.requireServed(row.id);
  const message = `organization ${row.organizationSlug} is ${organization?.status}, its vault is ${row.status}`;
  throw new LedgerError("ORGANIZATION_NOT_ACTIVE", message);
}

export function organizationInfo({
  slug,
  name,
  status,
  createdAtMs,
}: OrganizationRow): OrganizationInfo {
  return { slug, name, status, createdAtMs };
}

export function vaultInfo(state: GroupState, row: VaultRow): VaultInfo {
  const { organizationSlug: organization, slug, name, status, createdAtMs, origin } = row;
  // A page tells of many vaults: none is opened for it.
  const extent = state.extent(row.id);
  const height = extent?.height ?? row.lastHeight ?? 0;
  // Nothing of a deleted vault can be read.
  const oldestHeight = extent?.oldest ?? height;
  const { retentionBlocks } = row;
  const at = { height, retentionBlocks, oldestHeight };
  return { organization, slug, name, status, createdAtMs, origin, ...at };
}

export function organizationPage(
  state: GroupState,
  { limit, after }: EngineRequest<"list_organizations">,
): EngineReply<"list_organizations"> {
  const { rows, next } = state.rows.organizations(after ?? 1n, limit);
  const organizations = rows.map(organizationInfo);
  return next === undefined ? { organizations } : { organizations, next };
}

export function vaultPage(
  state: GroupState,
  { organization, limit, after }: EngineRequest<"list_vaults">,
): EngineReply<"list_vaults"> {
  const { id } = findOrganization(state, organization);
  const { rows, next } = state.rows.vaults(id, after ?? 0n, limit);
  const vaults = rows.map((row) => vaultInfo(state, row));
  return next === undefined ? { vaults } : { vaults, next };
}

/** What an organization holds, or one of its vaults. @throws LedgerError ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND */
export function usageOf(
  state: GroupState,
  { organization, vault }: EngineRequest<"get_usage">,
): EngineReply<"get_usage">["usage"] {
  if (vault === undefined) {
    const { id } = findOrganization(state, organization);
    return { ...state.usage.organization(id), blocks: 0 };
  }
  const { id, lastHeight = -1 } = findVault(state, organization, vault);
  const open = state.vault(id);
  return {
    ...state.usage.vault(id),
    vaults: open === undefined ? 0 : 1,
    blocks: open?.size ?? lastHeight + 1,
  };
}

/** Slugs ascend also over restarts with a clock that went back. */
export function newestSlug(state: GroupState): bigint {
  let newest = 0n;
  for (let id = 0; id < state.rows.organizationCount; id++) {
    const slug = state.rows.organization(id)!.slug;
    if (slug > newest) newest = slug;
  }
  for (let id = 0; id < state.rows.vaultCount; id++) {
    const { slug } = state.rows.vault(id)!;
    if (slug > newest) newest = slug;
  }
  return newest;
}
