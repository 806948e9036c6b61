/**
 * Recomputes one bucket of a vault from its records: leaf hashes, paths, twins, values, branches, bucket row.
 *
 *   INV-SCRUB-1  Everything is computed from records and compared with what is stored; nothing stored is taken
 *                as an argument for something else that is stored (commitment.md, "Scrubber").
 */
import {
  commitToValue,
  copyPrefix,
  decodeRecord,
  Kind,
  type LedgerRecord,
  NONCE_BYTES,
  PATH_BYTES,
  PathHasher,
  RecordHasher,
  TrieHasher,
  twinOf,
  type ValueCommitment,
} from "@authledger/proof";
import { equalBytes, HASH_BYTES, type Hasher, LedgerError, toHex } from "@authledger/types";
import { bucketKey, readU32, type Tables } from "../tables.js";
import { branchKey } from "../trie/branch-row.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "../trie/leaf-row.js";
import { SMALL_LEAVES_MAX } from "../trie/trie-updater.js";
import type { VaultRow } from "../vault-rows.js";
import type { Finding, ScrubCounts } from "./difference.js";
import { missingIndexRow } from "./scrub-record-indexes.js";
import { rowsUnder, type ScrubView } from "./scrub-view.js";
import { type FoldedBranch, TrieFolder } from "./trie-folder.js";

const COUNTS_AT = 2 * HASH_BYTES;
const NO_ROOT: Uint8Array = new Uint8Array(HASH_BYTES);

export interface BucketScrubDeps {
  readonly tables: Tables;
  readonly hasher: Hasher;
  readonly counts: ScrubCounts;
}

/** Hashes of one vault, made once for all its buckets. */
export class BucketScrubber {
  readonly #vault: VaultRow;
  readonly #deps: BucketScrubDeps;
  readonly #paths: PathHasher;
  readonly #records: RecordHasher;
  readonly #trie: TrieHasher;

  constructor(vault: VaultRow, deps: BucketScrubDeps) {
    this.#vault = vault;
    this.#deps = deps;
    this.#paths = new PathHasher(deps.hasher, vault.salt);
    this.#records = new RecordHasher(deps.hasher, vault.salt);
    this.#trie = new TrieHasher(deps.hasher);
  }

  /** Yields after every row; the first finding ends it. */
  *run(bucket: number, view: ScrubView): Generator<void, Finding | undefined> {
    const { leaf } = this.#deps.tables;
    const branches: FoldedBranch[] = [];
    const folder = new TrieFolder(this.#trie, (branch) => branches.push(branch));
    const known = new Set<string>();
    for (const { key, value } of rowsUnder(view(leaf), this.#prefix(bucket))) {
      const path = key.slice(PATH_AT);
      const row = value.slice();
      this.#deps.counts.leaves++;
      const what = this.#leafProblem(path, row, view);
      if (what !== undefined)
        return { area: what.area, bucket, path: toHex(path), what: what.text };
      folder.add(path, row.subarray(0, HASH_BYTES));
      const finding = this.#checkBranches(bucket, branches.splice(0), known, view);
      if (finding !== undefined) return finding;
      yield;
    }
    const root = folder.finish();
    const finding =
      this.#checkBranches(bucket, branches, known, view) ??
      this.#bucketProblem(bucket, root?.count ?? 0, root?.hash ?? NO_ROOT, view);
    if (finding !== undefined) return finding;
    return (yield* this.#extraBranches(bucket, known, view)) ?? (yield* this.#values(bucket, view));
  }

  #prefix(bucket: number): Uint8Array {
    const key = leafKeyBuffer(this.#vault.id);
    key[PATH_AT] = bucket;
    return key.subarray(0, PATH_AT + 1);
  }

  #leafKey(path: Uint8Array): Uint8Array {
    const key = leafKeyBuffer(this.#vault.id);
    key.set(path, PATH_AT);
    return key;
  }

  #leafProblem(
    path: Uint8Array,
    row: Uint8Array,
    view: ScrubView,
  ): { readonly area: "leaf" | "value" | "index"; readonly text: string } | undefined {
    const record = readRecord(row);
    if (typeof record === "string") return { area: "leaf", text: record };
    const own = this.#paths.path(record.key);
    if (!equalBytes(own, path)) {
      return { area: "leaf", text: `its record belongs to path ${toHex(own)}` };
    }
    const hash = new Uint8Array(HASH_BYTES);
    this.#trie.leafInto(path, this.#records.hash(recordOfRow(row)), hash, 0);
    if (!equalBytes(hash, row.subarray(0, HASH_BYTES))) {
      return { area: "leaf", text: "its hash is not that of its record" };
    }
    const twin = isTuple(record) ? this.#twinProblem(record, view) : undefined;
    if (twin !== undefined) return { area: "leaf", text: twin };
    const value = this.#valueProblem(path, record, view);
    if (value !== undefined) return { area: "value", text: value };
    const index = missingIndexRow(this.#vault.id, path, record, this.#deps.tables, view);
    return index === undefined ? undefined : { area: "index", text: index };
  }

  /** Both directions of a tuple are there, and equal in everything but the direction. */
  #twinProblem(record: LedgerRecord, view: ScrubView): string | undefined {
    const path = this.#paths.path(twinOf(record.key));
    const direction = record.key.kind === Kind.tupleByResource ? "subject" : "resource";
    const name = `its twin by ${direction} at path ${toHex(path)}`;
    const row = view(this.#deps.tables.leaf).get(this.#leafKey(path));
    if (row === undefined) return `${name} is missing`;
    const twin = readRecord(row);
    if (typeof twin === "string") return `${name} cannot be read`;
    if (twin.version !== record.version)
      return `${name} has version ${twin.version}, not ${record.version}`;
    if (twin.expiresAtMs !== record.expiresAtMs) return `${name} has another expiry`;
    return equalValues(twin.value, record.value) ? undefined : `${name} has another value`;
  }

  #valueProblem(path: Uint8Array, record: LedgerRecord, view: ScrubView): string | undefined {
    if (record.value === undefined || record.key.kind === Kind.tupleBySubject) return undefined;
    const row = view(this.#deps.tables.value).get(this.#leafKey(path));
    if (row === undefined) return "its value is missing";
    if (row.length < NONCE_BYTES) return "its value has no nonce";
    const { hasher } = this.#deps;
    const own = commitToValue(hasher, row.slice(0, NONCE_BYTES), row.slice(NONCE_BYTES));
    return equalValues(own, record.value)
      ? undefined
      : "its value is not what its record commits to";
  }

  #checkBranches(
    bucket: number,
    branches: readonly FoldedBranch[],
    known: Set<string>,
    view: ScrubView,
  ): Finding | undefined {
    for (const branch of branches) {
      if (branch.left.count + branch.right.count <= SMALL_LEAVES_MAX) continue;
      this.#deps.counts.branches++;
      const prefix = new Uint8Array(PATH_BYTES);
      copyPrefix(branch.path, branch.bit, prefix, 0, 0);
      const key = branchKey(this.#vault.id, prefix, 0, branch.bit);
      known.add(toHex(key));
      const what = branchProblem(view(this.#deps.tables.branch).get(key), branch);
      if (what === undefined) continue;
      const text = `branch at bit ${branch.bit}: ${what}`;
      return { area: "branch", bucket, path: toHex(prefix), what: text };
    }
    return undefined;
  }

  #bucketProblem(
    bucket: number,
    count: number,
    root: Uint8Array,
    view: ScrubView,
  ): Finding | undefined {
    const row = view(this.#deps.tables.bucket).get(bucketKey(this.#vault.id, bucket));
    const finding = (what: string): Finding => ({ area: "bucket", bucket, what });
    if (row === undefined) return count === 0 ? undefined : finding("its row is missing");
    if (readU32(row) !== count)
      return finding(`its row counts ${readU32(row)} leaves, there are ${count}`);
    if (equalBytes(row.subarray(4, 4 + HASH_BYTES), root)) return undefined;
    return finding("its row has another root than its leaves make");
  }

  /** INV-TRIE-2: rows of branches that the leaves do not make. */
  *#extraBranches(
    bucket: number,
    known: ReadonlySet<string>,
    view: ScrubView,
  ): Generator<void, Finding | undefined> {
    for (const { key } of rowsUnder(view(this.#deps.tables.branch), this.#prefix(bucket))) {
      if (!known.has(toHex(key))) {
        const path = toHex(key.subarray(PATH_AT, PATH_AT + 8));
        return { area: "branch", bucket, path, what: "a branch that the leaves do not make" };
      }
      yield;
    }
    return undefined;
  }

  /** Rows of values that no record commits to. */
  *#values(bucket: number, view: ScrubView): Generator<void, Finding | undefined> {
    for (const { key } of rowsUnder(view(this.#deps.tables.value), this.#prefix(bucket))) {
      const path = key.slice(PATH_AT);
      const row = view(this.#deps.tables.leaf).get(this.#leafKey(path));
      const record = row && readRecord(row);
      if (typeof record !== "object" || record.value === undefined) {
        return {
          area: "value",
          bucket,
          path: toHex(path),
          what: "a value that no record commits to",
        };
      }
      yield;
    }
    return undefined;
  }
}

/** The record of a row, or why it is none. */
function readRecord(row: Uint8Array): LedgerRecord | string {
  if (row.length <= HASH_BYTES) return "its row is too short for a record";
  try {
    return decodeRecord(recordOfRow(row).slice());
  } catch (error) {
    return `its record cannot be read: ${LedgerError.from(error).message}`;
  }
}

function isTuple({ key }: LedgerRecord): boolean {
  return key.kind === Kind.tupleByResource || key.kind === Kind.tupleBySubject;
}

function equalValues(a: ValueCommitment | undefined, b: ValueCommitment | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && equalBytes(a.digest, b.digest);
}

function branchProblem(
  row: Uint8Array | undefined,
  { left, right }: FoldedBranch,
): string | undefined {
  if (row === undefined) return "its row is missing";
  if (!equalBytes(row.subarray(0, HASH_BYTES), left.hash))
    return "its left hash is not that of its leaves";
  if (!equalBytes(row.subarray(HASH_BYTES, COUNTS_AT), right.hash)) {
    return "its right hash is not that of its leaves";
  }
  const counts = [readU32(row, COUNTS_AT), readU32(row, COUNTS_AT + 4)];
  if (counts[0] === left.count && counts[1] === right.count) return undefined;
  return `it counts ${counts.join(" and ")} leaves, there are ${left.count} and ${right.count}`;
}
