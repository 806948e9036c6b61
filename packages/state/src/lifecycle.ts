/**
 * How organizations and vaults end. The leader writes what the system vault's entity will say; here it is decided
 * whether that may be, from the state alone.
 *
 *     vault          active, read_only -> deleting -> deleted
 *     organization   any -> deleting while its last vaults are being deleted -> deleted
 *                    active -> suspended -> active
 *
 *   INV-LIFE-1  A vault that is deleting is closed: nothing opens it again, no block is added and no head is signed.
 *   INV-LIFE-2  A vault is deleted when none of its rows is left, an organization when none of its vaults is; ids and
 *               slugs stay taken.
 */
import { LedgerError } from "@authledger/types";
import type { SealedTransaction, SetStatusItem, SweepItem } from "./entry.js";
import type { Outcome } from "./outcome.js";
import { decodeEntity, type OrganizationEntity, type VaultEntity } from "./system-vault.js";
import type { Tables } from "./tables.js";
import { isGone, type OrganizationRow, type VaultRow, type VaultRows } from "./vault-rows.js";
import { hasRows, sweepVault } from "./vault-sweep.js";

/** What of the state machine is needed to end something. */
export interface LifecycleDeps {
  readonly rows: VaultRows;
  readonly tables: Tables;
  /** Runs a transaction over the system vault. @throws LedgerError PRECONDITION_FAILED, ... */
  readonly register: (registration: SealedTransaction) => void;
  /** The height of an open vault's newest block; undefined when the entry has changed it already. */
  readonly settledHeight: (vault: number) => number | undefined;
  /** Closes a vault for good, with its rows of tries written. */
  readonly close: (vault: number) => void;
}

/** @throws LedgerError, a refusal */
export function setStatus(item: SetStatusItem, deps: LifecycleDeps): Outcome {
  const organization = deps.rows.organizationBySlug(item.organization);
  if (organization === undefined || item.organization === 0n) {
    const message = `there is no organization ${item.organization}`;
    throw new LedgerError("ORGANIZATION_NOT_FOUND", message);
  }
  if (item.vault === 0n) setOrganizationStatus(organization, item, deps);
  else setVaultStatus(organization, item, deps);
  return { kind: "status_set" };
}

function setOrganizationStatus(
  row: OrganizationRow,
  { registration }: SetStatusItem,
  { rows, register }: LifecycleDeps,
): void {
  const entity = entityOf<OrganizationEntity>(registration);
  if (!isOrganizationStep(row, entity, rows)) throw notNow(`organization ${row.slug}`, row, entity);
  register(registration);
  const { slug, name, createdAtMs } = row;
  rows.putOrganization({ slug, name, createdAtMs, status: entity.status });
}

/** @throws LedgerError ORGANIZATION_NOT_EMPTY */
function isOrganizationStep(
  row: OrganizationRow,
  { status }: OrganizationEntity,
  rows: VaultRows,
): boolean {
  if (status === "suspended") return row.status === "active";
  if (status === "active") return row.status === "suspended";
  const { active, deleting } = rows.vaultsLeft(row.id);
  if (active > 0) throw notEmpty(row, active);
  if (row.status === "deleted") return false;
  if (status === "deleted") return deleting === 0;
  return status === "deleting" && deleting > 0 && row.status !== "deleting";
}

function setVaultStatus(
  organization: OrganizationRow,
  { vault: slug, registration }: SetStatusItem,
  deps: LifecycleDeps,
): void {
  const row = deps.rows.vaultBySlug(organization.id, slug);
  if (row === undefined) {
    const message = `organization ${organization.slug} has no vault ${slug}`;
    throw new LedgerError("VAULT_NOT_FOUND", message);
  }
  const entity = entityOf<VaultEntity>(registration);
  if (!isVaultStep(row, entity, deps)) throw notNow(`vault ${slug}`, row, entity);
  deps.register(registration);
  if (entity.status === "deleting") deps.close(row.id);
  deps.rows.setVaultStatus(row.id, entity.status, entity.last_height!);
}

/** What the entity says of the last head is what there is. */
function isVaultStep(
  row: VaultRow,
  { status, last_height }: VaultEntity,
  deps: LifecycleDeps,
): boolean {
  if (status === "deleting") return !isGone(row) && last_height === deps.settledHeight(row.id);
  if (status !== "deleted" || row.status !== "deleting") return false;
  return last_height === row.lastHeight && !hasRows(deps.tables, row.id);
}

/** @throws LedgerError, a refusal */
export function sweep({ vault, rows }: SweepItem, deps: LifecycleDeps): Outcome {
  const row = deps.rows.vault(vault);
  if (row?.status !== "deleting") {
    throw new LedgerError("PRECONDITION_FAILED", "only a vault that is being deleted is swept");
  }
  const removed = sweepVault(deps.tables, vault, rows);
  return { kind: "swept", removed, isDone: !hasRows(deps.tables, vault) };
}

function entityOf<T>({ values }: SealedTransaction): T {
  return decodeEntity<T>(values[0]!.value);
}

function notEmpty({ slug }: OrganizationRow, vaults: number): LedgerError {
  const message = `organization ${slug} has ${vaults} vault${vaults === 1 ? "" : "s"}`;
  return new LedgerError("ORGANIZATION_NOT_EMPTY", message, {
    details: { organization: String(slug), vaults },
  });
}

function notNow(
  what: string,
  row: { readonly status: string },
  entity: { readonly status: string },
): LedgerError {
  const message = `${what} is ${row.status} and does not become ${entity.status} now`;
  return new LedgerError("PRECONDITION_FAILED", message, { details: { status: row.status } });
}
