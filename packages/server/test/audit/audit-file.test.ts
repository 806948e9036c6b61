/** The audit log as a file. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import type * as fs from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { AuditFile } from "../../src/audit/audit-file.js";
import type { AuditRecord } from "../../src/audit/audit-record.js";

/** Calls of the system that fail now: by name, and the path that they begin with. */
const failing = vi.hoisted(() => ({ call: "", path: "" }));
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof fs>();
  const guarded = <T extends (...args: never[]) => Promise<unknown>>(name: string, call: T): T =>
    (async (...args: Parameters<T>) => {
      const isHit = failing.call === name && args[0] === failing.path;
      if (isHit) throw Object.assign(new Error(`EMFILE: ${name}`), { code: "EMFILE" });
      return call(...args);
    }) as T;
  return { ...real, open: guarded("open", real.open), rename: guarded("rename", real.rename) };
});
afterEach(() => Object.assign(failing, { call: "", path: "" }));

const record = (requestId: string): AuditRecord => ({
  ...{ timeMs: 1_000, actor: "root", action: "AdminService/createVault", resource: { name: "v" } },
  ...{ outcome: "success", requestId, client: "127.0.0.1", node: "n1" },
});

const idsIn = (path: string): string[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).requestId);

describe("the file of the audit log", () => {
  test("INV-TRAIL-3: lines are on the disk in their order when they are flushed, and only their owner reads them", async () => {
    const path = join(temporaryDirectory(), "deep", "audit.jsonl");
    const file = new AuditFile({ path, bytesMax: 1e6, filesMax: 2 });
    await file.open();
    for (let i = 0; i < 50; i++) file.add(record(`r${i}`));
    await file.flush();
    expect(idsIn(path)).toEqual(Array.from({ length: 50 }, (_, i) => `r${i}`));
    expect(JSON.parse(readFileSync(path, "utf8").split("\n")[0]!).time).toBe(
      "1970-01-01T00:00:01.000Z",
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    file.add(record("last"));
    await file.close();
    expect(idsIn(path).at(-1)).toBe("last");
  });

  test("a file that is full is put aside, and the oldest of more than are kept is removed; a start goes on with it", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "audit.jsonl");
    for (let i = 0; i < 6; i++) {
      const file = new AuditFile({ path, bytesMax: 100, filesMax: 2 });
      await file.open();
      file.add(record(`r${i}`));
      await file.close();
    }
    expect(readdirSync(directory).sort()).toEqual([
      "audit.jsonl",
      "audit.jsonl.1",
      "audit.jsonl.2",
    ]);
    const kept = ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"];
    expect(kept.flatMap((name) => idsIn(join(directory, name)))).toEqual(["r3", "r4", "r5"]);
  });

  /*
   * Each line after a rotation that had failed halfway began another one, which removed the oldest file and moved the rest: a few
   * refused calls later all files were gone, and no line was written any more though the disk was well again.
   */
  test.each([
    ["open", ""],
    ["rename", ""],
    ["rename", ".1"],
    ["rename", ".2"],
  ])(
    "INV-TRAIL-5: a rotation that fails in its %s of audit.jsonl%s costs the lines of then, and no file",
    async (call, suffix) => {
      const directory = temporaryDirectory();
      const path = join(directory, "audit.jsonl");
      const file = new AuditFile({ path, bytesMax: 100, filesMax: 3 });
      await file.open();
      const add = async (requestId: string): Promise<void> => {
        file.add(record(requestId));
        await file.flush();
      };
      for (const id of ["a", "b", "c", "d"]) await add(id);
      Object.assign(failing, { call, path: path + suffix });
      for (const id of ["x", "y", "z"]) await add(id);
      expect(file.lost).toBe(3);
      const kept = (): string[] =>
        [".3", ".2", ".1", ""].flatMap((number) =>
          readdirSync(directory).includes(`audit.jsonl${number}`) ? idsIn(path + number) : [],
        );
      expect(kept().slice(-3)).toEqual(["b", "c", "d"]);
      Object.assign(failing, { call: "", path: "" });
      await add("e");
      expect([kept(), file.lost, file.problem]).toEqual([["b", "c", "d", "e"], 3, undefined]);
      await file.close();
    },
  );

  test("INV-TRAIL-3: a line behind half a one, which a full disk or a killed process left, is on a line of its own", async () => {
    const path = join(temporaryDirectory(), "audit.jsonl");
    for (const id of ["a", "b"]) {
      const file = new AuditFile({ path, bytesMax: 1e6, filesMax: 1 });
      await file.open();
      file.add(record(id));
      await file.close();
      appendFileSync(path, '{"time":"19');
    }
    const lines = readFileSync(path, "utf8").split("\n");
    expect(lines.map((line) => line.slice(0, 11))).toEqual(
      ["a", "", "b", ""].map(() => '{"time":"19'),
    );
    expect([0, 2].map((i) => JSON.parse(lines[i]!).requestId)).toEqual(["a", "b"]);
  });

  test("a disk that fails loses lines that are counted, and later ones are written again", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "audit.jsonl");
    const file = new AuditFile({ path, bytesMax: 100, filesMax: 1 });
    await file.open();
    file.add(record("a"));
    await file.flush();
    // Something is in the way of putting the full file aside.
    mkdirSync(`${path}.1`);
    file.add(record("b"));
    await file.flush();
    expect([file.lost, file.problem === undefined]).toEqual([1, false]);
    await file.close();
  });
});
