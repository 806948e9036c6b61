/**
 * Nodes that lose power at random moments, in random histories of many lives: during writes, syncs, flushes,
 * rotations of the log, while they open and while they close. See lives.ts for what must hold.
 */
import { type CrashOptions, MemoryDisk, type SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { Life, type Snapshot, World } from "./lives.js";

const CRASHES: readonly CrashOptions[] = [
  { unsynced: "lost" },
  { unsynced: "kept" },
  { unsynced: "random", pieceBytes: 512 },
  { unsynced: "random", pieceBytes: 4096 },
];

/** One life after the other, each on what the one before left at a random moment. */
async function history(random: SeededRandom, lives: number): Promise<World> {
  let disk = new MemoryDisk();
  let world = new World();
  for (let i = 0; i < lives; i++) {
    const life = new Life(world, random);
    await life.open(disk);
    await life.live(random.between(5, 25));
    const isKilled = random.chance(0.8);
    if (!isKilled || random.chance(0.3)) await life.close();
    const end: Snapshot = { disk: disk.fork(), world: life.world.clone(), at: "the end" };
    const snapshot = isKilled ? random.pick([...life.snapshots, end]) : end;
    ({ world } = snapshot);
    disk = snapshot.disk.crash(random, random.pick(CRASHES));
  }
  const last = new Life(world, random);
  await last.open(disk);
  await last.close();
  return last.world;
}

describe("a loss of power", () => {
  test("at any moment leaves what was acknowledged, whole transactions, and heads that agree", async () => {
    const random = testRandom("engine power loss");
    let [units, heads] = [0, 0];
    for (let round = 0; round < testRounds(16); round++) {
      const world = await history(random, 5);
      units += world.units.length;
      heads += world.heads.length;
    }
    expect(units).toBeGreaterThan(60);
    expect(heads).toBeGreaterThan(20);
  });

  test("at every moment of one life is survived", async () => {
    const random = testRandom("engine power loss everywhere");
    const disk = new MemoryDisk();
    const life = new Life(new World(), random);
    await life.open(disk);
    await life.live(25);
    await life.close();
    for (const snapshot of random.shuffle(life.snapshots).slice(0, testRounds(40))) {
      for (const options of CRASHES) {
        const world = snapshot.world.clone();
        const next = new Life(world, random);
        await next.open(snapshot.disk.crash(random, options));
        await next.close();
      }
    }
  });
});
