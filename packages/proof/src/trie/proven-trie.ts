/**
 * A pruned trie that was read from a proof, with its hashes computed: what it answers, and what it does not.
 *
 *   INV-PROVEN-1  For one root each key has at most one answer: absolute bit and whole prefix are in every
 *                 branch's hash, and the decoder has checked that what is shown lies where it must.
 *   INV-PROVEN-2  What the proof does not show is "insufficient", never "absent".
 *   INV-PROVEN-3  A walk over a list gives its records in path order and skips none: it ends before what is not shown.
 */
import { compareBytes, equalBytes } from "@authledger/types";
import { equalKeys, type LedgerKey } from "./key.js";
import { bitAt, firstDifferentBit, type PathHasher } from "./path.js";
import type { LedgerRecord } from "./record.js";
import { isListed, type ListQuery, listedSides, listTarget } from "./state-proof-encode.js";

export type ProvenNode = ProvenEmpty | ShownLeaf | HashedLeaf | ProvenBranch | PrunedNode;

interface ProvenEmpty {
  readonly kind: "empty";
  readonly hash: Uint8Array;
}

interface ShownLeaf {
  readonly kind: "shown";
  readonly path: Uint8Array;
  readonly record: LedgerRecord;
  /** Canonical bytes of the record. */
  readonly bytes: Uint8Array;
  readonly recordHash: Uint8Array;
  readonly hash: Uint8Array;
}

interface HashedLeaf {
  readonly kind: "hashed";
  readonly path: Uint8Array;
  readonly recordHash: Uint8Array;
  readonly hash: Uint8Array;
}

interface ProvenBranch {
  readonly kind: "branch";
  readonly bit: number;
  /** A path below, or the prefix: the first `bit` bits count. */
  readonly path: Uint8Array;
  readonly left: ProvenNode;
  readonly right: ProvenNode;
  readonly hash: Uint8Array;
}

/** A subtree of which only the hash is known. */
interface PrunedNode {
  readonly kind: "pruned";
  readonly hash: Uint8Array;
}

export interface ProvenBucket {
  readonly count: bigint;
  readonly node: ProvenNode;
}

export type GetAnswer =
  | { readonly kind: "present"; readonly record: LedgerRecord; readonly bytes: Uint8Array }
  | { readonly kind: "absent" }
  | { readonly kind: "insufficient" };

/** A record of a list and where it lies. */
export interface ListedRecord {
  readonly path: Uint8Array;
  readonly record: LedgerRecord;
  readonly bytes: Uint8Array;
}

export type ListAnswer =
  /** All of them, in path order; expiry is not applied. */
  | { readonly kind: "complete"; readonly records: readonly ListedRecord[] }
  | { readonly kind: "insufficient" };

/** How a walk over a list ended: at the list's end, or where the proof shows no more of it. */
export type WalkEnd = "complete" | "insufficient";

export class ProvenTrie {
  readonly total: bigint;
  readonly stateRoot: Uint8Array;
  readonly buckets: ReadonlyMap<number, ProvenBucket>;
  readonly #paths: PathHasher;

  constructor(
    total: bigint,
    stateRoot: Uint8Array,
    buckets: ReadonlyMap<number, ProvenBucket>,
    paths: PathHasher,
  ) {
    this.total = total;
    this.stateRoot = stateRoot;
    this.buckets = buckets;
    this.#paths = paths;
  }

  get(key: LedgerKey): GetAnswer {
    const path = this.#paths.path(key);
    let node = this.buckets.get(path[0]!)?.node;
    while (node?.kind === "branch") {
      if (firstDifferentBit(path, node.path) < node.bit) return { kind: "absent" };
      node = bitAt(path, node.bit) === 0 ? node.left : node.right;
    }
    if (node === undefined || node.kind === "pruned") return { kind: "insufficient" };
    if (node.kind === "empty" || !equalBytes(node.path, path)) return { kind: "absent" };
    if (node.kind === "hashed") return { kind: "insufficient" };
    if (!equalKeys(node.record.key, key)) return { kind: "absent" };
    return { kind: "present", record: node.record, bytes: node.bytes };
  }

  list(query: ListQuery): ListAnswer {
    const records: ListedRecord[] = [];
    const walk = this.walk(query);
    let step = walk.next();
    for (; step.done !== true; step = walk.next()) records.push(step.value);
    return step.value === "complete" ? { kind: "complete", records } : { kind: "insufficient" };
  }

  /**
   * A list, one record after the other in path order: nothing lies between what was given and the one before it. So who
   * stops early needs a proof of no more than what was taken.
   */
  *walk(query: ListQuery): Generator<ListedRecord, WalkEnd, undefined> {
    const target = listTarget(this.#paths, query);
    const bucket = this.buckets.get(target.prefix[0]!);
    if (bucket === undefined) return "insufficient";
    const open: ProvenNode[] = [bucket.node];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.kind === "branch") {
        const { left, right } = listedSides(target, node.bit, node.path);
        if (right) open.push(node.right);
        if (left) open.push(node.left);
      } else if (node.kind === "shown") {
        if (isItem(node, query) && isListed(target, node.path)) yield node;
      } else if (
        node.kind === "pruned" ||
        (node.kind === "hashed" && isListed(target, node.path))
      ) {
        return "insufficient";
      }
    }
    return "complete";
  }
}

function isItem({ record: { key } }: ListedRecord, query: ListQuery): boolean {
  return (
    key.kind === query.kind &&
    key.partition === query.partition &&
    (query.group === undefined || key.group === query.group)
  );
}

/** Is a record that was read still there at time T (milliseconds)? Expired and not yet collected is absent. */
export function isLive(record: { readonly expiresAtMs: bigint }, timeMs: number | bigint): boolean {
  return record.expiresAtMs === 0n || record.expiresAtMs > BigInt(timeMs);
}

/** The order of paths. */
export function comparePaths(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, b);
}
