/**
 * A log of one voter whose disk misbehaves: it loses power at any moment, a sync fails, a bit flips. After each the log is
 * opened again and must hold what it has acknowledged (INV-WAL-9), or say that it is damaged where nothing else is true.
 */
import {
  type DiskFault,
  type DiskOperation,
  FaultyDisk,
  MemoryDisk,
  nodeClock,
  nodeTimers,
  SeededRandom,
} from "@authledger/io";
import { equalBytes, type GroupId, groupId, LedgerError } from "@authledger/types";
import type * as wal from "@authledger/wal";
import { Violation } from "../core/violation.js";

export type WalModule = Pick<typeof wal, "Wal">;

const DIRECTORY = "/data/wal";
/** Four batches of a block. */
const SEGMENT_BYTES = 32 * 1024;
const SEGMENT_BYTES_LARGE = 64 * 1024;
const GROUPS = [groupId(5), groupId(6)] as const;
const BLOCK = 4096;
const CHANGES: ReadonlySet<string> = new Set(["write", "sync", "rename", "sync-directory"]);

/** Entries of each group that were sent, and that were acknowledged. */
interface Known {
  readonly sent: ReadonlyMap<GroupId, number>;
  readonly acked: ReadonlyMap<GroupId, number>;
}

interface Moment extends Known {
  readonly disk: MemoryDisk;
}

/** Power is lost before writes, syncs and renames of a run with rotations. @throws Violation */
export async function losePower(module: WalModule, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const moments: Moment[] = [];
  const disk = new MemoryDisk();
  const writer = new Writer(random);
  const watched = new FaultyDisk(disk, ({ kind }) => {
    if (CHANGES.has(kind)) moments.push({ ...writer.known(), disk: disk.fork() });
    return undefined;
  });
  const log = await open(module, watched, random);
  await writer.begin(log);
  for (let burst = 0; burst < 8; burst++) await writer.burst(log);
  await log.close();
  for (const moment of moments) {
    if (random.chance(0.6)) continue;
    const unsynced = random.pick(["random", "lost", "kept"] as const);
    const found = moment.disk.crash(random, { unsynced, pieceBytes: random.pick([512, BLOCK]) });
    await mustHold(module, found, moment, random);
  }
}

/** One sync of the log fails; whatever is acknowledged afterwards is lost by no crash. @throws Violation */
export async function failSync(module: WalModule, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  let failAt = random.between(3, 20);
  const disk = new MemoryDisk();
  const fault = ({ kind, path }: DiskOperation): DiskFault | undefined =>
    kind === "sync" && path.endsWith(".seg") && failAt-- === 0 ? { kind: "fail" } : undefined;
  const writer = new Writer(random);
  const log = await open(module, new FaultyDisk(disk, fault), random);
  await writer.begin(log);
  for (let burst = 0; burst < 12 && log.failed === undefined; burst++) await writer.burst(log);
  await writer.burst(log);
  const found = disk.crash(random, { unsynced: "lost" });
  await mustHold(module, found, writer.known(), random);
}

/** A bit flips in a batch that others follow: the log must not be opened without it. @throws Violation */
export async function flipBit(module: WalModule, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new MemoryDisk();
  const writer = new Writer(random);
  const log = await open(module, disk, random, SEGMENT_BYTES_LARGE);
  await writer.begin(log);
  // Within one segment, so that no header tells where the damaged batch was.
  for (let i = 0; i < 3; i++) await writer.append(log, GROUPS[0], 100);
  const [name] = (await disk.list(DIRECTORY)).filter((file) => file.endsWith("1.seg"));
  const at = BLOCK * random.between(2, 4) + random.int(80);
  disk.corrupt(`${DIRECTORY}/${name}`, at, Uint8Array.of(1 << random.int(8)));
  const known = writer.known();
  try {
    await mustHold(module, disk, known, random);
  } catch (error) {
    if (error instanceof LedgerError && error.code === "WAL_CORRUPT") return;
    throw error;
  }
}

/** Appends entries, and remembers what became of them. */
class Writer {
  readonly #random: SeededRandom;
  readonly #sent = new Map<GroupId, number>();
  readonly #acked = new Map<GroupId, number>();

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  known(): Known {
    return { sent: new Map(this.#sent), acked: new Map(this.#acked) };
  }

  async begin(log: wal.Wal): Promise<void> {
    for (const group of GROUPS) await log.append([{ kind: "group", group, action: "create" }]);
  }

  /** One entry; one that the log does not take is not acknowledged. */
  async append(log: wal.Wal, group: GroupId, bytes: number): Promise<void> {
    const index = (this.#sent.get(group) ?? 0) + 1;
    this.#sent.set(group, index);
    const payload = payloadOf(group, index, bytes);
    try {
      await log.append([{ kind: "entry", group, index, term: 1, payload }]);
    } catch {
      return;
    }
    this.#acked.set(group, Math.max(this.#acked.get(group) ?? 0, index));
    if (group === GROUPS[0]) log.hintCommit(group, index);
  }

  /** Some entries at once. The second group knows of no commit. */
  async burst(log: wal.Wal): Promise<void> {
    const random = this.#random;
    const running: Promise<void>[] = [];
    for (let i = random.int(3); i >= 0; i--) {
      if (log.failed !== undefined) break;
      running.push(this.append(log, random.pick(GROUPS), random.between(20, 3_000)));
    }
    await Promise.all(running);
  }
}

async function open(
  module: WalModule,
  disk: MemoryDisk | FaultyDisk,
  random: SeededRandom,
  segmentBytes: number = SEGMENT_BYTES,
): Promise<wal.Wal> {
  const options = { directory: DIRECTORY, segmentBytes, voters: "one" as const };
  const deps = { disk, random, timers: nodeTimers, clock: nodeClock };
  return await module.Wal.open(options, deps);
}

/** @throws Violation, or what keeps the log from opening */
async function mustHold(
  module: WalModule,
  disk: MemoryDisk,
  { sent, acked }: Known,
  random: SeededRandom,
): Promise<void> {
  const log = await open(module, disk, random);
  for (const group of GROUPS) {
    const held = log.group(group);
    const last = held?.lastIndex ?? 0;
    const wanted = acked.get(group) ?? 0;
    if (last < wanted || last > (sent.get(group) ?? 0)) {
      throw new Violation(
        "INV-WAL-9: what was acknowledged is there, and nothing but what was sent",
        {
          group,
          last,
          acknowledged: wanted,
        },
      );
    }
    for (let index = 1; index <= last; index++) {
      const { payload } = held!.entry(index)!;
      if (equalBytes(payload, payloadOf(group, index, payload.length))) continue;
      throw new Violation("INV-READ-1: an entry is what was put there", { group, index });
    }
    const hint = held?.commitHint ?? 0;
    if (group !== GROUPS[0] && hint > 0) {
      throw new Violation("a group's commits are its own (museum row 23)", { group, hint });
    }
  }
  await log.close();
}

function payloadOf(group: GroupId, index: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill((group * 31 + index) % 251);
}
