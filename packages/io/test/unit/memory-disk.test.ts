import { MemoryDisk, type MemoryFile, readFile, SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";

const text = (s: string) => new TextEncoder().encode(s);

async function diskWith(files: Record<string, string>): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  for (const [path, content] of Object.entries(files)) {
    const file = await disk.open(path, { create: true });
    await file.write([text(content)], 0);
    await file.datasync();
  }
  return disk;
}

describe("names on a disk in memory", () => {
  it("are listed sorted, one level at a time; a missing directory has none", async () => {
    const disk = await diskWith({ "/d/b": "", "/d/a": "", "/d/sub/x": "", "/e/z": "" });
    expect(await disk.list("/d")).toEqual(["a", "b", "sub"]);
    expect(await disk.list("/d/")).toEqual(["a", "b", "sub"]);
    expect(await disk.list("/nowhere")).toEqual([]);
  });

  it("exist as files and as directories that hold some", async () => {
    const disk = await diskWith({ "/d/sub/x": "" });
    const asked = ["/d/sub/x", "/d/sub", "/d", "/d/su", "/x"];
    expect(await Promise.all(asked.map((path) => disk.exists(path)))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it("are made only with create, and with exclusive only once", async () => {
    const disk = await diskWith({ "/a": "" });
    expect((await rejectedBy(disk.open("/b"))).code).toBe("IO_READ_FAILED");
    const again = disk.open("/a", { create: true, exclusive: true });
    expect((await rejectedBy(again)).code).toBe("IO_WRITE_FAILED");
    await disk.open("/b", { create: true, exclusive: true });
    expect(await disk.exists("/b")).toBe(true);
  });

  it("rename over what was there; a missing source is an error", async () => {
    const disk = await diskWith({ "/a": "one", "/b": "two" });
    await disk.rename("/a", "/b");
    expect([await disk.exists("/a"), Buffer.from(await readFile(disk, "/b")).toString()]).toEqual([
      false,
      "one",
    ]);
    expect((await rejectedBy(disk.rename("/a", "/c"))).code).toBe("IO_WRITE_FAILED");
  });

  it("removed once or twice are gone; an open file is still read and written", async () => {
    const disk = await diskWith({ "/a": "one" });
    const file = await disk.open("/a");
    await disk.remove("/a");
    await disk.remove("/a");
    await file.write([text("two")], 0);
    const into = new Uint8Array(3);
    expect([file.readSync(into, 0), Buffer.from(into).toString()]).toEqual([3, "two"]);
    expect(await disk.exists("/a")).toBe(false);
  });
});

describe("a full disk in memory", () => {
  it("refuses growth with DISK_FULL, takes overwrites, and has room again after a removal", async () => {
    const disk = await diskWith({ "/a": "12345", "/b": "12345" });
    disk.capacityBytes = 10;
    const file = await disk.open("/a");
    expect((await rejectedBy(file.write([text("x")], 5))).code).toBe("DISK_FULL");
    expect((await rejectedBy(file.truncate(6))).code).toBe("DISK_FULL");
    await file.write([text("abcde")], 0);
    await disk.remove("/b");
    await file.write([text("fghij")], 5);
    expect(Buffer.from(await readFile(disk, "/a")).toString()).toBe("abcdefghij");
    disk.capacityBytes = 4;
    await file.write([text("JIHGFEDCBA")], 0);
    await file.truncate(9);
    expect(file.size()).toBe(9);
  });

  it("may have written the first parts of what did not fit", async () => {
    const disk = await diskWith({ "/a": "" });
    disk.capacityBytes = 4;
    const file = await disk.open("/a");
    expect((await rejectedBy(file.write([text("abc"), text("def")], 0))).code).toBe("DISK_FULL");
    expect(file.size()).toBeLessThanOrEqual(4);
  });
});

describe("a sync that takes its time", () => {
  it("covers what was written before it began, and nothing that was written meanwhile", async () => {
    const disk = await diskWith({ "/a": "" });
    await disk.syncDirectory("/");
    const file = (await disk.open("/a")) as MemoryFile;
    await file.write([text("abc")], 0);
    const end = file.beginSync();
    await file.write([text("def")], 3);
    const during = disk.crash(new SeededRandom(1), { unsynced: "lost" });
    expect(await readFile(during, "/a")).toHaveLength(0);
    end();
    const after = disk.crash(new SeededRandom(1), { unsynced: "lost" });
    expect(Buffer.from(await readFile(after, "/a")).toString()).toBe("abc");
    expect(Buffer.from(await readFile(disk, "/a")).toString()).toBe("abcdef");
  });

  it("covers the names of a directory in the same way", async () => {
    const disk = new MemoryDisk();
    await disk.open("/a", { create: true });
    const end = disk.beginSyncDirectory("/");
    await disk.open("/b", { create: true });
    end();
    const after = disk.crash(new SeededRandom(1), { unsynced: "lost" });
    expect(await after.list("/")).toEqual(["a"]);
  });
});

describe("a damaged disk in memory", () => {
  it("shows flipped bits at once and after a crash, and changes no size", async () => {
    const disk = await diskWith({ "/a": "abc" });
    await disk.syncDirectory("/");
    disk.corrupt("/a", 1, Uint8Array.of(1, 0, 0xff));
    expect(Buffer.from(await readFile(disk, "/a")).toString()).toBe("acc");
    const after = disk.crash(new SeededRandom(1), { unsynced: "lost" });
    expect(Buffer.from(await readFile(after, "/a")).toString()).toBe("acc");
    disk.corrupt("/a", 50, Uint8Array.of(1));
    expect((await disk.open("/a")).size()).toBe(3);
  });
});

describe("data given to write", () => {
  it("belongs to the caller again afterwards, also on the platter", async () => {
    const disk = await diskWith({ "/a": "" });
    await disk.syncDirectory("/");
    const file = await disk.open("/a");
    const data = text("abc");
    await file.write([data], 0);
    data.fill(0);
    await file.datasync();
    const after = disk.crash(new SeededRandom(1), { unsynced: "lost" });
    expect(Buffer.from(await readFile(after, "/a")).toString()).toBe("abc");
  });
});
