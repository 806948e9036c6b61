/**
 * Looks behind the backs of the nodes: what would be left of a write if all machines lost power at the moment it is answered?
 *
 *   INV-SIM-28  When a write is answered, a majority of the voters holds it on the platter: in the synced log, or in the synced
 *               page store.
 */
import { type MemoryDisk, SeededRandom } from "@authledger/io";
import { checkStore } from "@authledger/store";
import { groupId, utf8 } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { DATA } from "./machine.js";

const GROUP = groupId(1);
const INERT = {
  random: new SeededRandom(7),
  clock: { nowMs: () => 0, monotonicMs: () => 0 },
  timers: { after: () => () => undefined, yield: () => Promise.resolve() },
};

/** Whether a write would be found on a disk that loses everything that is not synced. `index`: not before its entry. */
export async function isDurable(
  platter: MemoryDisk,
  write: { readonly id: string; readonly index: number },
): Promise<boolean> {
  const left = platter.crash(new SeededRandom(1), { unsynced: "lost" });
  left.capacityBytes = Number.POSITIVE_INFINITY;
  if (await isInLog(left, write)) return true;
  const path = `${DATA}/groups/1/state.db`;
  return (await left.exists(path)) && (await checkStore(left, path)).appliedIndex >= write.index;
}

async function isInLog(
  disk: MemoryDisk,
  { id, index }: { readonly id: string; readonly index: number },
): Promise<boolean> {
  const options = { directory: `${DATA}/wal`, voters: "many" } as const;
  const wal = await Wal.open(options, { disk, ...INERT }).catch(() => undefined);
  const log = wal?.group(GROUP);
  if (log === undefined) return false;
  // As an entry carries it, with its length.
  const name = Buffer.concat([Uint8Array.of(0, id.length), utf8(id)]);
  for (let at = Math.min(index, log.lastIndex); at >= log.firstIndex; at--) {
    if (Buffer.from(log.entry(at)!.payload).includes(name)) return true;
  }
  return false;
}
