/** Signed heads of a node over its lives: the marks in its log are what it may not contradict. */
import { MemoryDisk as Memory, type MemoryDisk, SeededRandom } from "@authledger/io";
import { verifyCheckpoint } from "@authledger/proof";
import { groupId, type VaultId } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import type { Engine } from "../../src/index.js";
import { SIGN_INTERVAL_MS } from "../../src/limits.js";
import {
  applied,
  clientDeps,
  createTuple,
  DIRECTORY,
  LINEARIZABLE,
  newVault,
  openNode,
  settle,
  type TestNode,
  TestTime,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { GateDisk } from "../gate-disk.js";
import { LightReader } from "../light-reader.js";

interface Head {
  readonly size: number;
  readonly root: Uint8Array;
  readonly timeS: number;
}

async function headOf(engine: Engine, { vault, trust }: LightReader): Promise<Head> {
  const request = { vault, consistency: LINEARIZABLE, trustedSize: 0 };
  const { checkpoint } = await engine.call("get_checkpoint", request);
  const { origin, policy } = trust;
  const { size, root, times } = verifyCheckpoint(checkpoint, origin, policy, clientDeps);
  return { size: Number(size), root, timeS: Number(times[0]) };
}

/** The disk as it is found after losing power. */
function powerLoss(disk: MemoryDisk): MemoryDisk {
  return disk.crash(new SeededRandom(1), { unsynced: "lost" });
}

describe("signed heads", () => {
  test("INV-SIGN-1: are of what is applied, not of what is on its way to the disk", async () => {
    const disk = new GateDisk();
    const { engine, time } = await openNode(disk);
    const reader = await LightReader.of(engine, await newVault(engine));
    disk.shut();
    const writing = writeOne(engine, reader.vault, [createTuple("doc:1")]);
    await settle();
    time.advance(2);
    const early = headOf(engine, reader);
    await settle();
    disk.release();
    applied(await writing);
    expect((await early).size).toBe(1);
    expect((await headOf(engine, reader)).size).toBe(2);
  });

  test("are the same after a restart, whatever the clock says: one root for a size, no earlier time", async () => {
    const disk = new Memory();
    const { engine, time } = await openNode(disk);
    const reader = await LightReader.of(engine, await newVault(engine));
    applied(await writeOne(engine, reader.vault, [createTuple("doc:1")]));
    const before = await headOf(engine, reader);
    const earlier = new TestTime();
    earlier.wallMs = time.wallMs - 3_600_000;
    const second = await openNode(powerLoss(disk), { seed: 2, time: earlier });
    expect(await headOf(second.engine, reader)).toEqual(before);
    applied(await writeOne(second.engine, reader.vault, [createTuple("doc:2")]));
    const later = await headOf(second.engine, reader);
    expect([later.size, later.timeS]).toEqual([3, before.timeS]);
  });

  test("INV-SIGN-2: leave only when a loss of power right then would find their mark", async () => {
    const disk = new Memory();
    const { engine } = await openNode(disk);
    const reader = await LightReader.of(engine, await newVault(engine));
    const { size, root } = await headOf(engine, reader);
    const wal = await openLog(powerLoss(disk));
    const mark = wal.signedMark(groupId(1), reader.vault as VaultId);
    expect(mark).toMatchObject({ size, root });
  });

  test("follow every vault that moved, once a second, asked for or not", async () => {
    const disk = new Memory();
    const { engine, time } = await openNode(disk);
    const vaults = [await newVault(engine), await newVault(engine)];
    for (const vault of vaults) await writeOne(engine, vault, [createTuple("doc:1")]);
    time.advance(SIGN_INTERVAL_MS);
    await settle(20);
    const wal = await openLog(powerLoss(disk));
    const marks = [...wal.signedMarks()].map(({ vault, size }) => [vault, size]);
    expect(marks).toContainEqual([vaults[0], 2]);
    expect(marks).toContainEqual([vaults[1], 2]);
    const { records } = engine.stats().wal;
    time.advance(SIGN_INTERVAL_MS);
    await settle(20);
    expect(engine.stats().wal.records).toBe(records);
  });
});

function openLog(disk: MemoryDisk): Promise<Wal> {
  const time = new TestTime();
  return Wal.open(
    { directory: `${DIRECTORY}/wal`, voters: "one" },
    { disk, clock: time, timers: time, random: new SeededRandom(9) },
  );
}

/** A node whose log holds a mark of `size` blocks that never were. */
async function openContradicted(size: number): Promise<TestNode & { readonly vault: number }> {
  const disk = new Memory();
  const first = await openNode(disk);
  const vault = await newVault(first.engine);
  applied(await writeOne(first.engine, vault, [createTuple("doc:1")]));
  await first.engine.close();
  const wal = await openLog(disk);
  const root = new Uint8Array(32).fill(7);
  const mark = { kind: "signed", group: groupId(1), vault: vault as VaultId, size, root } as const;
  await wal.append([{ ...mark, timeMs: first.time.wallMs }]);
  await wal.close();
  return { ...(await openNode(disk)), vault };
}

describe("a mark that the history does not continue", () => {
  test.each([1, 2, 7])("stops the node that is asked for a head (size %i of 2)", async (size) => {
    const { engine, fatal, vault } = await openContradicted(size);
    const reader = await LightReader.of(engine, vault);
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
    expect((await engine.call("check", ask)).allowed).toEqual([true]);
    const proven = engine.call("check", { ...ask, prove: reader.prove });
    expect((await rejectedBy(proven)).code).toBe("SIGNING_REFUSED");
    expect(fatal.map(({ code }) => code)).toEqual(["SIGNING_REFUSED"]);
    const later = await rejectedBy(engine.call("check", ask));
    expect([later.code, later.cause]).toEqual(["NODE_STOPPED", fatal[0]]);
    await engine.close();
  });

  /**
   * The story: the refusal was thrown before there was a promise to reject, out of the timer that signs what has
   * moved, where nobody caught it. And a mark of more blocks than there are did not count as moved at all.
   */
  test.each([1, 7])("stops the node that signs on its own (size %i of 2)", async (size) => {
    const { engine, time, fatal, vault } = await openContradicted(size);
    const ask = { vault, consistency: LINEARIZABLE };
    await engine.call("get_tip", ask);
    time.advance(SIGN_INTERVAL_MS);
    await settle();
    expect(fatal.map(({ code }) => code)).toEqual(["SIGNING_REFUSED"]);
    expect((await rejectedBy(engine.call("get_tip", ask))).code).toBe("NODE_STOPPED");
    await engine.close();
  });
});
