/**
 * A restore that loses power, wherever it is: afterwards either nothing starts in the directory and another restore
 * makes it whole, or it is whole (INV-RESTORE-1).
 */
import { FaultyDisk, MemoryDisk, type SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { createTuple, newVault, openNode, tupleOf, writeOne } from "../engine-support.js";
import { LightReader } from "../light-reader.js";
import { restoreOnto, snapshotOf } from "../snapshot-support.js";

async function smallSnapshot(): Promise<{ snapshot: Uint8Array; vault: number }> {
  const { engine } = await openNode();
  const vault = await newVault(engine);
  for (let i = 0; i < 5; i++) await writeOne(engine, vault, [createTuple(`doc:d${i}`)]);
  const snapshot = await snapshotOf(engine);
  await engine.close();
  return { snapshot, vault };
}

async function startsWhole(
  disk: MemoryDisk,
  vault: number,
  random: SeededRandom,
): Promise<boolean> {
  try {
    const node = await openNode(disk, { seed: random.bytes(1)[0]! });
    const reader = await LightReader.of(node.engine, vault);
    expect(await reader.check(node, [tupleOf("doc:d4")])).toEqual([true]);
    await node.engine.close();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(LedgerError);
    expect(error).toMatchObject({ code: "DATA_DIR_INVALID" });
    return false;
  }
}

describe("a restore that loses power", () => {
  test("at any write or sync leaves a directory in which nothing starts, or the whole one (INV-RESTORE-1)", async () => {
    const random = testRandom("restore power");
    const { snapshot, vault } = await smallSnapshot();
    const forks: MemoryDisk[] = [];
    const inner = new MemoryDisk();
    const watched = new FaultyDisk(inner, () => {
      forks.push(inner.fork());
    });
    await restoreOnto(watched as unknown as MemoryDisk, snapshot);
    expect(await startsWhole(inner.fork(), vault, random)).toBe(true);
    const every = Math.max(1, Math.floor(forks.length / testRounds(25)));
    let unfinished = 0;
    for (let i = 0; i < forks.length; i += every) {
      const disk = forks[i]!.crash(random);
      const hasBegun = await disk.exists("/data/RESTORING");
      if (!hasBegun && !(await disk.exists("/data/node.json"))) continue; // nothing is there yet
      if (await startsWhole(disk, vault, random)) continue;
      unfinished++;
      await restoreOnto(disk, snapshot, { seed: i });
      expect(await startsWhole(disk, vault, random)).toBe(true);
    }
    expect(unfinished).toBeGreaterThan(3);
  });

  test("of a damaged snapshot leaves nothing that starts, and a good one can follow", async () => {
    const { snapshot, vault } = await smallSnapshot();
    const disk = new MemoryDisk();
    const damaged = snapshot.slice();
    damaged[Math.floor(damaged.length / 2)]! ^= 4;
    await expect(restoreOnto(disk, damaged)).rejects.toMatchObject({ code: "SNAPSHOT_CORRUPT" });
    const random = testRandom("damaged restore");
    expect(await startsWhole(disk, vault, random)).toBe(false);
    await restoreOnto(disk, snapshot);
    expect(await startsWhole(disk, vault, random)).toBe(true);
  });
});
