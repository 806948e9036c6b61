/** In which order the log writes, syncs and renames: every operation of a run with rotations and reuse. */
import { type DiskOperation, FaultyDisk, MemoryDisk, SeededRandom } from "@authledger/io";
import { groupId } from "@authledger/types";
import type { WalRecord } from "@authledger/wal";
import { beforeAll, describe, expect, test } from "vitest";
import { errorOf, openWal, settle, testDeps } from "../wal-support.js";

const GROUP = groupId(5);
const SEGMENT_BYTES = 16 * 1024;
const HEADER_BYTES = 4096;
const CREATE: WalRecord = { kind: "group", group: GROUP, action: "create" };

function entry(index: number, bytes = 3000): WalRecord {
  return {
    kind: "entry",
    group: GROUP,
    index,
    term: 1,
    payload: new Uint8Array(bytes).fill(index),
  };
}

/** What happened: an operation on the disk, or an append that resolved. */
type Event =
  | Pick<DiskOperation, "kind" | "path" | "position" | "length">
  | { readonly kind: "acked" };

let events: Event[];
/** A rename's target, by the number of its event. */
let targets: Map<number, string>;

beforeAll(async () => {
  events = [];
  targets = new Map();
  const disk = new RenameWatch(new MemoryDisk(), (operation) => {
    events.push(operation);
    return undefined;
  });
  const wal = await openWal(disk, { segmentBytes: SEGMENT_BYTES });
  await wal.append([CREATE]);
  for (let index = 1; index <= 40; index++) {
    const sent = wal.append([entry(index)]).then(() => events.push({ kind: "acked" }));
    for (let turn = index % 5; turn > 0; turn--) await Promise.resolve();
    await sent;
    wal.release(GROUP, index - 1);
    if (index % 3 === 0) await settle(2);
  }
  expect(wal.stats().segmentsReused).toBeGreaterThan(5);
  await wal.close();
});

/** Tells where renames go, which a plan is not told. */
class RenameWatch extends FaultyDisk {
  override rename(from: string, to: string): Promise<void> {
    targets.set(events.length, to);
    return super.rename(from, to);
  }
}

const isSegment = (path: string) => /wal-[0-9a-f]{16}\.seg$/.test(path);

/** Runs over the events of segments of the log, with the unsynced writes of each. */
function walk(
  check: (event: Event, unsynced: ReadonlyMap<string, readonly number[]>) => void,
): void {
  const unsynced = new Map<string, number[]>();
  for (const event of events) {
    check(event, unsynced);
    if (event.kind === "acked") continue;
    if (event.kind === "write") {
      unsynced.set(event.path, [...(unsynced.get(event.path) ?? []), event.position]);
    } else if (event.kind === "sync") unsynced.delete(event.path);
  }
}

const isLogWrite = (event: Event): event is DiskOperation =>
  event.kind === "write" && "path" in event && isSegment(event.path);

describe("on disk", () => {
  test("a segment's header is synced before its first batch is written (INV-WAL-1)", () => {
    const headers = new Set<string>();
    walk((event, unsynced) => {
      if (!isLogWrite(event)) return;
      const { path, position } = event;
      if (position < HEADER_BYTES) headers.add(path);
      else if (headers.has(path)) expect(unsynced.get(path) ?? []).not.toContain(0);
    });
    expect(headers.size).toBeGreaterThan(5);
  });

  test("a batch is written only after the one before it was synced, and an append resolves after that (INV-WAL-4)", () => {
    let batches = 0;
    walk((event, unsynced) => {
      const open = [...unsynced].filter(([path]) => isSegment(path)).flatMap(([, at]) => at);
      if (event.kind === "acked") expect(open).toEqual([]);
      if (!isLogWrite(event) || event.position < HEADER_BYTES) return;
      expect(open).toEqual([]);
      batches++;
    });
    expect(batches).toBeGreaterThanOrEqual(40);
  });

  test("a file is written to only under a segment's name that is durable (INV-SEGPOOL-1)", () => {
    const pending = new Set<string>();
    let named = 0;
    events.forEach((event, i) => {
      if (event.kind === "rename") {
        const to = targets.get(i)!;
        if (isSegment(to)) pending.add(to);
      } else if (event.kind === "sync-directory") pending.clear();
      else if (isLogWrite(event)) {
        expect([...pending]).not.toContain(event.path);
        named++;
      }
    });
    expect(named).toBeGreaterThan(40);
  });

  test("a file gets a segment's name only when it was filled and synced to its end (INV-SEGPOOL-2)", () => {
    const bytes = new Map<string, number>();
    let number = -1;
    let named = 0;
    walk((event, unsynced) => {
      number++;
      if (event.kind === "write" && "path" in event) {
        bytes.set(event.path, Math.max(bytes.get(event.path) ?? 0, event.position + event.length));
      }
      if (event.kind !== "rename") return;
      const to = targets.get(number)!;
      bytes.set(to, bytes.get(event.path) ?? 0);
      if (!isSegment(to)) return;
      expect([bytes.get(to), unsynced.has(event.path)]).toEqual([SEGMENT_BYTES, false]);
      named++;
    });
    expect(named).toBeGreaterThan(10);
  });

  test("no file is given a name that one has, and no number is used twice (INV-SEGPOOL-3)", () => {
    const names = [...targets.values()].filter(isSegment);
    expect(new Set(names).size).toBe(names.length);
    expect([...names].sort()).toEqual(names);
    expect(names.length).toBeGreaterThan(10);
  });
});

/** ATC'20: after a failed sync the page cache shows what the disk does not have. */
test("what an open serves survives the next loss of power, also where a sync had failed before (INV-WAL-7)", async () => {
  const below = new MemoryDisk();
  const disk = new FaultyDisk(below, () => undefined);
  const deps = testDeps(disk, 1, () => undefined);
  const wal = await openWal(disk, { segmentBytes: 4 * SEGMENT_BYTES }, deps);
  await wal.append([CREATE, entry(1)]);
  await settle(20);
  disk.plan = ({ kind, path }) =>
    kind === "sync" && isSegment(path) ? { kind: "fail" } : undefined;
  expect((await errorOf(wal.append([entry(2)]))).code).toBe("SYNC_FAILED");
  // The process dies, the machine goes on: its memory still has the batch.
  const again = await openWal(below);
  const { lastIndex } = again.group(GROUP)!;
  expect(lastIndex).toBe(2);
  const random = new SeededRandom(1);
  for (const unsynced of ["lost", "kept", "random"] as const) {
    const after = await openWal(below.crash(random, { unsynced }));
    expect(after.group(GROUP)!.lastIndex).toBe(lastIndex);
    expect(after.group(GROUP)!.entry(2)!.payload[0]).toBe(2);
  }
});

test("until a new file has its name, an open has changed nothing of the log (INV-WAL-8)", async () => {
  const disk = new MemoryDisk();
  const wal = await openWal(disk, { segmentBytes: SEGMENT_BYTES });
  await wal.append([CREATE, entry(1)]);
  await wal.append([entry(2)]);
  const before = await segmentsOf(disk);
  let renames = 0;
  let looked = 0;
  const watched = new FaultyDisk(disk, ({ kind, path }) => {
    const isTouched = kind === "write" || kind === "truncate" || kind === "remove";
    if (renames === 0 && isTouched) {
      looked++;
      expect(before.has(path)).toBe(false);
    }
    if (kind === "rename") renames++;
    return undefined;
  });
  await openWal(watched);
  expect([looked > 0, renames > 0]).toEqual([true, true]);
});

/** Segments with a header, which are those of the log. */
async function segmentsOf(disk: MemoryDisk): Promise<Set<string>> {
  const paths = new Set<string>();
  for (const name of await disk.list("/data/wal")) {
    const path = `/data/wal/${name}`;
    const head = new Uint8Array(8);
    (await disk.open(path)).readSync(head, 0);
    if (head[0] === 0x89) paths.add(path);
  }
  return paths;
}
