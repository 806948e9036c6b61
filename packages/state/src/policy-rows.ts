/**
 * How a vault's policy moved from epoch to epoch (commitment.md, "Signing rules", 6): one row of each epoch behind the
 * first. While clients may still hold the policy before, the row keeps that one; then, for ever, the bundle that takes a
 * client from there to here. What is in them is the engine's (docs/format/cosign.md).
 *
 *     policy   u32 vault || u32 epoch -> u8 1 || the policy before, as it was stored: nonce16 || text
 *                                      | u8 2 || bundle
 *
 *   INV-STATE-8  Epochs of a vault follow each other, and no epoch begins before the one before has its bundle.
 */
import type { Table } from "@authledger/store";
import { LedgerError } from "@authledger/types";
import type { PolicyBundleItem, PolicyChangeItem } from "./entry.js";
import { readU32, type Tables, writeU32 } from "./tables.js";

const PENDING = 1;
const KEPT = 2;
/** The epoch that a genesis sets; it has no row. */
const FIRST_EPOCH = 1;

/** The newest row of a vault. */
export interface PolicyRow {
  readonly epoch: number;
  /** The policy before, while clients may hold it; undefined once the bundle is kept. */
  readonly before: Uint8Array | undefined;
}

/** The epoch that a vault has come to; undefined while it has its first policy. */
export function newestPolicyRow(tables: Tables, vault: number): PolicyRow | undefined {
  const cursor = tables.policy.cursor();
  const isFound = cursor.seekBefore(policyKey(vault + 1, 0));
  if (!isFound || readU32(cursor.key) !== vault) return undefined;
  const { key, value } = cursor;
  const before = value[0] === PENDING ? value.slice(1) : undefined;
  return { epoch: readU32(key, 4), before };
}

/** The bundle that takes a client to an epoch. */
export function policyBundle(tables: Tables, vault: number, epoch: number): Uint8Array | undefined {
  const row = tables.policy.get(policyKey(vault, epoch));
  return row?.[0] === KEPT ? row.slice(1) : undefined;
}

/** @throws LedgerError PRECONDITION_FAILED when the epoch is not the next one, or the one before is not kept yet */
export function checkPolicyChange(tables: Tables, { vault, epoch }: PolicyChangeItem): void {
  const newest = newestPolicyRow(tables, vault) ?? { epoch: FIRST_EPOCH, before: undefined };
  if (epoch === newest.epoch + 1 && newest.before === undefined) return;
  const state = newest.before === undefined ? "" : ", whose bundle is missing";
  const message = `policy epoch ${epoch} does not follow epoch ${newest.epoch}${state}`;
  throw new LedgerError("PRECONDITION_FAILED", message, { details: { epoch } });
}

export function putPolicyChange(tables: Tables, { vault, epoch, before }: PolicyChangeItem): void {
  put(tables.policy, policyKey(vault, epoch), PENDING, before);
}

/** @throws LedgerError PRECONDITION_FAILED when there is no such epoch that waits for it */
export function putPolicyBundle(tables: Tables, { vault, epoch, bundle }: PolicyBundleItem): void {
  const key = policyKey(vault, epoch);
  if (tables.policy.get(key)?.[0] !== PENDING) {
    const message = `policy epoch ${epoch} does not wait for its bundle`;
    throw new LedgerError("PRECONDITION_FAILED", message, { details: { epoch } });
  }
  put(tables.policy, key, KEPT, bundle);
}

function put(table: Table, key: Uint8Array, form: number, bytes: Uint8Array): void {
  const row = new Uint8Array(1 + bytes.length);
  row[0] = form;
  row.set(bytes, 1);
  table.put(key, row);
}

function policyKey(vault: number, epoch: number): Uint8Array {
  const key = new Uint8Array(8);
  writeU32(key, 0, vault);
  writeU32(key, 4, epoch);
  return key;
}
