/**
 * Power is lost before every write, sync and rename of a long random run, those of opening among them; the log is
 * opened on what the disk may hold then, checked, and used, and power is lost again.
 *
 * What is checked (lives.ts): every acknowledged append is there (INV-WAL-9), also while the log was being written again by
 * an open (INV-WAL-8) and after its beginning was released (INV-WAL-6); an append is there whole or not at all (INV-QUEUE-1),
 * and none without those before it (INV-WAL-4).
 */
import { type CrashOptions, MemoryDisk, SeededRandom } from "@authledger/io";
import type { Voters } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { testRounds, testSeed } from "../../../../test/support.js";
import { emptyMoment, Life, type Moment } from "./lives.js";

const WHOLE: readonly CrashOptions[] = [{ unsynced: "lost" }, { unsynced: "kept" }];
const TORN: readonly CrashOptions[] = [{ pieceBytes: 512 }, { pieceBytes: 4096 }];

interface Tally {
  readonly ends: Map<string, number>;
  opens: number;
  reused: number;
}

/** Opens what each crash of a moment leaves; for one moment of each life after it, again. */
async function survive(
  moment: Moment,
  depth: number,
  setting: {
    readonly voters: Voters;
    readonly segmentBytes: number;
    readonly random: SeededRandom;
  },
  tally: Tally,
): Promise<void> {
  const { random } = setting;
  const crashes = depth === 0 ? [random.pick(WHOLE), random.pick(TORN)] : [random.pick(TORN)];
  for (const crash of crashes) {
    const disk = moment.disk.crash(random, crash);
    const bursts = depth === 0 ? 2 : 1;
    const life = await Life.on(disk, moment, { ...setting, seed: random.u32(), bursts });
    tally.opens++;
    tally.ends.set(life.ended, (tally.ends.get(life.ended) ?? 0) + 1);
    if (depth < 2) await survive(random.pick(life.moments), depth + 1, setting, tally);
  }
}

describe("after a loss of power at any write, sync or rename every acknowledged append is there", () => {
  const seed = testSeed("wal power loss");
  for (const voters of ["one", "many"] as const) {
    for (let round = 0; round < testRounds(2); round++) {
      const segmentBytes = [16, 32][round % 2]! * 1024;
      test(`${voters} voter, segments of ${segmentBytes} bytes, round ${round}`, async () => {
        const random = new SeededRandom(seed + round * 2 + (voters === "one" ? 0 : 1));
        const begin = emptyMoment(new MemoryDisk());
        const options = { voters, segmentBytes, seed: random.u32(), bursts: 25 };
        const first = await Life.on(begin.disk, begin, options);
        const tally: Tally = { ends: new Map(), opens: 0, reused: first.rotations };
        for (const moment of first.moments) {
          await survive(moment, 0, { voters, segmentBytes, random }, tally);
        }
        // The run met what it is about.
        expect(first.moments.length).toBeGreaterThan(50);
        expect(tally.reused).toBeGreaterThan(0);
        expect(tally.ends.get("whole")).toBeGreaterThan(0);
        expect(tally.ends.get(voters === "one" ? "torn" : "ambiguous")).toBeGreaterThan(0);
      }, 60_000);
    }
  }
});
