/** Syncs that fail, full disks, and bugs: what is answered, what is refused, and what is there afterwards. */
import { type DiskOperation, FaultyDisk, MemoryDisk, SeededRandom } from "@authledger/io";
import { GroupState } from "@authledger/state";
import { AssertionError, type LedgerError } from "@authledger/types";
import { afterEach, describe, expect, test, vi } from "vitest";
import { rejectedBy, testSeed } from "../../../../test/support.js";
import type { TransactionOutcome } from "../../src/index.js";
import {
  applied,
  createTuple,
  DIRECTORY,
  LINEARIZABLE,
  newVault,
  openNode,
  refusalOf,
  settle,
  type TestNode,
  TestTime,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const SEGMENT = 32 * 1024;

afterEach(() => {
  vi.restoreAllMocks();
});

interface Started extends TestNode {
  readonly disk: MemoryDisk;
  readonly faulty: FaultyDisk;
  readonly vault: number;
  readonly reader: LightReader;
}

async function start(): Promise<Started> {
  const disk = new MemoryDisk();
  const faulty = new FaultyDisk(disk, () => undefined);
  const node = await openNode(faulty, { logSegmentBytes: SEGMENT });
  const vault = await newVault(node.engine);
  return { ...node, disk, faulty, vault, reader: await LightReader.of(node.engine, vault) };
}

/** Only what was synced is there. */
function afterPowerLoss(disk: MemoryDisk): MemoryDisk {
  return disk.crash(new SeededRandom(1), { unsynced: "lost" });
}

/** "applied", or the code with which the write or the whole call was refused. */
function answerOf(write: Promise<TransactionOutcome>): Promise<string> {
  return write.then(
    (outcome) => (outcome.kind === "applied" ? "applied" : outcome.code),
    (error: LedgerError) => error.code,
  );
}

/** Which of `doc:0` to `doc:n` are there, proven to the reader. */
async function present(node: TestNode, reader: LightReader, count: number): Promise<string[]> {
  const tuples = Array.from({ length: count }, (_, i) => tupleOf(`doc:${i}`));
  const allowed = await reader.check(node, tuples);
  return tuples.filter((_, i) => allowed[i]).map(({ resource }) => resource);
}

/** Every call is refused, and says why the node stopped. */
async function expectStopped({ engine, fatal }: TestNode, vault: number): Promise<void> {
  expect(fatal).toHaveLength(1);
  expect(engine.failure).toBe(fatal[0]);
  const calls = [
    () => engine.call("get_tip", { vault, consistency: LINEARIZABLE }),
    () => engine.call("get_node_info", {}),
    () => writeOne(engine, vault, [createTuple("doc:1")]),
  ];
  for (const call of calls) {
    const { code, details } = await rejectedBy(call());
    expect([code, details]).toEqual(["NODE_STOPPED", { reason: fatal[0]!.code }]);
  }
  await engine.close();
  expect(fatal).toHaveLength(1);
}

describe.each(["write", "sync"] as const)("a %s of the log that fails", (kind) => {
  test("stops the node: what waits is refused, nothing is acknowledged that is not there", async () => {
    const { faulty, disk, vault, reader, ...node } = await start();
    applied(await writeOne(node.engine, vault, [createTuple("doc:0")]));
    faulty.plan = (operation) =>
      operation.kind === kind && operation.path.endsWith(".seg") ? { kind: "fail" } : undefined;
    const writes: Promise<TransactionOutcome>[] = [];
    for (let i = 1; i < 20; i++)
      writes.push(writeOne(node.engine, vault, [createTuple(`doc:${i}`)]));
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:0")] };
    node.time.advance(2_000);
    const proven = node.engine.call("check", { ...ask, prove: reader.prove });
    const code = kind === "sync" ? "SYNC_FAILED" : "IO_WRITE_FAILED";
    expect(new Set((await Promise.all(writes)).map(refusalOf))).toEqual(new Set([code]));
    expect((await rejectedBy(proven)).code).toBe(code);
    expect(node.fatal.map((error) => error.code)).toEqual([code]);
    await expectStopped(node, vault);
    const again = await openNode(afterPowerLoss(disk), { time: node.time });
    expect(await present(again, reader, 20)).toEqual(["doc:0"]);
  });
});

describe("a sync of the page store that fails", () => {
  test("stops the node, and the log has everything that was acknowledged", async () => {
    const { faulty, disk, vault, reader, ...node } = await start();
    for (let i = 0; i < 5; i++)
      applied(await writeOne(node.engine, vault, [createTuple(`doc:${i}`)]));
    faulty.plan = ({ kind, path }) =>
      kind === "sync" && path.endsWith("state.db") ? { kind: "fail" } : undefined;
    node.time.advance(30_000);
    await settle(30);
    expect(node.fatal.map(({ code }) => code)).toEqual(["SYNC_FAILED"]);
    await expectStopped(node, vault);
    const again = await openNode(afterPowerLoss(disk), { time: node.time });
    expect(await present(again, reader, 9)).toHaveLength(5);
  });
});

describe("any failure of any operation of the disk", () => {
  const seed = testSeed("engine failures");

  /** A life whose `n`-th operation fails: opening, some writes, a flush, closing. */
  async function live(n: number, time: TestTime) {
    const disk = new MemoryDisk();
    const isChange = ({ kind }: DiskOperation): boolean => kind !== "read" && kind !== "open";
    let count = 0;
    const faulty = new FaultyDisk(disk, (operation) =>
      isChange(operation) && ++count === n ? { kind: "fail", writtenBytes: 700 } : undefined,
    );
    let acked = 0;
    try {
      const options = { seed: seed + n, logSegmentBytes: SEGMENT, time };
      const { engine } = await openNode(faulty, options);
      const vault = await newVault(engine);
      for (let i = 0; i < 6; i++) {
        applied(await writeOne(engine, vault, [createTuple(`doc:${i}`)]));
        acked = i + 1;
        if (i === 3) time.advance(30_000);
      }
      await settle(20);
      await engine.close();
      if (engine.failure !== undefined) throw engine.failure;
    } catch {
      return { disk, acked, failed: true };
    }
    return { disk, acked, failed: count >= n };
  }

  test("is reported or makes up for itself; a later open finds what was acknowledged", async () => {
    let failures = 0;
    for (let n = 1; n < 120; n++) {
      const time = new TestTime();
      const { disk, acked, failed } = await live(n, time);
      if (!failed) break;
      failures++;
      const found = disk.crash(new SeededRandom(seed + n), { unsynced: "random" });
      const again = await openNode(found, { seed: n, logSegmentBytes: SEGMENT, time });
      if (acked === 0) continue;
      const reader = await LightReader.of(again.engine, 1);
      expect((await present(again, reader, 9)).length).toBeGreaterThanOrEqual(acked);
    }
    expect(failures).toBeGreaterThan(40);
  });
});

describe("a full disk", () => {
  async function used(disk: MemoryDisk, path: string): Promise<number> {
    const file = await disk.open(path);
    return file.size();
  }

  async function fill(disk: MemoryDisk): Promise<void> {
    let sum = 0;
    for (const folder of ["", "/keys", "/wal", "/groups/1"]) {
      for (const name of await disk.list(DIRECTORY + folder)) {
        const path = `${DIRECTORY}${folder}/${name}`;
        if ((await disk.list(path)).length === 0) sum += await used(disk, path);
      }
    }
    disk.capacityBytes = sum;
  }

  test("refuses writes with DISK_FULL while reads go on, and takes them again when there is room", async () => {
    const { disk, vault, reader, ...node } = await start();
    await settle(30);
    await fill(disk);
    let count = 0;
    let refused: TransactionOutcome;
    do refused = await writeOne(node.engine, vault, [createTuple(`doc:${count++}`)]);
    while (refused.kind === "applied");
    const done = count - 1;
    expect(refused.code).toBe("DISK_FULL");
    expect(done).toBeGreaterThan(0);
    expect(node.fatal).toEqual([]);
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:0")] };
    expect((await node.engine.call("check", ask)).allowed).toEqual([true]);
    expect(refusalOf(await writeOne(node.engine, vault, [createTuple("doc:no")]))).toBe(
      "DISK_FULL",
    );
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    node.time.advance(1_001);
    applied(await writeOne(node.engine, vault, [createTuple(`doc:${done}`)]));
    expect(await present(node, reader, count + 3)).toHaveLength(count);
    const again = await openNode(afterPowerLoss(disk), { time: node.time });
    expect(await present(again, reader, count + 3)).toHaveLength(count);
  });

  test("has proven answers be as of the signature that could still be made: they never contradict it (INV-ANSWER-1)", async () => {
    const { disk, vault, reader, ...node } = await start();
    const other = await newVault(node.engine);
    const expiresAtMs = node.time.wallMs + 3_000;
    applied(
      await writeOne(node.engine, vault, [
        { op: "create_tuple", tuple: tupleOf("doc:brief"), expiresAtMs },
      ]),
    );
    expect(await reader.check(node, [tupleOf("doc:brief")])).toEqual([true]);
    await settle(30);
    await fill(disk);
    for (let i = 0; ; i++) {
      const outcome = await writeOne(node.engine, other, [createTuple(`doc:${i}`)]);
      if (outcome.kind === "refused") break;
    }
    node.time.wallMs = expiresAtMs + 500;
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:brief")] };
    expect((await node.engine.call("check", ask)).allowed).toEqual([false]);
    expect(await reader.check(node, [tupleOf("doc:brief")])).toEqual([true]);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    node.time.advance(1_001);
    await settle(30);
    expect(await reader.check(node, [tupleOf("doc:brief")])).toEqual([false]);
  });

  test("under the page store refuses writes until a flush finds room", async () => {
    const { disk, vault, reader, ...node } = await start();
    for (let i = 0; i < 40; i++)
      applied(await writeOne(node.engine, vault, [createTuple(`doc:${i}`)]));
    await settle(30);
    await fill(disk);
    node.time.advance(30_000);
    await settle(30);
    expect(node.engine.stats().store.flushes).toBe(0);
    const outcome = await writeOne(node.engine, vault, [createTuple("doc:no")]);
    expect(refusalOf(outcome)).toBe("DISK_FULL");
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:39")] };
    expect((await node.engine.call("check", ask)).allowed).toEqual([true]);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 6; i++) {
      node.time.advance(1_000);
      await settle(30);
    }
    applied(await writeOne(node.engine, vault, [createTuple("doc:40")]));
    expect(node.engine.stats().store.flushes).toBe(1);
    expect(node.fatal).toEqual([]);
    expect(await present(node, reader, 50)).toHaveLength(41);
  });
});

describe("a bug while an entry is applied", () => {
  /** Entries after which the state breaks an invariant. */
  function breakAfter(entries: number): void {
    const apply = GroupState.prototype.apply;
    let count = 0;
    vi.spyOn(GroupState.prototype, "apply").mockImplementation(function (
      this: GroupState,
      ...args
    ) {
      if (++count > entries) throw new AssertionError("INV-TEST: it must hold", {});
      return apply.apply(this, args);
    });
  }

  test("stops the node and hangs nobody: pending and later calls are refused", async () => {
    const { disk, vault, reader, ...node } = await start();
    breakAfter(1);
    const writes: Promise<string>[] = [];
    for (let i = 0; i < 8; i++) {
      writes.push(answerOf(writeOne(node.engine, vault, [createTuple(`doc:${i}`)])));
      await settle(1);
    }
    const answers = await Promise.all(writes);
    const acked = answers.filter((answer) => answer === "applied").length;
    expect(answers).toEqual(answers.map((_, i) => (i < acked ? "applied" : "NODE_STOPPED")));
    const [error] = node.fatal as [LedgerError];
    expect(error.code).toBe("INTERNAL");
    expect(error.cause).toBeInstanceOf(AssertionError);
    await expectStopped(node, vault);
    // What the log holds is applied by a version without the bug: nothing acknowledged is lost.
    vi.restoreAllMocks();
    const again = await openNode(afterPowerLoss(disk), { time: node.time });
    expect((await present(again, reader, 9)).length).toBeGreaterThanOrEqual(acked);
  });

  test("lets nothing of the half-applied entry reach the page store", async () => {
    const { vault, ...node } = await start();
    applied(await writeOne(node.engine, vault, [createTuple("doc:0")]));
    breakAfter(0);
    expect(refusalOf(await writeOne(node.engine, vault, [createTuple("doc:1")]))).toBe(
      "NODE_STOPPED",
    );
    const { flushes } = node.engine.stats().store;
    node.time.advance(60_000);
    await settle(30);
    await node.engine.close();
    expect(node.engine.stats().store.flushes).toBe(flushes);
  });

  test("while the log is replayed fails the open, and gives everything back", async () => {
    const { disk, vault, engine } = await start();
    applied(await writeOne(engine, vault, [createTuple("doc:0")]));
    breakAfter(2);
    const files = new FaultyDisk(
      disk.crash(new SeededRandom(1), { unsynced: "lost" }),
      () => undefined,
    );
    const opened = openNode(files).then(
      () => "opened",
      (error: unknown) => error,
    );
    expect(await opened).toBeInstanceOf(AssertionError);
    // Nobody works on the files any more: the lock is free for another process.
    await settle(30);
    const { operations } = files;
    await settle(30);
    expect(files.operations).toBe(operations);
  });
});

describe("a bug while an entry is made", () => {
  test("out of turn stops the node instead of leaving writes without an answer", async () => {
    const { vault, ...node } = await start();
    vi.spyOn(node.time, "nowMs").mockImplementationOnce(() => {
      throw new AssertionError("INV-TEST: it must hold", {});
    });
    const writing = writeOne(node.engine, vault, [createTuple("doc:0")]);
    expect(refusalOf(await writing)).toBe("NODE_STOPPED");
    await expectStopped(node, vault);
  });
});
