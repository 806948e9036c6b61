import { directoryOf, joinPath } from "@authledger/io";
import { describe, expect, it } from "vitest";

describe("paths", () => {
  it.each([
    [["/data", "wal", "x"], "/data/wal/x"],
    [["/data/", "/wal/", "x"], "/data/wal/x"],
    [["data", "x"], "data/x"],
    [["/", "x"], "/x"],
  ])("%j joins to %s", (parts, path) => {
    expect(joinPath(...parts)).toBe(path);
  });

  it.each([
    ["/data/wal/x", "/data/wal"],
    ["/x", "/"],
    ["data/x", "data"],
    ["x", "."],
  ])("%s lies in %s", (path, directory) => {
    expect(directoryOf(path)).toBe(directory);
  });
});
