/** What a start makes of a state that was being put in place. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { groupId } from "@authledger/types";
import { Wal, type WalRecord } from "@authledger/wal";
import { expect, test } from "vitest";
import { finishSwitch, type StateSwitch } from "../../src/cluster/state-switch.js";
import { TestTime } from "../engine-support.js";

const GROUP = groupId(1);
const DIRECTORY = "/snapshots";

/** A log with entries of term 1 up to 12 that knows a snapshot of entry 9. */
async function logWith(disk: MemoryDisk): Promise<Wal> {
  const time = new TestTime();
  const deps = { disk, clock: time, timers: time, random: new SeededRandom(1) };
  const wal = await Wal.open(
    { directory: "/wal", voters: "many", segmentBytes: 64 * 1024 },
    { ...deps, onFatal: () => undefined },
  );
  await wal.append([
    { kind: "group", group: GROUP, action: "create" },
    { kind: "hard-state", group: GROUP, term: 1, vote: undefined },
  ]);
  const entries = Array.from({ length: 12 }, (_, i): WalRecord => {
    return { kind: "entry", group: GROUP, index: i + 1, term: 1, payload: new Uint8Array(10) };
  });
  await wal.append(entries);
  await wal.append([{ kind: "snapshot", group: GROUP, ...stateOf(9, 1) }]);
  return wal;
}

function stateOf(index: number, uuid: number, term = 1): StateSwitch {
  return { uuid: new Uint8Array(16).fill(uuid), index, term, configuration: new Uint8Array(0) };
}

/**
 * The story: a replica was rebuilt with a state of entry 900, and the power went; the start wrote that down. It was rebuilt with
 * another one of entry 850, and the power went again: the log refused a snapshot older than the one it knew, at every start.
 */
test.each([
  ["of an earlier entry than another before", 8, 1, 9, 1],
  ["of a later entry that the log has", 11, 1, 9, 1],
  ["of an entry that the log has not", 20, 1, 20, 21],
  ["of an entry that the log has of another term", 11, 2, 11, 12],
] as const)(
  "a switch to a state %s is ended, with a record where the log needs one (INV-REPLICA-7)",
  async (_, index, term, known, first) => {
    const disk = new MemoryDisk();
    await disk.makeDirectory(DIRECTORY);
    const wal = await logWith(disk);
    const begun = stateOf(index, 2, term);
    const onAlarm = (): void => undefined;
    await finishSwitch(begun, begun.uuid, GROUP, { disk, wal, directory: DIRECTORY, onAlarm });
    const log = wal.group(GROUP)!;
    expect([log.snapshot!.index, log.firstIndex]).toEqual([known, first]);
    await wal.close();
  },
);
