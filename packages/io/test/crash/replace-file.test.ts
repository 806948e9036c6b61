/** replaceFile under power cuts at every step and failures of every operation: the old content or the new. */
import { FaultyDisk, MemoryDisk, readFile, replaceFile, SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";

const PATH = "/data/node.json";
const OLD = new Uint8Array(1_500).fill(1);
const NEW = new Uint8Array(2_700).fill(2);

async function diskWithOld(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await replaceFile(disk, PATH, OLD);
  return disk;
}

/** "old", "new", or what else was found. */
async function found(disk: MemoryDisk): Promise<string> {
  const bytes = await readFile(disk, PATH);
  if (Buffer.compare(bytes, OLD) === 0) return "old";
  return Buffer.compare(bytes, NEW) === 0 ? "new" : `${bytes.length} bytes of neither`;
}

describe("replaceFile", () => {
  it("leaves the old or the new content after a crash at any of its steps, and the new one at the end", async () => {
    const random = testRandom("replaceFile");
    const seen = new Set<string>();
    for (let round = 0; round < testRounds(100); round++) {
      const memory = await diskWithOld();
      const images: MemoryDisk[] = [];
      const watched = new FaultyDisk(memory, () => {
        images.push(memory.fork());
        return undefined;
      });
      await replaceFile(watched, PATH, NEW);
      expect(images.length).toBeGreaterThanOrEqual(6);
      for (const image of images) {
        const state = await found(image.crash(random));
        expect(["old", "new"]).toContain(state);
        seen.add(state);
      }
      expect(await found(memory.crash(random, { unsynced: "lost" }))).toBe("new");
    }
    expect(seen).toEqual(new Set(["old", "new"]));
  });

  it("succeeds on what a crash in the middle of it left behind", async () => {
    const random = testRandom("replaceFile again");
    const memory = await diskWithOld();
    const images: MemoryDisk[] = [];
    const watched = new FaultyDisk(memory, () => {
      images.push(memory.fork());
      return undefined;
    });
    await replaceFile(watched, PATH, NEW);
    for (const image of images) {
      const after = image.crash(random, { unsynced: random.pick(["kept", "random"]) });
      await replaceFile(after, PATH, NEW);
      expect(await found(after.crash(random, { unsynced: "lost" }))).toBe("new");
      expect(await after.list("/data")).toEqual(["node.json"]);
    }
  });

  it("fails with a LedgerError when its n-th operation fails, for every n, and leaves old or new", async () => {
    let failures = 0;
    for (let n = 0; ; n++) {
      const memory = await diskWithOld();
      const disk = new FaultyDisk(memory, ({ number }) =>
        number === n ? { kind: "fail", full: n % 2 === 0, writtenBytes: 700 } : undefined,
      );
      try {
        await replaceFile(disk, PATH, NEW);
        break;
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
        failures++;
      }
      expect(["old", "new"]).toContain(await found(memory));
      expect(["old", "new"]).toContain(await found(memory.crash(new SeededRandom(n))));
    }
    expect(failures).toBeGreaterThanOrEqual(6);
  });
});
