import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NodeDisk, readFile, replaceFile } from "@authledger/io";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";

const disk = new NodeDisk();
const text = (s: string) => new TextEncoder().encode(s);

async function opened(content = "") {
  const path = join(temporaryDirectory(), "file");
  writeFileSync(path, content);
  const file = await disk.open(path);
  onTestFinished(() => file.close());
  return { path, file };
}

/** Root may do everything, so permissions are tried as somebody else. */
async function asOrdinaryUser<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65_534);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}

describe("failures of a real disk are LedgerErrors that name the path and the errno", () => {
  it("a missing file is IO_READ_FAILED", async () => {
    const path = join(temporaryDirectory(), "missing");
    const error = await rejectedBy(disk.open(path));
    expect(error.code).toBe("IO_READ_FAILED");
    expect(error.details).toEqual({ path, errno: "ENOENT" });
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.message).toBe(`cannot open ${path}: ENOENT`);
  });

  it("a file in a missing directory cannot be created", async () => {
    const path = join(temporaryDirectory(), "missing", "file");
    const error = await rejectedBy(disk.open(path, { create: true }));
    expect([error.code, error.details["errno"]]).toEqual(["IO_WRITE_FAILED", "ENOENT"]);
  });

  it("a directory is no file", async () => {
    const error = await rejectedBy(disk.open(temporaryDirectory()));
    expect([error.code, error.details["errno"]]).toEqual(["IO_READ_FAILED", "EISDIR"]);
  });

  it("a file is no directory", async () => {
    const { path } = await opened();
    const errors = [
      await rejectedBy(disk.open(join(path, "x"), { create: true })),
      await rejectedBy(disk.list(path)),
      await rejectedBy(disk.makeDirectory(join(path, "x"))),
    ];
    expect(errors.map((error) => [error.code, error.details["errno"]])).toEqual([
      ["IO_WRITE_FAILED", "ENOTDIR"],
      ["IO_READ_FAILED", "ENOTDIR"],
      ["IO_WRITE_FAILED", "ENOTDIR"],
    ]);
  });

  it("a file that one may not touch is refused with EACCES", async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o755);
    const path = join(directory, "secret");
    writeFileSync(path, "x", { mode: 0o600 });
    chmodSync(path, 0o000);
    const errors = await asOrdinaryUser(async () => [
      await rejectedBy(disk.open(path)),
      await rejectedBy(disk.open(path, { create: true })),
    ]);
    expect(errors.map((error) => [error.code, error.details["errno"]])).toEqual([
      ["IO_READ_FAILED", "EACCES"],
      ["IO_WRITE_FAILED", "EACCES"],
    ]);
  });

  it("a file that cannot be looked at is not taken for a missing one: a node would have made itself a new identity", async () => {
    const link = join(temporaryDirectory(), "loop");
    symlinkSync(link, link);
    const failed = await rejectedBy(new NodeDisk().exists(join(link, "node.json")));
    expect(failed).toMatchObject({ code: "IO_READ_FAILED", details: { errno: "ELOOP" } });
  });

  it("creating exclusively what is there fails", async () => {
    const { path } = await opened();
    const error = await rejectedBy(disk.open(path, { create: true, exclusive: true }));
    expect([error.code, error.details["errno"]]).toEqual(["IO_WRITE_FAILED", "EEXIST"]);
  });

  it("renaming a missing file, removing a directory and syncing a missing directory fail", async () => {
    const directory = temporaryDirectory();
    const errors = [
      await rejectedBy(disk.rename(join(directory, "a"), join(directory, "b"))),
      await rejectedBy(disk.remove(directory)),
      await rejectedBy(disk.syncDirectory(join(directory, "c"))),
    ];
    expect(errors.map((error) => error.code)).toEqual([
      "IO_WRITE_FAILED",
      "IO_WRITE_FAILED",
      "SYNC_FAILED",
    ]);
  });

  it("a device without room is DISK_FULL", async () => {
    const file = await disk.open("/dev/full");
    onTestFinished(() => file.close());
    const error = await rejectedBy(file.write([text("x")], 0));
    expect([error.code, error.details["errno"]]).toEqual(["DISK_FULL", "ENOSPC"]);
  });

  it("a closed file fails at everything but closing", async () => {
    const { file } = await opened("abc");
    await file.close();
    await file.close();
    const errors = [
      thrownBy(() => file.size()),
      thrownBy(() => file.readSync(new Uint8Array(1), 0)),
      await rejectedBy(file.write([text("x")], 0)),
      await rejectedBy(file.truncate(0)),
      await rejectedBy(file.datasync()),
    ];
    expect(errors.map((error) => error.details["errno"])).toEqual(Array(5).fill("EBADF"));
  });
});

describe("what is no failure", () => {
  it("listing a missing directory gives no names; removing a missing file does nothing", async () => {
    const missing = join(temporaryDirectory(), "missing");
    expect(await disk.list(missing)).toEqual([]);
    await disk.remove(missing);
    expect(await disk.exists(missing)).toBe(false);
  });

  it("making a directory twice, with its parents, that only its owner may enter", async () => {
    const directory = join(temporaryDirectory(), "a", "b");
    await disk.makeDirectory(directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    await disk.makeDirectory(directory);
    await disk.syncDirectory(directory);
    expect(await disk.exists(directory)).toBe(true);
  });

  it("a dangling link does not exist", async () => {
    const link = join(temporaryDirectory(), "link");
    symlinkSync("/nowhere/at/all", link);
    expect(await disk.exists(link)).toBe(false);
  });
});

describe("files of a real disk", () => {
  it("are created with the permission bits asked for, minus the umask", async () => {
    const path = join(temporaryDirectory(), "seed");
    await (await disk.open(path, { create: true, mode: 0o600 })).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("are listed sorted", async () => {
    const directory = temporaryDirectory();
    for (const name of ["b", "a10", "a2"]) writeFileSync(join(directory, name), "");
    mkdirSync(join(directory, "Z"));
    expect(await disk.list(directory)).toEqual(["Z", "a10", "a2", "b"]);
  });

  it("read to their end and say how much that was", async () => {
    const { file } = await opened("abcdef");
    const into = new Uint8Array(4);
    expect([file.readSync(into, 4), Buffer.from(into).toString("latin1")]).toEqual([2, "ef\0\0"]);
    expect(file.readSync(into, 6)).toBe(0);
    expect(file.readSync(into, 100)).toBe(0);
  });

  it("take more parts than one writev may have, empty ones among them", async () => {
    const { path, file } = await opened();
    const parts = Array.from({ length: 2_503 }, (_, i) => text(i % 7 === 0 ? "" : `${i};`));
    await file.write(parts, 3);
    await file.datasync();
    expect(readFileSync(path, "latin1")).toBe(`\0\0\0${parts.map((p) => Buffer.from(p)).join("")}`);
    expect(file.size()).toBe(statSync(path).size);
  });

  it("write nothing when given nothing", async () => {
    const { file } = await opened("abc");
    await file.write([], 10);
    await file.write([new Uint8Array()], 10);
    expect(file.size()).toBe(3);
  });

  it("grow with zeros and shrink by truncate", async () => {
    const { path, file } = await opened("abc");
    await file.truncate(5);
    expect(readFileSync(path, "latin1")).toBe("abc\0\0");
    await file.truncate(1);
    expect(readFileSync(path, "latin1")).toBe("a");
  });

  it("are replaced whole by replaceFile, with nothing left beside them", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "node.json");
    await replaceFile(disk, path, text("one"), 0o600);
    await replaceFile(disk, path, text("two"), 0o600);
    expect(Buffer.from(await readFile(disk, path)).toString()).toBe("two");
    expect(await disk.list(directory)).toEqual(["node.json"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe("a log, whose small writes are durable when they return", () => {
  it("holds what was written by small and large writes, in whichever order, and is synced and cut as another file", async () => {
    const path = join(temporaryDirectory(), "log");
    const file = await disk.open(path, { create: true, isLog: true });
    onTestFinished(() => file.close());
    const large = new Uint8Array(300 * 1_024).fill(2);
    await file.write([large], 0);
    await file.write([text("head"), text("er")], 0);
    await file.datasync();
    await file.write([text("end")], large.length);
    await file.datasync();
    const found = await readFile(disk, path);
    expect(found.length).toBe(large.length + 3);
    expect([found.slice(0, 6), found[6], found.slice(-3)]).toEqual([
      text("header"),
      2,
      text("end"),
    ]);
    await file.truncate(6);
    await file.datasync();
    expect(await readFile(disk, path)).toEqual(text("header"));
  });

  it("a file that cannot be opened twice is not opened at all", async () => {
    const error = await rejectedBy(disk.open(join(temporaryDirectory(), "no"), { isLog: true }));
    expect([error.code, error.details["errno"]]).toEqual(["IO_READ_FAILED", "ENOENT"]);
  });
});
