/**
 * A node puts another replica's state in the place of its own and loses power at any operation: a new state that the log
 * does not know of yet is announced, so that the next start can tell the log (INV-REPLICA-7; museum row 20).
 */
import { type Disk, FaultyDisk, MemoryDisk, readFile, SeededRandom } from "@authledger/io";
import { Violation } from "../core/violation.js";

interface StateSwitch {
  readonly uuid: Uint8Array;
  readonly index: number;
  readonly term: number;
  readonly configuration: Uint8Array;
}

/** The part of the engine's `cluster/state-switch.ts` that is asked here; the engine's door does not show it. */
export interface SwitchModule {
  readonly switchFiles: (
    disk: Disk,
    paths: { readonly loaded: string; readonly state: string },
    to: StateSwitch,
  ) => Promise<void>;
  readonly unfinishedSwitch: (disk: Disk, directory: string) => Promise<StateSwitch | undefined>;
}

const GROUP = "/data/groups/1";
const SNAPSHOTS = `${GROUP}/snapshots`;
const STATE = `${GROUP}/state.db`;
const LOADED = `${SNAPSHOTS}/loaded.db`;
const OLD = 1;
const NEW = 2;

/** @throws Violation */
export async function switchStates(module: SwitchModule, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new MemoryDisk();
  await put(disk, STATE, OLD);
  await put(disk, LOADED, NEW);
  await disk.syncDirectory(GROUP);
  await disk.syncDirectory(SNAPSHOTS);
  const moments: MemoryDisk[] = [];
  const watched = new FaultyDisk(disk, () => {
    moments.push(disk.fork());
    return undefined;
  });
  const to = { uuid: random.bytes(16), index: 9, term: 2, configuration: random.bytes(8) };
  await module.switchFiles(watched, { loaded: LOADED, state: STATE }, to);
  moments.push(disk.fork());
  for (const moment of moments) {
    const found = moment.crash(random, { unsynced: random.pick(["random", "lost", "kept"]) });
    const [which] = await readFile(found, STATE);
    const announced = await module.unfinishedSwitch(found, SNAPSHOTS);
    if (which === OLD || (which === NEW && announced?.index === to.index)) continue;
    throw new Violation("INV-REPLICA-7: a new state comes with word of its index", {
      which,
      announced: announced?.index,
    });
  }
}

async function put(disk: MemoryDisk, path: string, content: number): Promise<void> {
  const file = await disk.open(path, { create: true });
  await file.write([Uint8Array.of(content)], 0);
  await file.datasync();
  await file.close();
}
