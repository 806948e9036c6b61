/**
 * A page store that loses power while it flushes: what is found is the state of one moment, its applied index included
 * (INV-FLUSH-1; museum row 20).
 */
import {
  type DiskFault,
  FaultyDisk,
  MemoryDisk,
  nodeClock,
  nodeTimers,
  SeededRandom,
} from "@authledger/io";
import type * as store from "@authledger/store";
import { Violation } from "../core/violation.js";

export type StoreModule = Pick<typeof store, "PageStore">;

/** With their values more than a page holds, so that a root that was written may lead to pages that were not. */
const KEYS = 40;
const VALUE_BYTES = 90;
const CHANGES: ReadonlySet<string> = new Set(["write", "sync"]);

interface Moment {
  readonly disk: MemoryDisk;
  /** Applied index of the newest flush that has ended, and of the newest that was begun. */
  readonly flushed: number;
  readonly begun: number;
}

/** Every entry writes one key; power is lost before writes and syncs of the flushes. @throws Violation */
export async function loseStorePower(module: StoreModule, seed: number): Promise<void> {
  await run(module, seed, () => undefined);
}

/** A sync of the store fails; a flush that ended all the same must be durable. @throws Violation */
export async function failStoreSync(module: StoreModule, seed: number): Promise<void> {
  let failAt = 3 + (seed % 8);
  await run(module, seed, (kind) =>
    kind === "sync" && failAt-- === 0 ? { kind: "fail" } : undefined,
  );
}

async function run(
  module: StoreModule,
  seed: number,
  faultAt: (kind: string) => DiskFault | undefined,
): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new MemoryDisk();
  const moments: Moment[] = [];
  let flushed = 0;
  let begun = 0;
  const watched = new FaultyDisk(disk, ({ kind }) => {
    if (CHANGES.has(kind)) moments.push({ disk: disk.fork(), flushed, begun });
    return faultAt(kind);
  });
  const opened = await open(module, watched, random);
  const table = opened.table(1, "rows");
  try {
    for (let index = 1; index <= 60; ) {
      for (let i = random.between(1, 6); i > 0; i--) {
        table.put(keyOf(index), bytesOf(index));
        index++;
      }
      begun = index - 1;
      const flush = opened.flush(appliedAt(begun));
      // The next entries are applied while this is on its way.
      table.put(keyOf(index), bytesOf(index));
      index++;
      await flush;
      flushed = begun;
    }
  } catch {
    // A store that has failed says so; what it has flushed before counts.
  }
  moments.push({ disk: disk.fork(), flushed, begun });
  for (const moment of moments) await mustHold(module, moment, random);
}

async function mustHold(module: StoreModule, moment: Moment, random: SeededRandom): Promise<void> {
  const unsynced = random.pick(["random", "lost", "kept"] as const);
  const found = moment.disk.crash(random, { unsynced });
  const opened = await open(module, found, random);
  const { index: applied } = opened.applied;
  const { flushed, begun } = moment;
  if (applied < flushed || applied > begun) {
    throw new Violation("a flush that has ended is there after a crash", {
      applied,
      flushed,
      begun,
    });
  }
  const table = opened.table(1, "rows");
  for (let key = 0; key < KEYS; key++) {
    const written = newestOf(key, applied);
    const value = table.get(Uint8Array.of(key))?.[0] ?? 0;
    if (value === written) continue;
    throw new Violation("a state and its applied index are of one moment (museum row 20)", {
      applied,
      key,
      value,
      written,
    });
  }
  await opened.close();
}

/** The entry that wrote a key last, of those up to `applied`. */
function newestOf(key: number, applied: number): number {
  for (let index = applied; index > 0; index--) if (index % KEYS === key) return index;
  return 0;
}

function keyOf(index: number): Uint8Array {
  return Uint8Array.of(index % KEYS);
}

function bytesOf(index: number): Uint8Array {
  return new Uint8Array(VALUE_BYTES).fill(index);
}

function appliedAt(index: number): store.AppliedState {
  return { index, term: 1, configIndex: 0, leaderTimeMs: index, digest: new Uint8Array(32) };
}

function open(
  module: StoreModule,
  disk: MemoryDisk | FaultyDisk,
  random: SeededRandom,
): Promise<store.PageStore> {
  const identity = { groupId: 1, incarnation: new Uint8Array(16).fill(7) };
  const options = { path: "/data/state.db", cacheBytes: 256 * 512, pageBytes: 512, ...identity };
  return module.PageStore.open(options, { disk, random, clock: nodeClock, timers: nodeTimers });
}
