/**
 * Short writes: the system may write less than it was given (a signal, a quota, a network disk). Here every
 * writev does, by a system call that is cut between node:fs and the disk.
 */
import type * as NodeFs from "node:fs";
import { join } from "node:path";
import { NodeDisk, readFile } from "@authledger/io";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { rejectedBy, temporaryDirectory, testRandom } from "../../../../test/support.js";

/** How many bytes the next writev may write, of those it was given. */
const system = vi.hoisted(() => ({ allow: (offered: number) => offered, calls: 0 }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof NodeFs>();
  type Done = (error: Error | null, written: number) => void;
  const writev = (fd: number, parts: readonly Uint8Array[], position: number, done: Done) => {
    system.calls++;
    const all = Buffer.concat(parts);
    const some = all.subarray(0, system.allow(all.length));
    if (some.length === 0) setImmediate(done, null, 0);
    else fs.write(fd, some, 0, some.length, position, done);
  };
  return { ...fs, writev };
});

const disk = new NodeDisk();

async function fresh() {
  const path = join(temporaryDirectory(), "file");
  const file = await disk.open(path, { create: true });
  onTestFinished(() => file.close());
  return { path, file };
}

beforeEach(() => {
  system.calls = 0;
});

describe("a short write", () => {
  it("is completed, wherever it stopped", async () => {
    const random = testRandom("short writes");
    system.allow = (offered) => 1 + random.int(offered);
    for (let round = 0; round < 20; round++) {
      const { path, file } = await fresh();
      const parts = Array.from({ length: random.between(1, 40) }, () =>
        random.bytes(random.int(60)),
      );
      await file.write(parts, 0);
      expect(Buffer.compare(await readFile(disk, path), Buffer.concat(parts))).toBe(0);
    }
    expect(system.calls).toBeGreaterThan(40);
  });

  it("of one byte at a time is completed, in as many calls", async () => {
    system.allow = () => 1;
    const { path, file } = await fresh();
    await file.write([Buffer.from("abc"), Buffer.from("de")], 0);
    expect(Buffer.from(await readFile(disk, path)).toString()).toBe("abcde");
    expect(system.calls).toBe(5);
  });

  it("that makes no progress fails instead of being tried for ever", async () => {
    system.allow = (offered) => (offered > 2 ? 1 : 0);
    const { file } = await fresh();
    const error = await rejectedBy(file.write([Buffer.from("abcd")], 0));
    expect([error.code, system.calls]).toEqual(["IO_WRITE_FAILED", 3]);
    expect(error.message).toContain("made no progress");
  });
});
