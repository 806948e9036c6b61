/**
 * Keys of committed facts: (kind, partition, group, item), and their bytes K (commitment.md, "State").
 *
 * Each level is hashed by itself into the path, so all items of a partition, and of a group in it, are one
 * subtree. A tuple is committed twice: by resource (authoritative) and by subject.
 */
import { ByteWriter, splitEntityKey, type Tuple } from "@authledger/types";
import type { RejectReason } from "../rejection.js";

/** What a key names. */
export const Kind = {
  tupleByResource: 0x01,
  tupleBySubject: 0x02,
  entity: 0x03,
  ledgerRecord: 0x04,
  vaultHead: 0x05,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export interface LedgerKey {
  readonly kind: Kind;
  readonly partition: string;
  readonly group: string;
  readonly item: string;
}

/** (resource, relation, subject): the key that decides. */
export function tupleKey(tuple: Tuple): LedgerKey {
  return {
    kind: Kind.tupleByResource,
    partition: tuple.resource,
    group: tuple.relation,
    item: tuple.subject,
  };
}

/** (subject, relation, resource): the twin by which a subject's tuples are listed. */
export function tupleBySubjectKey(tuple: Tuple): LedgerKey {
  return {
    kind: Kind.tupleBySubject,
    partition: tuple.subject,
    group: tuple.relation,
    item: tuple.resource,
  };
}

/** The other direction of a tuple's key. */
export function twinOf(key: LedgerKey): LedgerKey {
  const kind = key.kind === Kind.tupleByResource ? Kind.tupleBySubject : Kind.tupleByResource;
  return { kind, partition: key.item, group: key.group, item: key.partition };
}

/** The tuple that a key of kind 0x01 or 0x02 names. */
export function tupleOfKey(key: LedgerKey): Tuple {
  return key.kind === Kind.tupleByResource
    ? { resource: key.partition, relation: key.group, subject: key.item }
    : { resource: key.item, relation: key.group, subject: key.partition };
}

export function entityKey(key: string): LedgerKey {
  const { partition, item } = splitEntityKey(key);
  return { kind: Kind.entity, partition, group: "", item };
}

/** A record of the ledger itself: configuration ("ledger") or a model's body ("model"). */
export function ledgerRecordKey(
  partition: "ledger" | "model",
  group: string,
  item = "",
): LedgerKey {
  return { kind: Kind.ledgerRecord, partition, group, item };
}

/** Writes K = kind || lp16(partition) || lp16(group) || lp16(item). */
export function writeKey(out: ByteWriter, key: LedgerKey): void {
  out.u8(key.kind).lp16(key.partition).lp16(key.group).lp16(key.item);
}

export function encodeKey(key: LedgerKey): Uint8Array {
  const out = new ByteWriter(128);
  writeKey(out, key);
  return out.finish();
}

const VAULT_REF_HEX = /^[0-9a-f]{64}$/;

/** Why a key is not one that the commitment allows; undefined when it is. */
export function keyFormProblem(key: LedgerKey): RejectReason | undefined {
  switch (key.kind) {
    case Kind.tupleByResource:
    case Kind.tupleBySubject:
      return undefined;
    case Kind.entity: {
      const canonical = key.partition === "" || key.partition.endsWith(":");
      return canonical && key.group === "" && !key.item.includes(":") ? undefined : "kind3";
    }
    case Kind.ledgerRecord:
      return key.partition === "ledger" || key.partition === "model" ? undefined : "kind4";
    case Kind.vaultHead: {
      const named = key.partition === "heads" && key.group === "" && VAULT_REF_HEX.test(key.item);
      return named ? undefined : "kind5";
    }
    default:
      return "kind";
  }
}

/** A string that no other key has; for maps. Lengths keep the parts apart whatever they hold. */
export function keyId(key: LedgerKey): string {
  const { kind, partition, group, item } = key;
  return `${kind}${partition.length}:${group.length}:${partition}${group}${item}`;
}

export function equalKeys(a: LedgerKey, b: LedgerKey): boolean {
  return (
    a.item === b.item && a.partition === b.partition && a.group === b.group && a.kind === b.kind
  );
}
