/** What the tests of snapshots share: parts of one, and a directory restored from them. */
import { type MemoryDisk, NodeHasher, SeededRandom } from "@authledger/io";
import type { RestoredVault } from "@authledger/state";
import { type Engine, restoreDirectory, snapshotChunks } from "../src/index.js";
import { DIRECTORY, TestTime } from "./engine-support.js";

export async function snapshotOf(engine: Engine): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of snapshotChunks(engine)) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

async function* partsOf(snapshot: Uint8Array, step = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < snapshot.length; at += step) yield snapshot.subarray(at, at + step);
}

/** Restores into a directory of a disk; what became of the vaults. */
export async function restoreOnto(
  disk: MemoryDisk,
  snapshot: Uint8Array,
  more: { readonly incarnation?: number; readonly seed?: number; readonly step?: number } = {},
): Promise<readonly RestoredVault[]> {
  const vaults: RestoredVault[] = [];
  const time = new TestTime();
  await restoreDirectory(
    {
      directory: DIRECTORY,
      cacheBytes: 1 << 20,
      logSegmentBytes: 256 * 1024,
      incarnation: more.incarnation,
    },
    partsOf(snapshot, more.step),
    {
      disk,
      clock: time,
      timers: time,
      random: new SeededRandom(more.seed ?? 99),
      hasher: new NodeHasher(),
      lock: async () => ({ release: async () => undefined }),
    },
    { progressed: () => undefined, restored: (vault) => void vaults.push(vault) },
  );
  return vaults;
}
