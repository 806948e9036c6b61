/** The audit log as a file. */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { AuditFile } from "../../src/audit/audit-file.js";
import type { AuditRecord } from "../../src/audit/audit-record.js";

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
