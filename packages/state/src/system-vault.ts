/**
 * What the system vault (organization 0, vault 0) says of organizations and vaults: entities with JSON
 * values. Keys and texts are normative for this project (docs/format/entry.md).
 */
import { decodeUtf8, LedgerError, toHex, utf8 } from "@authledger/types";
import { KEEP_ALL } from "./past/retention.js";
import type { OrganizationStatus, VaultStatus } from "./vault-rows.js";

export const SYSTEM_VAULT = 0;
export const SYSTEM_ORGANIZATION_NAME = "_system";

export interface OrganizationEntity {
  readonly name: string;
  readonly status: OrganizationStatus;
  readonly created_ms: number;
}

export interface VaultEntity {
  readonly name: string;
  readonly status: VaultStatus;
  readonly origin: string;
  readonly vault_ref: string;
  readonly created_ms: number;
  /** Of a vault that is deleted: the newest block that it had, and its hash (64 hex digits). */
  readonly last_height?: number;
  readonly last_block_hash?: string;
  /** Blocks that the vault keeps, the newest ones; absent: all. */
  readonly retention_blocks?: number | undefined;
}

export function organizationEntityKey(slug: bigint): string {
  return `org:${slug}`;
}

export function vaultEntityKey(organization: bigint, slug: bigint): string {
  return `vault:${organization}:${slug}`;
}

/** The entity that says of an erasure who did it and when: a salted path names nobody. */
export function erasureEntityKey(organization: bigint, slug: bigint, path: Uint8Array): string {
  return `erasure:${organization}:${slug}:${toHex(path)}`;
}

/** The slug that an organization's entity names; undefined for other keys. */
export function organizationOfKey(key: string): bigint | undefined {
  const match = /^org:([0-9]{1,20})$/.exec(key);
  return match === null ? undefined : BigInt(match[1]!);
}

/** The slugs that a vault's entity names; undefined for other keys. */
export function vaultOfKey(
  key: string,
): { readonly organization: bigint; readonly slug: bigint } | undefined {
  const match = /^vault:([0-9]{1,20}):([0-9]{1,20})$/.exec(key);
  return match === null ? undefined : { organization: BigInt(match[1]!), slug: BigInt(match[2]!) };
}

export function retentionBlocksOf({ retention_blocks: blocks }: VaultEntity): number {
  return blocks ?? KEEP_ALL;
}

export function encodeOrganizationEntity(entity: OrganizationEntity): Uint8Array {
  const { name, status, created_ms } = entity;
  return utf8(JSON.stringify({ name, status, created_ms }));
}

export function encodeVaultEntity(
  entity: Omit<VaultEntity, "vault_ref"> & { readonly vaultRef: Uint8Array },
): Uint8Array {
  const { name, status, origin, created_ms, retention_blocks } = entity;
  const vault_ref = toHex(entity.vaultRef);
  return utf8(JSON.stringify({ name, status, origin, vault_ref, created_ms, retention_blocks }));
}

/** The value of an entity with another status, and with what there is to say about it. Everything else stays. */
export function withStatus(
  value: Uint8Array,
  status: OrganizationStatus | VaultStatus,
  more: Pick<VaultEntity, "last_height" | "last_block_hash"> = {},
): Uint8Array {
  return utf8(JSON.stringify({ ...decodeEntity<object>(value), status, ...more }));
}

/** Reads an entity that this ledger wrote. @throws LedgerError CODEC_DECODE */
export function decodeEntity<T>(value: Uint8Array): T {
  try {
    return JSON.parse(decodeUtf8(value) ?? "") as T;
  } catch (cause) {
    throw new LedgerError("CODEC_DECODE", "an entity of the system vault is not JSON", { cause });
  }
}
