/** golden.json as the tests read it: values re-derived by a second implementation in another language. */
import { readFileSync } from "node:fs";
import { fromHex } from "@authledger/types";
import {
  type CanonicalCondition,
  type CanonicalOp,
  type CanonicalTransaction,
  commitToValue,
  type Kind,
  type LedgerKey,
  nobleHasher,
  type ValueCommitment,
} from "../../src/index.js";

export type KeyTuple = [number, string, string, string];
export type ListTuple = [number, string] | [number, string, string];

interface GoldenValue {
  nonce: string;
  utf8: string;
}

interface GoldenOp {
  op: number;
  resource: string;
  relation: string;
  subject: string;
  key: string;
  partition: string;
  group: string;
  item: string;
  expires_at_ms: number;
  expired_at_ms: number;
  value: GoldenValue | null;
  condition: { type: number; version: number; value: GoldenValue };
}

export interface GoldenTransaction {
  tx_id: string;
  client_id: string;
  sequence: number;
  actor: string;
  reason: string;
  timestamp_ms: number;
  ops: GoldenOp[];
  lvt1: string;
  leaf_hash: string;
}

interface GoldenBlock {
  what: string;
  height: number;
  timestamp_ms: number;
  transactions: GoldenTransaction[];
  rejected: (GoldenTransaction & { why?: string })[];
  raft_term: number;
  raft_index: number;
  tx_count: number;
  tx_root: string;
  prev_hash: string;
  history_root: string;
  state_root: string;
  leaf_count: number;
  config_hash: string;
  header: string;
  block_hash: string;
  records: string[];
}

export interface GoldenQuery {
  op: "get" | "list";
  key: KeyTuple;
  list: ListTuple;
  T?: number;
  expect: { answer: string; record: string; records: string[] };
}

export type Runs = [string, number][];

interface NamedKey {
  id: number;
  name: string;
  seed: string;
  vkey: string;
}

export interface Golden {
  origin: string;
  salt: string;
  vault_ref: string;
  empty_state_root: { hex: string };
  keys: {
    log_master_seed: string;
    epoch: number;
    log: NamedKey;
    replicas: NamedKey[];
    second_key_of_replica_1: NamedKey;
    stranger: NamedKey;
  };
  example: {
    key: KeyTuple;
    K: string;
    path: string;
    record: string;
    record_hash: string;
    leaf: string;
    bucket: number;
    value: { nonce: string; utf8: string; digest: string };
  };
  region_vault: {
    op: { vault_ref: string; size: number; root: string };
    op_bytes: string;
    origin: string;
    salt: string;
    vault_ref: string;
    key: KeyTuple;
    nonce: string;
    value: string;
    version: number;
    record: string;
    path: string;
  };
  blocks: GoldenBlock[];
  checkpoints: { what: string; size: number; times: number[]; note: string }[];
  consistency: {
    what: string;
    from: number;
    to: number;
    from_root: string;
    to_root: string;
    proof: string[];
  }[];
  inclusion: { what: string; index: number; size: number; proof: string[] }[];
  inclusion_wrong_size: {
    index: number;
    size: number;
    also: number[];
    root: string;
    proof: string[];
  };
  tx_proofs: { what: string; height: number; valid: boolean; ltp: string }[];
  state_proofs: {
    what: string;
    height: number | null;
    gets: KeyTuple[];
    lists: ListTuple[];
    state_root: string;
    lsp1: string;
    queries: GoldenQuery[];
  }[];
  valid_crafted_proofs: { what: string; state_root: string; lsp1?: string; lsp1_runs?: Runs }[];
  invalid_proofs: {
    reason: string;
    what: string;
    state_root: string;
    lsp1?: string;
    lsp1_runs?: Runs;
  }[];
  block_proofs: {
    what: string;
    height: number;
    old_state_root: string;
    witness: string;
    new_state_root: string;
    new_leaves: number;
    new_config_hash: string;
    net_changes: { path: string; record: string | null }[];
  }[];
  light_client: {
    base_trust: LightClientTrust;
    cases: {
      what: string;
      trust: Partial<LightClientTrust>;
      answer: {
        checkpoint: string;
        header: string;
        inclusion: string[];
        consistency: string[];
        lsp1: string;
        query: GoldenQuery;
        now_s: number;
        want: "current" | "any";
      };
      expect: { result: string; height: number; T: number; answer: string; reject?: string };
    }[];
  };
  one_directional: {
    what: string;
    state_root: string;
    gets: KeyTuple[];
    lists: ListTuple[];
    lsp1: string;
    hit: string;
  }[];
  non_canonical_entity: {
    canonical_key: KeyTuple;
    reason: string;
    state_root: string;
    lsp1: string;
  };
  notes: { expect: "ok" | "reject"; what: string; note?: string; note_runs?: Runs }[];
}

export interface LightClientTrust {
  origin: string;
  salt: string;
  block_hash_0: string;
  log_vkey: string;
  cosigners: { id: number; vkey: string }[];
  quorum: number;
  max_age_s: number;
  max_skew_s: number;
  config_hash: string;
  stored: { size: number; root: string };
}

export const golden = JSON.parse(
  readFileSync(new URL("./golden.json", import.meta.url), "utf8"),
) as Golden;

export function ledgerKey([kind, partition, group, item]: KeyTuple): LedgerKey {
  return { kind: kind as Kind, partition, group, item };
}

export function listQuery([kind, partition, group]: ListTuple): {
  kind: Kind;
  partition: string;
  group: string | undefined;
} {
  return { kind: kind as Kind, partition, group };
}

/** Bytes given as hex, or as runs of repeated hex. */
export function bytesOf(given: { lsp1?: string; lsp1_runs?: Runs }): Uint8Array {
  return fromHex(given.lsp1 ?? expandRuns(given.lsp1_runs ?? [])) ?? new Uint8Array(0);
}

export function expandRuns(runs: Runs): string {
  return runs.map(([text, times]) => text.repeat(times)).join("");
}

export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function commitment({ nonce, utf8 }: GoldenValue): ValueCommitment {
  return commitToValue(nobleHasher, hex(nonce), new TextEncoder().encode(utf8));
}

export function transactionOf(t: GoldenTransaction): CanonicalTransaction {
  return {
    id: hex(t.tx_id),
    clientId: t.client_id,
    sequence: t.sequence,
    actor: t.actor,
    reason: t.reason,
    timestampMs: t.timestamp_ms,
    ops: t.ops.map(opOf),
  };
}

function opOf(o: GoldenOp): CanonicalOp {
  const tuple = { resource: o.resource, relation: o.relation, subject: o.subject };
  switch (o.op) {
    case 1: {
      const value = o.value ? commitment(o.value) : undefined;
      return { op: "create_tuple", tuple, expiresAtMs: o.expires_at_ms, value };
    }
    case 2:
      return { op: "delete_tuple", tuple };
    case 3:
      return {
        op: "set_entity",
        key: o.key,
        expiresAtMs: o.expires_at_ms,
        value: commitment(o.value!),
        condition: conditionOf(o.condition),
      };
    case 4:
      return { op: "delete_entity", key: o.key, condition: conditionOf(o.condition) };
    case 5:
      return { op: "expire_entity", key: o.key, expiredAtMs: o.expired_at_ms };
    case 6:
      return { op: "expire_tuple", tuple, expiredAtMs: o.expired_at_ms };
    case 7: {
      const { partition, group, item } = o;
      return { op: "set_record", partition, group, item, value: commitment(o.value!) };
    }
    case 8:
      return { op: "tuple_must_exist", tuple };
    case 9:
      return { op: "tuple_must_not_exist", tuple };
    default:
      throw new Error(`op ${o.op}`);
  }
}

function conditionOf(c: GoldenOp["condition"]): CanonicalCondition {
  switch (c.type) {
    case 1:
      return { kind: "must_not_exist" };
    case 2:
      return { kind: "must_exist" };
    case 3:
      return { kind: "version_equals", version: c.version };
    case 4:
      return { kind: "value_equals", value: commitment(c.value) };
    default:
      return { kind: "none" };
  }
}
