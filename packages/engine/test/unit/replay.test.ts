/** What a node does with a log that is longer than its page store: bounded, whole, and failing as a whole. */
import { FaultyDisk, MemoryDisk, SeededRandom } from "@authledger/io";
import type { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import {
  applied,
  createTuple,
  newVault,
  openNode,
  STORE_FILE,
  settle,
  type TestTime,
  transactionOf,
  tupleOf,
  writeAll,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

/** So small that a few hundred tuples are dirtier than a flush waits for, twice over. */
const SMALL_CACHE = 64 * 1024;
const COUNT = 400;

interface Left {
  readonly disk: MemoryDisk;
  readonly vault: number;
  readonly time: TestTime;
}

/** A disk whose log has everything and whose page store nothing. */
async function unflushed(): Promise<Left> {
  const disk = new MemoryDisk();
  const { engine, time } = await openNode(disk);
  const vault = await newVault(engine);
  for (let i = 0; i < COUNT; i += 20) {
    const transactions = Array.from({ length: 20 }, (_, n) =>
      transactionOf([createTuple(`doc:${i + n}`)]),
    );
    for (const outcome of await writeAll(engine, vault, transactions)) applied(outcome);
  }
  expect(engine.stats().flushedIndex).toBe(0);
  return { disk: disk.crash(new SeededRandom(1), { unsynced: "lost" }), vault, time };
}

describe("a long log", () => {
  test("is replayed whole, and flushed when more is dirty than the cache should hold", async () => {
    const { disk, vault, time } = await unflushed();
    const node = await openNode(disk, { cacheBytes: SMALL_CACHE, time });
    expect(node.engine.stats().store.flushes).toBeGreaterThan(0);
    const reader = await LightReader.of(node.engine, vault);
    const tuples = Array.from({ length: COUNT + 1 }, (_, i) => tupleOf(`doc:${i}`));
    const found = await reader.check(node, tuples);
    expect(found).toEqual(tuples.map((_, i) => i < COUNT));
    await settle(20);
    expect(node.engine.stats().flushedIndex).toBeGreaterThan(0);
  });

  test("whose flush fails fails the open, with one report", async () => {
    const { disk, time } = await unflushed();
    let syncs = 0;
    // The first sync is that of the open itself.
    const faulty = new FaultyDisk(disk, ({ kind, path }) =>
      kind === "sync" && path === STORE_FILE && ++syncs > 1 ? { kind: "fail" } : undefined,
    );
    const fatal: LedgerError[] = [];
    const opened = openNode(faulty, { cacheBytes: SMALL_CACHE, time, fatal });
    expect(await rejectedBy(opened)).toBe(fatal[0]);
    expect(fatal.map(({ code }) => code)).toEqual(["SYNC_FAILED"]);
    const node = await openNode(disk, { time });
    expect((await node.engine.call("get_node_info", {})).vaults).toBe(1);
  });
});

describe("a small cache", () => {
  test("lets writers wait for the disk, and refuses none of them", async () => {
    const node = await openNode(undefined, { cacheBytes: SMALL_CACHE });
    const vault = await newVault(node.engine);
    const writes = [];
    for (let i = 0; i < COUNT; i++) {
      writes.push(writeAll(node.engine, vault, [transactionOf([createTuple(`doc:${i}`)])]));
      if (i % 10 === 0) await settle(1);
    }
    for (const outcomes of await Promise.all(writes)) applied(outcomes[0]);
    expect(node.engine.stats().store.flushes).toBeGreaterThan(1);
    await node.engine.close();
    expect(node.fatal).toEqual([]);
  });
});

describe("a disk without room", () => {
  test("fails the open of a new directory with DISK_FULL; it succeeds when there is room", async () => {
    const disk = new MemoryDisk();
    disk.capacityBytes = 100_000;
    const refused = await rejectedBy(openNode(disk));
    expect(refused.code).toBe("DISK_FULL");
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await newVault((await openNode(disk)).engine);
  });
});
