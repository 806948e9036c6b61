/** Pinned roots on disk. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../test/support.js";
import { FileRoots } from "../src/index.js";

describe("FileRoots", () => {
  it("keeps one text per vault, for this user only, and leaves nothing else behind (INV-ROOTS-1)", async () => {
    const directory = join(temporaryDirectory(), "a", "pins");
    const roots = new FileRoots(directory);
    expect(await roots.load("7-9")).toBeUndefined();
    await roots.save("7-9", "one");
    await roots.save("7-10", "other");
    await Promise.all(Array.from({ length: 20 }, () => roots.save("7-9", "two")));
    expect(await roots.load("7-9")).toBe("two");
    expect(await new FileRoots(directory).load("7-10")).toBe("other");
    expect(readdirSync(directory).sort()).toEqual(["7-10.json", "7-9.json"]);
    expect(statSync(join(directory, "7-9.json")).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it("replaces a file that others could read by one that they cannot", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "7-9.json");
    writeFileSync(path, "old");
    chmodSync(path, 0o644);
    await new FileRoots(directory).save("7-9", "new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toBe("new");
  });

  it("names the file that cannot be read or written, and keeps the old one", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "7-9.json"));
    const roots = new FileRoots(directory);
    const unread = await rejectedBy(roots.load("7-9"));
    expect([unread.code, unread.details["path"]]).toEqual([
      "IO_READ_FAILED",
      join(directory, "7-9.json"),
    ]);
    expect((await rejectedBy(roots.save("7-9", "x"))).code).toBe("IO_WRITE_FAILED");
    expect(readdirSync(directory)).toEqual(["7-9.json"]);
    writeFileSync(join(directory, "file"), "");
    const below = new FileRoots(join(directory, "file"));
    expect((await rejectedBy(below.save("7-9", "x"))).code).toBe("IO_WRITE_FAILED");
  });

  it("takes no name that could lead elsewhere", async () => {
    const roots = new FileRoots(temporaryDirectory());
    for (const vault of ["", "../x", "7", "7-9/..", "a-b"]) {
      expect((await rejectedBy(roots.load(vault))).code).toBe("INVALID_ARGUMENT");
    }
  });
});
