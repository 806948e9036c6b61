import {
  type DiskFault,
  type DiskFile,
  type DiskOperation,
  FaultyDisk,
  MemoryDisk,
  readFile,
  SeededRandom,
} from "@authledger/io";
import { describe, expect, it } from "vitest";
import { rejectedBy, thrownBy } from "../../../../test/support.js";

const text = (s: string) => new TextEncoder().encode(s);
const string = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/** A faulty disk over a file "/f" with synced content, and a fault to come. */
async function prepared(content: string) {
  const memory = new MemoryDisk();
  let fault: DiskFault | undefined;
  const disk = new FaultyDisk(memory, () => fault);
  const file = await disk.open("/f", { create: true });
  await file.write([text(content)], 0);
  await file.datasync();
  await disk.syncDirectory("/");
  const next = (planned: DiskFault | undefined) => {
    fault = planned;
  };
  const afterCrash = async () =>
    string(await readFile(memory.crash(new SeededRandom(1), { unsynced: "lost" }), "/f"));
  return { memory, disk, file, next, afterCrash };
}

function read(file: DiskFile, length: number, position = 0): string {
  const into = new Uint8Array(length);
  return string(into.subarray(0, file.readSync(into, position)));
}

describe("the plan of a faulty disk", () => {
  it("sees every operation in order, numbered, with path, position and length", async () => {
    const seen: DiskOperation[] = [];
    const disk = new FaultyDisk(new MemoryDisk(), (operation) => {
      seen.push(operation);
      return undefined;
    });
    const file = await disk.open("/d/f", { create: true });
    await file.write([text("ab"), text("cde")], 7);
    file.readSync(new Uint8Array(4), 3);
    await file.datasync();
    await file.truncate(9);
    await disk.rename("/d/f", "/d/g");
    await disk.syncDirectory("/d");
    await disk.remove("/d/g");
    expect(seen.map((o) => [o.kind, o.path, o.position, o.length])).toEqual([
      ["open", "/d/f", 0, 0],
      ["write", "/d/f", 7, 5],
      ["read", "/d/f", 3, 4],
      ["sync", "/d/f", 0, 0],
      ["truncate", "/d/f", 9, 0],
      ["rename", "/d/f", 0, 0],
      ["sync-directory", "/d", 0, 0],
      ["remove", "/d/g", 0, 0],
    ]);
    expect(seen.map((o) => o.number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(disk.operations).toBe(8);
  });

  it("is asked before the operation happens, so that it can fork the disk of that moment", async () => {
    const memory = new MemoryDisk();
    const images: MemoryDisk[] = [];
    const disk = new FaultyDisk(memory, ({ kind }) => {
      if (kind === "write") images.push(memory.fork());
      return undefined;
    });
    const file = await disk.open("/f", { create: true });
    for (const letter of "abc") await file.write([text(letter)], file.size());
    const before = await Promise.all(images.map((image) => readFile(image, "/f")));
    expect(before.map(string)).toEqual(["", "a", "ab"]);
  });
});

describe("failing operations", () => {
  const fail: DiskFault = { kind: "fail" };

  it("fail with the error of the port that a real disk gives", async () => {
    const { disk, file, next } = await prepared("abc");
    next(fail);
    const found = [
      await rejectedBy(disk.open("/f")),
      await rejectedBy(disk.open("/g", { create: true })),
      await rejectedBy(file.write([text("x")], 0)),
      await rejectedBy(file.truncate(0)),
      await rejectedBy(file.datasync()),
      await rejectedBy(disk.rename("/f", "/g")),
      await rejectedBy(disk.remove("/f")),
      await rejectedBy(disk.syncDirectory("/")),
      thrownBy(() => read(file, 1)),
    ];
    expect(found.map((error) => error.code)).toEqual([
      "IO_READ_FAILED",
      "IO_WRITE_FAILED",
      "IO_WRITE_FAILED",
      "IO_WRITE_FAILED",
      "SYNC_FAILED",
      "IO_WRITE_FAILED",
      "IO_WRITE_FAILED",
      "SYNC_FAILED",
      "IO_READ_FAILED",
    ]);
    expect(found.every((error) => error.details["errno"] === "EIO")).toBe(true);
  });

  it("change nothing", async () => {
    const { disk, file, next } = await prepared("abc");
    next(fail);
    await rejectedBy(file.write([text("xyz")], 0));
    await rejectedBy(file.truncate(0));
    await rejectedBy(disk.rename("/f", "/g"));
    await rejectedBy(disk.remove("/f"));
    next(undefined);
    expect(read(file, 10)).toBe("abc");
    expect(await disk.list("/")).toEqual(["f"]);
  });

  it("are DISK_FULL where the plan says so", async () => {
    const { file, next } = await prepared("abc");
    next({ kind: "fail", full: true });
    const error = await rejectedBy(file.write([text("x")], 3));
    expect([error.code, error.details["errno"]]).toEqual(["DISK_FULL", "ENOSPC"]);
  });

  it("may have written their first bytes, across parts", async () => {
    const { file, next } = await prepared("......");
    next({ kind: "fail", writtenBytes: 4 });
    await rejectedBy(file.write([text("abc"), text("def")], 0));
    next(undefined);
    expect(read(file, 6)).toBe("abcd..");
  });
});

describe("a failed sync", () => {
  it("leaves the write readable, the next sync succeeds, and the crash loses the write", async () => {
    const { file, next, afterCrash } = await prepared("old");
    await file.write([text("new")], 0);
    next({ kind: "fail" });
    expect((await rejectedBy(file.datasync())).code).toBe("SYNC_FAILED");
    next(undefined);
    await file.datasync();
    expect(read(file, 3)).toBe("new");
    expect(await afterCrash()).toBe("old");
  });

  it("is a failed sync too when the file has been renamed or removed since it was opened", async () => {
    for (const move of ["rename", "remove"] as const) {
      const { disk, file, next } = await prepared("old");
      if (move === "rename") await disk.rename("/f", "/g");
      else await disk.remove("/f");
      next({ kind: "fail" });
      expect((await rejectedBy(file.datasync())).code).toBe("SYNC_FAILED");
    }
  });
});

describe("silent damage", () => {
  it("a flipped bit is in the answer of one read and not on the disk", async () => {
    const { file, next } = await prepared("aaaa");
    next({ kind: "flip", bit: 9 });
    expect(read(file, 4)).toBe("acaa");
    next({ kind: "flip", bit: 32 + 9 });
    expect(read(file, 4)).toBe("acaa");
    next(undefined);
    expect(read(file, 4)).toBe("aaaa");
  });

  it("a misdirected read returns what stands elsewhere", async () => {
    const { file, next } = await prepared("abcdef");
    next({ kind: "misdirect", position: 3 });
    expect(read(file, 2)).toBe("de");
  });

  it("a misdirected write damages its target and leaves the victim old", async () => {
    const { file, next } = await prepared("abcdef");
    next({ kind: "misdirect", position: 4 });
    await file.write([text("XY")], 0);
    next(undefined);
    expect(read(file, 6)).toBe("abcdXY");
  });

  it("a phantom write is acknowledged, and so is its sync, and nothing is there", async () => {
    const { file, next, afterCrash } = await prepared("abc");
    next({ kind: "phantom" });
    await file.write([text("XYZ")], 0);
    next(undefined);
    await file.datasync();
    expect([read(file, 3), await afterCrash()]).toEqual(["abc", "abc"]);
  });
});

describe("a plan", () => {
  it("can be exchanged while the disk runs", async () => {
    const { disk, file } = await prepared("abc");
    disk.plan = ({ kind }) => (kind === "read" ? { kind: "fail" } : undefined);
    expect(thrownBy(() => read(file, 1)).code).toBe("IO_READ_FAILED");
    disk.plan = () => undefined;
    expect(read(file, 1)).toBe("a");
  });
});
