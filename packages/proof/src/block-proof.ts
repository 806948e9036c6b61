/**
 * Re-executing a block without a database: from the records that it touches, proven against the state before
 * it, to the state root, leaf count and config_hash after it (commitment.md, "Stateless re-execution").
 */
import type { Hasher } from "@authledger/types";
import { configHash } from "./config-hash.js";
import { BlockExecutor, type NetChange } from "./execute.js";
import { reject } from "./rejection.js";
import type { CanonicalOp, CanonicalTransaction } from "./transaction.js";
import { entityKey, Kind, keyId, type LedgerKey, tupleKey, twinOf } from "./trie/key.js";
import { PathHasher } from "./trie/path.js";
import { comparePaths, type ProvenTrie } from "./trie/proven-trie.js";
import { type LeafChange, siblingsOf, updateProvenTrie } from "./trie/proven-update.js";
import { encodeRecord, RecordHasher, type StoredRecord } from "./trie/record.js";
import { verifyStateProof } from "./trie/state-proof-decode.js";
import type { ProofQuestions } from "./trie/state-proof-encode.js";

/** What a block's proof must show. */
export function blockQuestions(transactions: readonly CanonicalTransaction[]): ProofQuestions {
  const keys = new Map<string, LedgerKey>();
  let isConfigured = false;
  for (const op of transactions.flatMap(({ ops }) => ops)) {
    for (const key of keysOf(op)) keys.set(keyId(key), key);
    isConfigured ||= op.op === "set_record";
  }
  const lists = isConfigured ? [{ kind: Kind.ledgerRecord, partition: "ledger" }] : [];
  return { gets: [...keys.values()], lists };
}

function keysOf(op: CanonicalOp): LedgerKey[] {
  switch (op.op) {
    case "create_tuple":
    case "delete_tuple":
    case "expire_tuple":
      return [tupleKey(op.tuple), twinOf(tupleKey(op.tuple))];
    case "tuple_must_exist":
    case "tuple_must_not_exist":
      return [tupleKey(op.tuple)];
    case "set_entity":
    case "delete_entity":
    case "expire_entity":
      return [entityKey(op.key)];
    case "set_record":
      return [{ kind: Kind.ledgerRecord, partition: op.partition, group: op.group, item: op.item }];
    case "set_vault_head":
      return [];
  }
}

export interface BlockProofInput {
  readonly salt: Uint8Array;
  readonly vaultRef: Uint8Array;
  /** Of what the block changes: `versionAt` its height. */
  readonly version: number;
  readonly timestampMs: number;
  readonly transactions: readonly CanonicalTransaction[];
  /** State root and config_hash before the block. */
  readonly stateRoot: Uint8Array;
  readonly configHash: Uint8Array;
  /** LSP1 over `blockQuestions`. */
  readonly witness: Uint8Array;
}

export interface ExecutedBlock {
  readonly stateRoot: Uint8Array;
  readonly leafCount: bigint;
  readonly configHash: Uint8Array;
  /** Path and canonical record (absent: removed), in path order. */
  readonly changes: readonly {
    readonly path: Uint8Array;
    readonly record: Uint8Array | undefined;
  }[];
}

/** @throws LedgerError PROOF_INVALID: the witness is not of the state, does not show enough, or an operation fails */
export function executeBlock(hasher: Hasher, input: BlockProofInput): ExecutedBlock {
  const { salt, vaultRef } = input;
  const trie = verifyStateProof(input.witness, input.stateRoot, { hasher, salt, vaultRef });
  const executor = new BlockExecutor(
    { get: (key) => readShown(trie, key) },
    input.version,
    input.timestampMs,
  );
  for (const transaction of input.transactions) {
    if (transaction.timestampMs !== input.timestampMs) {
      throw reject("block", "a transaction has another time than its block");
    }
    const result = executor.run(transaction);
    if (result.kind === "rejected") {
      throw reject("block", `a transaction of the block fails: ${result.failure.condition}`);
    }
  }
  const changes = hashChanges(hasher, salt, executor.netChanges());
  const siblings = siblingsOf(input.witness, [...trie.buckets.keys()]);
  const after = updateProvenTrie(hasher, vaultRef, trie, siblings, changes);
  return {
    stateRoot: after.stateRoot,
    leafCount: after.total,
    configHash: configAfter(hasher, input, trie, changes),
    changes: changes.map(({ path, record }) => ({ path, record })),
  };
}

/** A record that the witness shows; one direction without its equal twin is refused. */
function readShown(trie: ProvenTrie, key: LedgerKey): StoredRecord | undefined {
  const answer = trie.get(key);
  if (answer.kind === "insufficient") throw reject("block", "the witness does not show a key");
  const record = answer.kind === "present" ? answer.record : undefined;
  if (key.kind !== Kind.tupleByResource) return record;
  const twin = trie.get(twinOf(key));
  if (twin.kind === "insufficient") return record;
  const other = twin.kind === "present" ? twin.record : undefined;
  if (!isTwin(record, other)) throw reject("twin", "a tuple is there in one direction only");
  return record;
}

function isTwin(a: StoredRecord | undefined, b: StoredRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const sameValue =
    a.value === undefined || b.value === undefined
      ? a.value === b.value
      : a.value.length === b.value.length && comparePaths(a.value.digest, b.value.digest) === 0;
  return a.version === b.version && a.expiresAtMs === b.expiresAtMs && sameValue;
}

interface HashedChange extends LeafChange {
  readonly key: LedgerKey;
  readonly record: Uint8Array | undefined;
}

function hashChanges(hasher: Hasher, salt: Uint8Array, net: readonly NetChange[]): HashedChange[] {
  const paths = new PathHasher(hasher, salt);
  const records = new RecordHasher(hasher, salt);
  const changes = net.map(({ key, before, after }) => {
    const record = after === undefined ? undefined : encodeRecord(key, after);
    const recordHash = record === undefined ? undefined : records.hash(record);
    return { key, path: paths.path(key), existed: before !== undefined, record, recordHash };
  });
  return changes.sort((a, b) => comparePaths(a.path, b.path));
}

/** config_hash after the block: as before, unless it set a record of the partition "ledger". */
function configAfter(
  hasher: Hasher,
  input: BlockProofInput,
  trie: ProvenTrie,
  changes: readonly HashedChange[],
): Uint8Array {
  const own = changes.filter(
    ({ key }) => key.kind === Kind.ledgerRecord && key.partition === "ledger",
  );
  if (own.length === 0) return input.configHash;
  const list = trie.list({ kind: Kind.ledgerRecord, partition: "ledger" });
  if (list.kind !== "complete")
    throw reject("block", "the witness does not show the configuration");
  const records = new RecordHasher(hasher, input.salt);
  const merged = list.records
    .filter(({ path }) => !own.some((change) => comparePaths(change.path, path) === 0))
    .map(({ path, bytes }) => ({ path, hash: records.hash(bytes) }));
  for (const { path, recordHash } of own) if (recordHash) merged.push({ path, hash: recordHash });
  merged.sort((a, b) => comparePaths(a.path, b.path));
  return configHash(
    hasher,
    merged.map(({ hash }) => hash),
  );
}
