/**
 * The payload of a log entry, apply version 1. Hand-encoded, big-endian; docs/format/entry.md has the table.
 *
 *     entry  = u16 apply version || u64 time_ms || u32 n || n x item
 *     item   = 0x01 transaction   u32 vault || lp16 idempotency key || hash32 of the payload || signed
 *            | 0x02 create vault  u64 organization slug || u64 vault slug || salt32 || signed (system vault) || signed (genesis)
 *            | 0x03 init          lp16 cluster id || lp16 cluster origin || salt32 || signed (genesis of the system vault)
 *            | 0x04 set status    u64 organization slug || u64 vault slug, 0 = the organization itself || signed (system vault)
 *            | 0x05 sweep         u32 vault || u32 rows
 *            | 0x06 prune         u32 vault
 *            | 0x0c policy change u32 vault || u32 epoch || lp32 the policy before || signed
 *            | 0x0d policy bundle u32 vault || u32 epoch || lp32 bundle
 *            | 0x0e erase         u32 vault || path48 || signed (system vault)
 *     signed = lp32 LVT1 || u32 n || n x (nonce16 || lp32 value)       the values in the order of the operations
 *
 * Everything that applying needs is in it: time, ids, sequences, nonces and salts were chosen by the leader.
 * An apply version's behaviour never changes; an unknown version or item stops the node and is never skipped.
 */
import { PATH_BYTES } from "@authledger/proof";
import { ByteReader, ByteWriter, LedgerError } from "@authledger/types";

export const APPLY_VERSION = 1;
const NONCE_BYTES = 16;
const SALT_BYTES = 32;

/** A value and the nonce that is hashed in front of it. */
export interface NoncedValue {
  readonly nonce: Uint8Array;
  readonly value: Uint8Array;
}

/** A transaction as its hashed bytes, and the values that those bytes commit to. */
export interface SealedTransaction {
  /** Canonical bytes, "LVT1". */
  readonly canonical: Uint8Array;
  readonly values: readonly NoncedValue[];
}

export interface TransactionItem {
  readonly kind: "transaction";
  readonly vault: number;
  /** Empty for none. */
  readonly idempotencyKey: string;
  /** SHA-256 of what the client sent, to tell a repeated request from a reused key. */
  readonly payloadHash: Uint8Array;
  readonly transaction: SealedTransaction;
}

export interface CreateVaultItem {
  readonly kind: "create_vault";
  readonly organization: bigint;
  readonly slug: bigint;
  readonly salt: Uint8Array;
  /** Sets the vault's entity in the system vault. */
  readonly registration: SealedTransaction;
  readonly genesis: SealedTransaction;
}

export interface InitItem {
  readonly kind: "init";
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly clusterOrigin: string;
  readonly salt: Uint8Array;
  readonly genesis: SealedTransaction;
}

/** A vault or an organization is deleted (lifecycle.ts). */
export interface SetStatusItem {
  readonly kind: "set_status";
  readonly organization: bigint;
  /** 0 = the organization itself. */
  readonly vault: bigint;
  /** Sets the entity in the system vault, which says the new status. */
  readonly registration: SealedTransaction;
}

/** Removes rows of a vault that is being deleted. */
export interface SweepItem {
  readonly kind: "sweep";
  readonly vault: number;
  /** At most so many. */
  readonly rows: number;
}

/** Removes some of the oldest blocks that a vault's retention does not keep. */
interface PruneItem {
  readonly kind: "prune";
  readonly vault: number;
}

/** The next policy of a vault, and the one before for as long as clients may hold it (policy-rows.ts). */
export interface PolicyChangeItem {
  readonly kind: "policy_change";
  readonly vault: number;
  /** Of the new policy. */
  readonly epoch: number;
  /** The policy before, as it is stored: nonce16 || text. */
  readonly before: Uint8Array;
  /** Sets the policy record. */
  readonly transaction: SealedTransaction;
}

/** What takes clients to a policy, kept for ever. */
export interface PolicyBundleItem {
  readonly kind: "policy_bundle";
  readonly vault: number;
  readonly epoch: number;
  readonly bundle: Uint8Array;
}

/** Erases earlier values under a path (erase.ts). */
export interface EraseItem {
  readonly kind: "erase";
  readonly vault: number;
  /** Of the record, 48 bytes. */
  readonly path: Uint8Array;
  /** Says in the system vault who erases, when and why. */
  readonly registration: SealedTransaction;
}

export type EntryItem =
  | TransactionItem
  | CreateVaultItem
  | InitItem
  | SetStatusItem
  | SweepItem
  | PruneItem
  | PolicyChangeItem
  | PolicyBundleItem
  | EraseItem;

export interface Entry {
  /** The leader's time, not before that of any earlier entry. */
  readonly timeMs: number;
  readonly items: readonly EntryItem[];
}

const ITEM = {
  transaction: 1,
  create_vault: 2,
  init: 3,
  set_status: 4,
  sweep: 5,
  prune: 6,
  policy_change: 0x0c,
  policy_bundle: 0x0d,
  erase: 0x0e,
} as const;

const ENTRY_HEAD_BYTES = 512;
/** Of an item that changes one tuple, near enough that the buffer seldom grows. */
const ITEM_BYTES = 320;

export function encodeEntry(entry: Entry): Uint8Array {
  const out = new ByteWriter(ENTRY_HEAD_BYTES + entry.items.length * ITEM_BYTES);
  out.u16(APPLY_VERSION).u64(entry.timeMs).u32(entry.items.length);
  for (const item of entry.items) writeItem(out, item);
  return out.finish();
}

/** Bytes that an item takes in an entry, near enough for limits. */
export function sealedBytes(transaction: SealedTransaction): number {
  let bytes = transaction.canonical.length + 64;
  for (const { value } of transaction.values) bytes += value.length + NONCE_BYTES + 4;
  return bytes;
}

/**
 * Decodes an entry of the log. Byte fields are views into `payload`.
 * @throws LedgerError UNKNOWN_OP_CODE for an apply version or item of a newer version, CODEC_DECODE
 */
export function decodeEntry(payload: Uint8Array): Entry {
  const input = new ByteReader(payload, "log entry");
  const version = input.u16("apply version");
  if (version !== APPLY_VERSION) throw unknown(`apply version ${version}`);
  const timeMs = input.safeU64("time");
  const count = input.u32("items");
  const items: EntryItem[] = [];
  for (let i = 0; i < count; i++) items.push(readItem(input));
  input.end();
  return { timeMs, items };
}

function writeItem(out: ByteWriter, item: EntryItem): void {
  out.u8(ITEM[item.kind]);
  switch (item.kind) {
    case "transaction":
      out.u32(item.vault).lp16(item.idempotencyKey).bytes(item.payloadHash);
      writeSealed(out, item.transaction);
      return;
    case "create_vault":
      out.u64(item.organization).u64(item.slug).bytes(item.salt);
      writeSealed(out, item.registration);
      writeSealed(out, item.genesis);
      return;
    case "init":
      out.lp16(item.clusterId).lp16(item.clusterOrigin).bytes(item.salt);
      writeSealed(out, item.genesis);
      return;
    case "set_status":
      out.u64(item.organization).u64(item.vault);
      writeSealed(out, item.registration);
      return;
    case "sweep":
      out.u32(item.vault).u32(item.rows);
      return;
    case "prune":
      out.u32(item.vault);
      return;
    case "policy_change":
      out.u32(item.vault).u32(item.epoch).lp32(item.before);
      writeSealed(out, item.transaction);
      return;
    case "policy_bundle":
      out.u32(item.vault).u32(item.epoch).lp32(item.bundle);
      return;
    case "erase":
      out.u32(item.vault).bytes(item.path);
      writeSealed(out, item.registration);
      return;
  }
}

function readItem(input: ByteReader): EntryItem {
  const code = input.u8("item");
  switch (code) {
    case ITEM.transaction:
      return {
        kind: "transaction",
        vault: input.u32("vault"),
        idempotencyKey: input.lp16("idempotency key"),
        payloadHash: input.bytes(32, "payload hash"),
        transaction: readSealed(input),
      };
    case ITEM.create_vault:
      return {
        kind: "create_vault",
        organization: input.u64("organization"),
        slug: input.u64("vault"),
        salt: input.bytes(SALT_BYTES, "salt"),
        registration: readSealed(input),
        genesis: readSealed(input),
      };
    case ITEM.init:
      return {
        kind: "init",
        clusterId: input.lp16("cluster id"),
        clusterOrigin: input.lp16("cluster origin"),
        salt: input.bytes(SALT_BYTES, "salt"),
        genesis: readSealed(input),
      };
    case ITEM.set_status:
      return {
        kind: "set_status",
        organization: input.u64("organization"),
        vault: input.u64("vault"),
        registration: readSealed(input),
      };
    case ITEM.sweep:
      return { kind: "sweep", vault: input.u32("vault"), rows: input.u32("rows") };
    case ITEM.prune:
      return { kind: "prune", vault: input.u32("vault") };
    case ITEM.policy_change:
      return {
        kind: "policy_change",
        vault: input.u32("vault"),
        epoch: input.u32("epoch"),
        before: input.lp32("policy before"),
        transaction: readSealed(input),
      };
    case ITEM.policy_bundle:
      return {
        kind: "policy_bundle",
        vault: input.u32("vault"),
        epoch: input.u32("epoch"),
        bundle: input.lp32("bundle"),
      };
    case ITEM.erase:
      return {
        kind: "erase",
        vault: input.u32("vault"),
        path: input.bytes(PATH_BYTES, "path"),
        registration: readSealed(input),
      };
    default:
      throw unknown(`item 0x${code.toString(16).padStart(2, "0")}`);
  }
}

function writeSealed(out: ByteWriter, { canonical, values }: SealedTransaction): void {
  out.lp32(canonical).u32(values.length);
  for (const { nonce, value } of values) out.bytes(nonce).lp32(value);
}

function readSealed(input: ByteReader): SealedTransaction {
  const canonical = input.lp32("transaction");
  const count = input.u32("values");
  const values: NoncedValue[] = [];
  for (let i = 0; i < count; i++) {
    const nonce = input.bytes(NONCE_BYTES, "nonce");
    values.push({ nonce, value: input.lp32("value") });
  }
  return { canonical, values };
}

function unknown(what: string): LedgerError {
  const message = `the log entry holds ${what}, which this version does not know`;
  return new LedgerError("UNKNOWN_OP_CODE", message);
}
