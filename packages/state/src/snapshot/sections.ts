/**
 * What the sections of a snapshot hold, as values (docs/format/snapshot.md). Texts are JSON, everything that is
 * hashed is in its canonical bytes.
 */
import { HEADER_BYTES, NONCE_BYTES } from "@authledger/proof";
import { ByteReader, ByteWriter, toHex, utf8 } from "@authledger/types";
import { CLIENT_ROW_BYTES } from "../client-row.js";
import type { OrganizationRow, VaultRow } from "../vault-rows.js";
import { SectionFields } from "./section-fields.js";

/** The first section. */
export interface GroupSection {
  readonly cluster_id: string;
  readonly cluster_origin: string;
  /** How often the group was restored before. */
  readonly incarnation: number;
  /** The log entry after which the snapshot was taken. */
  readonly applied_index: number;
  readonly applied_term: number;
  readonly leader_time_ms: number;
  readonly organizations: number;
  readonly vaults: number;
  /** Records of all vaults: for progress, not checked. */
  readonly records: number;
}

/** A row as it is stored: slugs as decimal text. */
export type RowFields = Readonly<Record<string, unknown>>;

/** What a vault's section holds when it is read. */
type VaultFields = Pick<
  VaultRow,
  | "organization"
  | "slug"
  | "name"
  | "status"
  | "createdAtMs"
  | "origin"
  | "retentionBlocks"
  | "lastHeight"
>;

export interface VaultSection {
  readonly row: VaultFields;
  readonly salt: Uint8Array;
  /** Rows only: what was in the vault is deleted. */
  readonly isEmpty: boolean;
}

export interface BlockSection {
  readonly header: Uint8Array;
  /** Canonical transactions in order; none where they are not retained. */
  readonly transactions: readonly Uint8Array[];
}

export interface RecordSection {
  readonly record: Uint8Array;
  /** nonce || value, where the record commits to one and it lies with this direction. */
  readonly stored: Uint8Array | undefined;
}

export interface VaultEndSection {
  readonly blocks: number;
  readonly records: number;
  readonly clients: number;
  /** Root of the history over all blocks. */
  readonly root: Uint8Array;
}

const GROUP_FIELDS = [
  "cluster_id",
  "cluster_origin",
  "incarnation",
  "applied_index",
  "applied_term",
  "leader_time_ms",
  "organizations",
  "vaults",
  "records",
] as const;
const ROW_FIELDS = ["slug", "name", "status", "createdAtMs"] as const;
const VAULT_FIELDS = [
  ...ROW_FIELDS,
  "organization",
  "origin",
  "retentionBlocks",
  "lastHeight",
] as const;
const VAULT_END_FIELDS = ["blocks", "records", "clients", "root"] as const;
const VAULT_STATUSES = ["active", "read_only", "deleting", "deleted"] as const;
const ORGANIZATION_STATUSES = ["active", "migrating", "suspended", "deleting", "deleted"] as const;

export function encodeJson(value: object): Uint8Array {
  return utf8(JSON.stringify(value));
}

/** @throws LedgerError CODEC_DECODE, as all of these */
export function decodeGroup(bytes: Uint8Array): GroupSection {
  const fields = SectionFields.parse("group", bytes, GROUP_FIELDS);
  return {
    cluster_id: fields.text("cluster_id"),
    cluster_origin: fields.text("cluster_origin"),
    incarnation: fields.integer("incarnation"),
    applied_index: fields.integer("applied_index"),
    applied_term: fields.integer("applied_term"),
    leader_time_ms: fields.integer("leader_time_ms"),
    organizations: fields.integer("organizations"),
    vaults: fields.integer("vaults"),
    records: fields.integer("records"),
  };
}

export function decodeOrganization(bytes: Uint8Array): Omit<OrganizationRow, "id"> {
  const fields = SectionFields.parse("organization", bytes, ROW_FIELDS);
  return {
    slug: fields.slug("slug"),
    name: fields.text("name"),
    status: fields.oneOf("status", ORGANIZATION_STATUSES),
    createdAtMs: fields.integer("createdAtMs"),
  };
}

/** How many vaults the snapshot holds. */
export function decodeEnd(bytes: Uint8Array): number {
  return SectionFields.parse("end", bytes, ["vaults"]).integer("vaults");
}

export function decodeVaultEnd(bytes: Uint8Array): VaultEndSection {
  const fields = SectionFields.parse("end of the vault", bytes, VAULT_END_FIELDS);
  return {
    blocks: fields.integer("blocks"),
    records: fields.integer("records"),
    clients: fields.integer("clients"),
    root: fields.hash("root"),
  };
}

export function encodeVault({
  row,
  salt,
  isEmpty,
}: Omit<VaultSection, "row"> & { readonly row: RowFields }): Uint8Array {
  return encodeJson({ row, salt: toHex(salt), empty: isEmpty });
}

export function decodeVault(bytes: Uint8Array): VaultSection {
  const fields = SectionFields.parse("vault", bytes, ["row", "salt", "empty"]);
  const row = fields.within("row", VAULT_FIELDS);
  return {
    row: {
      organization: row.integer("organization"),
      slug: row.slug("slug"),
      name: row.text("name"),
      status: row.oneOf("status", VAULT_STATUSES),
      createdAtMs: row.integer("createdAtMs"),
      origin: row.text("origin"),
      retentionBlocks: row.integer("retentionBlocks"),
      // Of a vault that is being deleted, or was.
      ...(row.has("lastHeight") && { lastHeight: row.integer("lastHeight") }),
    },
    salt: fields.hash("salt"),
    isEmpty: fields.boolean("empty"),
  };
}

/** `header || u32 n || n x lp32 transaction`; n = 0 where they are not retained. */
export function writeBlock(out: ByteWriter, { header, transactions }: BlockSection): void {
  out.bytes(header).u32(transactions.length);
  for (const transaction of transactions) out.lp32(transaction);
}

/** @throws LedgerError CODEC_DECODE */
export function* readBlocks(payload: Uint8Array): Generator<BlockSection> {
  const input = new ByteReader(payload, "blocks");
  while (input.remaining > 0) {
    const header = input.bytes(HEADER_BYTES, "header");
    const count = input.u32("transactions");
    const transactions: Uint8Array[] = [];
    for (let i = 0; i < count; i++) transactions.push(input.lp32("transaction"));
    yield { header, transactions };
  }
}

/** `lp32 record || u8 has_stored || [nonce16 || lp32 value]` */
export function writeRecordSection(out: ByteWriter, { record, stored }: RecordSection): void {
  out.lp32(record).u8(stored === undefined ? 0 : 1);
  if (stored === undefined) return;
  out.bytes(stored.subarray(0, NONCE_BYTES)).lp32(stored.subarray(NONCE_BYTES));
}

/** @throws LedgerError CODEC_DECODE */
export function* readRecords(payload: Uint8Array): Generator<RecordSection> {
  const input = new ByteReader(payload, "records");
  while (input.remaining > 0) {
    const record = input.lp32("record");
    yield { record, stored: input.u8("has_stored") === 0 ? undefined : readStored(input) };
  }
}

function readStored(input: ByteReader): Uint8Array {
  const nonce = input.bytes(NONCE_BYTES, "nonce");
  const value = input.lp32("value");
  const stored = new Uint8Array(NONCE_BYTES + value.length);
  stored.set(nonce);
  stored.set(value, NONCE_BYTES);
  return stored;
}

/** `u8 bucket || u32 leaves || root32`, ascending; empty ones are left out. */
export function* readBuckets(
  payload: Uint8Array,
): Generator<{ readonly bucket: number; readonly count: number; readonly root: Uint8Array }> {
  const input = new ByteReader(payload, "buckets");
  while (input.remaining > 0) {
    const bucket = input.u8("bucket");
    yield { bucket, count: input.u32("leaves"), root: input.bytes(32, "root") };
  }
}

/** `lp16 client id || row` */
export function* readClients(
  payload: Uint8Array,
): Generator<{ readonly id: string; readonly row: Uint8Array }> {
  const input = new ByteReader(payload, "clients");
  while (input.remaining > 0) {
    yield { id: input.lp16("client id"), row: input.bytes(CLIENT_ROW_BYTES, "client row") };
  }
}

/** A new buffer for sections. */
export function sectionBuffer(): ByteWriter {
  return new ByteWriter(80 * 1024);
}
