/** Files of snapshots: whole under their name or not there, and never held in memory. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { readSnapshotFile, writeSnapshotFile } from "../../src/run/snapshot-file.js";

const CHUNK = new Uint8Array(randomBytes(256 * 1024));

async function* chunks(count: number, failAt = -1): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    if (i === failAt) throw new Error("the node is gone");
    yield CHUNK;
  }
}

describe("a snapshot's file", () => {
  it("is gzip of the stream, and is read with or without it", async () => {
    const file = join(temporaryDirectory(), "s");
    const told: number[] = [];
    const written = await writeSnapshotFile(file, chunks(3), (bytes) => told.push(bytes));
    const stream = gunzipSync(readFileSync(file));
    expect(stream.length).toBe(3 * CHUNK.length);
    expect(written).toEqual({ bytes: readFileSync(file).length, streamBytes: stream.length });
    expect(told.at(-1)).toBe(stream.length);
    writeFileSync(`${file}.raw`, stream);
    for (const path of [file, `${file}.raw`]) {
      const parts: Uint8Array[] = [];
      for await (const part of readSnapshotFile(path)) parts.push(part);
      expect(Buffer.concat(parts).equals(stream)).toBe(true);
    }
  });

  it("is there whole or not at all, whatever ends the stream (INV-SNAPFILE-1)", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "s");
    const writing = writeSnapshotFile(file, chunks(9, 5), () => undefined);
    await expect(writing).rejects.toThrow("the node is gone");
    expect(readdirSync(directory)).toEqual([]);
    const nowhere = writeSnapshotFile(join(directory, "no", "s"), chunks(1), () => undefined);
    expect((await rejectedBy(nowhere)).code).toBe("IO_WRITE_FAILED");
    expect(existsSync(file)).toBe(false);
  });

  it("takes no more memory than some chunks, however long it is (INV-SNAPFILE-2)", async () => {
    const file = join(temporaryDirectory(), "s");
    // What is garbage is not held; when it is collected by itself depends on what else the machine does.
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    collect();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let looks = 0;
    const look = (): void => {
      if (looks++ % 8 === 0) collect();
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    };
    await writeSnapshotFile(file, chunks(128), look);
    for await (const _ of readSnapshotFile(file)) look();
    expect(most).toBeLessThan(24 * 1024 * 1024); // of 32 MiB in the file
  });
});
