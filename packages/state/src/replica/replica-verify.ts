/**
 * Checks a state that was loaded from another replica before it is used.
 *
 *   INV-REPLICA-3  A loaded state is used only when every vault's state root, computed from its records alone, is
 *                  that of its newest header.
 *
 * The checks of the stream say that it is what the other replica sent; this one says that the other replica had a
 * state that its signed heads are of. Branches, indexes and past states are left to the scrubber.
 */
import { BUCKETS, decodeHeader, RecordHasher, TrieHasher } from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import { equalBytes, HASH_BYTES, type Hasher, LedgerError, toHex } from "@authledger/types";
import { GroupState } from "../group-state.js";
import type { Finding } from "../scrub/difference.js";
import { scrubRoot } from "../scrub/scrub-root.js";
import { rowsUnder, type ScrubView } from "../scrub/scrub-view.js";
import { TrieFolder } from "../scrub/trie-folder.js";
import { bucketKey, heightKey, readU32, type Tables, u32Key } from "../tables.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "../trie/leaf-row.js";
import { isGone, type VaultRow } from "../vault-rows.js";
import type { ReplicaHead } from "./replica-sections.js";

/** Leaves between two steps: some 2 ms. */
const LEAVES_PER_STEP = 512;
const NO_ROOT: Uint8Array = new Uint8Array(HASH_BYTES);
const DISK_FAILURES: ReadonlySet<string> = new Set(["IO_READ_FAILED", "STORE_CLOSED"]);

/**
 * Yields after some milliseconds of work; nobody writes to the store meanwhile.
 * @throws LedgerError SNAPSHOT_CORRUPT
 */
export function* verifyReplica(
  store: PageStore,
  start: Pick<ReplicaHead, "configuration">,
  hasher: Hasher,
): Generator<void, void> {
  try {
    const state = new GroupState(store, hasher);
    if (!equalBytes(state.configuration ?? new Uint8Array(0), start.configuration)) {
      throw refused("its head has another configuration than its rows");
    }
    yield* verify(state, store, hasher);
  } catch (error) {
    const failure = LedgerError.from(error);
    if (failure.code === "SNAPSHOT_CORRUPT" || DISK_FAILURES.has(failure.code)) throw failure;
    // Rows that cannot be read at all: nobody has looked at them before.
    throw refused(failure.message);
  }
}

function* verify(state: GroupState, store: PageStore, hasher: Hasher): Generator<void, void> {
  if (state.cluster === undefined) throw refused("it names no cluster");
  const pages = store.scrubPages();
  for (let found = pages.step(); found !== undefined; found = pages.step()) {
    const [first] = found;
    if (first !== undefined) throw refused(`page ${first.page} of ${first.table}: ${first.what}`);
    yield;
  }
  // The tables themselves are their view: nobody writes.
  const view: ScrubView = (table) => table;
  for (let id = 0; id < state.rows.vaultCount; id++) {
    const vault = state.rows.vault(id);
    if (vault === undefined || isGone(vault)) continue;
    const finding = yield* vaultFinding(vault, state.tables, hasher, view);
    if (finding !== undefined) throw refused(describe(vault, finding), vault, finding);
  }
}

function* vaultFinding(
  vault: VaultRow,
  tables: Tables,
  hasher: Hasher,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const records = new RecordHasher(hasher, vault.salt);
  const trie = new TrieHasher(hasher);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const finding = yield* bucketFinding({ vault, bucket, tables, records, trie }, view);
    if (finding !== undefined) return finding;
  }
  const tip = view(tables.tip).get(u32Key(vault.id))?.slice();
  const last = lastHeader(vault.id, tables);
  if (tip === undefined || last === undefined || !equalBytes(tip, last)) {
    return { area: "header", what: "the newest header is not the last one of its history" };
  }
  return scrubRoot(vault, tables, hasher, view);
}

function* bucketFinding(
  { vault, bucket, tables, records, trie }: BucketPlace,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const prefix = leafKeyBuffer(vault.id).subarray(0, PATH_AT + 1);
  prefix[PATH_AT] = bucket;
  const folder = new TrieFolder(trie, () => undefined);
  const own = new Uint8Array(HASH_BYTES);
  let count = 0;
  for (const { key, value } of rowsUnder(view(tables.leaf), prefix)) {
    const path = key.slice(PATH_AT);
    const at = { area: "leaf", bucket, path: toHex(path) } as const;
    if (value.length <= HASH_BYTES) return { ...at, what: "its row is too short for a record" };
    trie.leafInto(path, records.hash(recordOfRow(value)), own, 0);
    const hash = value.slice(0, HASH_BYTES);
    if (!equalBytes(own, hash)) return { ...at, what: "its hash is not that of its record" };
    folder.add(path, hash);
    if (++count % LEAVES_PER_STEP === 0) yield;
  }
  const root = folder.finish();
  const row = view(tables.bucket).get(bucketKey(vault.id, bucket));
  const stored = row === undefined ? { count: 0, root: NO_ROOT } : bucketOf(row);
  const isRight = stored.count === count && equalBytes(stored.root, root?.hash ?? NO_ROOT);
  if (isRight) return undefined;
  return { area: "bucket", bucket, what: "its row is not what its leaves make" };
}

interface BucketPlace {
  readonly vault: VaultRow;
  readonly bucket: number;
  readonly tables: Tables;
  readonly records: RecordHasher;
  readonly trie: TrieHasher;
}

function bucketOf(row: Uint8Array): { readonly count: number; readonly root: Uint8Array } {
  return { count: readU32(row), root: row.slice(4, 4 + HASH_BYTES) };
}

/** The newest row of a vault's headers. */
function lastHeader(vault: number, tables: Tables): Uint8Array | undefined {
  const tip = tables.tip.get(u32Key(vault))?.slice();
  if (tip === undefined) return undefined;
  const cursor = tables.header.cursor();
  let last: Uint8Array | undefined;
  for (let ok = cursor.seek(heightKey(vault, decodeHeader(tip).height)); ok; ok = cursor.next()) {
    if (readU32(cursor.key) !== vault) break;
    last = cursor.value.slice();
  }
  return last;
}

function describe(vault: VaultRow, { area, bucket, path, what }: Finding): string {
  const place = [
    `vault ${vault.organizationSlug}/${vault.slug}`,
    ...(bucket === undefined ? [] : [`bucket ${bucket}`]),
    ...(path === undefined ? [] : [`path ${path}`]),
  ];
  return `${area} of ${place.join(", ")}: ${what}`;
}

function refused(why: string, vault?: VaultRow, finding?: Finding): LedgerError {
  const { bucket, path } = finding ?? {};
  const details = {
    ...(vault && { organization: String(vault.organizationSlug), vault: String(vault.slug) }),
    ...(bucket !== undefined && { bucket }),
    ...(path !== undefined && { path }),
  };
  return new LedgerError("SNAPSHOT_CORRUPT", `the replica's snapshot was refused: ${why}`, {
    details,
  });
}
