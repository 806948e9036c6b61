/**
 * Resources of a type: from subtree to subtree of the leaves.
 *
 * There is no index of resources, so that writing a tuple costs nothing for it. All leaves of one partition share the
 * first 16 bytes of their paths, so a walk that has seen one leaf of a partition seeks behind all of them: it takes one
 * seek for each resource, subject and entity partition of the vault, however many tuples each has. Partitions lie in the
 * order of hashes, so a type is spread over all of them: a page looks at RESOURCE_SCAN_MAX, and may find nothing.
 */
import { decodeRecord, isLive, Kind, PARTITION_BITS, PATH_BYTES } from "@authledger/proof";
import type { StateView } from "./state-view.js";

/** Seeks and rows of one page: some 20 ms. */
const RESOURCE_SCAN_MAX = 10_000;

const PREFIX_BYTES = PARTITION_BITS / 8;

export interface ResourceQuery {
  /** The part in front of the colon. */
  readonly type: string;
  readonly timeMs: number;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly from: Uint8Array | undefined;
}

export interface ResourcePage {
  /** Those that a tuple that has not expired is about, in the order of their paths. */
  readonly resources: readonly string[];
  /** Path of the first leaf that was not looked at; absent at the end. */
  readonly next: Uint8Array | undefined;
}

export function listResources(
  state: StateView,
  { type, timeMs, limit, from }: ResourceQuery,
): ResourcePage {
  const resources: string[] = [];
  const wanted = `${type}:`;
  const cursor = state.leafCursor();
  let looked = 0;
  let ok = cursor.seek(from ?? new Uint8Array(PATH_BYTES));
  while (ok) {
    if (resources.length >= limit || looked++ >= RESOURCE_SCAN_MAX) {
      return { resources, next: cursor.path.slice() };
    }
    const found = cursor.record && decodeRecord(cursor.record);
    const isWanted =
      found?.key.kind === Kind.tupleByResource && found.key.partition.startsWith(wanted);
    if (isWanted && isLive(found, timeMs)) resources.push(found.key.partition);
    // A resource whose first tuples have expired, or are of another height, is looked at row by row, until one is not.
    const isSettled = found !== undefined && !(isWanted && !isLive(found, timeMs));
    const next = isSettled ? behindPartition(cursor.path) : undefined;
    if (isSettled && next === undefined) break;
    ok = next === undefined ? cursor.next() : cursor.seek(next);
  }
  return { resources, next: undefined };
}

/** The first path behind the partition of another one; undefined behind the last. */
function behindPartition(path: Uint8Array): Uint8Array | undefined {
  const next = new Uint8Array(PATH_BYTES);
  next.set(path.subarray(0, PREFIX_BYTES));
  for (let i = PREFIX_BYTES - 1; i >= 0; i--) {
    next[i] = (next[i]! + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}
