/** The check of a whole directory that no node has open: what it finds, and that it changes nothing. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { PageStore } from "@authledger/store";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import {
  checkDataDirectory,
  compactDataDirectory,
  inspectDataLog,
  inspectDataPage,
  inspectDataSlots,
  openNodeEngine,
} from "../../src/index.js";
import { readNodeIdentity } from "../../src/node-directory.js";
import { applied, createTuple, newVault, writeOne } from "../engine-support.js";

interface Used {
  readonly directory: string;
  readonly nodeId: bigint;
  readonly appliedIndex: number;
}

async function usedDirectory(): Promise<Used> {
  const directory = temporaryDirectory();
  const options = { directory, cacheBytes: 1 << 22, logSegmentBytes: 1 << 18 };
  await using engine = await openNodeEngine(options, () => undefined);
  const vault = await newVault(engine);
  for (let i = 0; i < 5; i++) applied(await writeOne(engine, vault, [createTuple(`doc:${i}`)]));
  const { appliedIndex } = engine.stats();
  return { directory, nodeId: engine.identity.nodeId, appliedIndex };
}

/** Names and hashes of all files. */
function contents(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path, createHash("sha256").update(readFileSync(path)).digest("hex")];
    }),
  );
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position]! ^= 1;
  writeFileSync(path, bytes);
}

/** Changes the hash in the last leaf row, through a store of its own: all pages have good checksums. */
async function forgeLeaf(directory: string): Promise<Uint8Array> {
  const { incarnation } = await readNodeIdentity(directory, new NodeDisk());
  const path = join(directory, "groups/1/state.db");
  await using store = await PageStore.open(
    { path, cacheBytes: 1 << 22, groupId: 1, incarnation },
    { disk: new NodeDisk(), clock: nodeClock, timers: nodeTimers, random: nodeRandom },
  );
  const leaves = store.table(7, "leaf");
  const cursor = leaves.cursor();
  cursor.last();
  const key = cursor.key.slice();
  const value = cursor.value.slice();
  value[0]! ^= 1;
  leaves.put(key, value);
  await store.flush(store.applied);
  return key;
}

describe("a check of a data directory", () => {
  test("finds nothing wrong with one that was closed, and changes nothing", async () => {
    const { directory, nodeId, appliedIndex } = await usedDirectory();
    const before = contents(directory);
    const report = await checkDataDirectory(directory);
    expect([report.problems, report.nodeId]).toEqual([[], nodeId]);
    expect(report.stores.map((store) => store.appliedIndex)).toEqual([appliedIndex]);
    expect(contents(directory)).toEqual(before);
  });

  test("names what is damaged, in the log and in the page store", async () => {
    const { directory } = await usedDirectory();
    flip(join(directory, "groups/1/state.db"), 16 * 4096 + 100);
    const store = await checkDataDirectory(directory);
    expect(store.problems.length).toBeGreaterThan(0);
    expect(store.problems.every((problem) => problem.includes("state.db"))).toBe(true);
    const segment = readdirSync(join(directory, "wal")).find((name) => name.endsWith(".seg"))!;
    flip(join(directory, "wal", segment), 3 * 4096 + 200);
    const { problems } = await checkDataDirectory(directory);
    expect(problems.some((problem) => problem.startsWith("log: "))).toBe(true);
  });

  test("recomputes the records: a row forged under good checksums is named by bucket and path", async () => {
    const { directory } = await usedDirectory();
    const whole = await checkDataDirectory(directory);
    expect(whole.records[0]!.counts).toMatchObject({ vaults: 2, skipped: 0 });
    expect(whole.records[0]!.counts.leaves).toBeGreaterThan(10);
    const key = await forgeLeaf(directory);
    const before = contents(directory);
    const { problems, stores } = await checkDataDirectory(directory);
    expect(stores[0]!.problems).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`bucket ${key[4]}, path ${toHex(key.subarray(4))}`);
    expect(problems[0]).toContain("its hash is not that of its record");
    expect(contents(directory)).toEqual(before);
  });

  test("is not needed to look: slots, pages and the log are shown, also beside a running node", async () => {
    const { directory, appliedIndex } = await usedDirectory();
    const before = contents(directory);
    const { copies, holder } = await inspectDataSlots(directory, 1);
    expect([holder, copies.every(({ verdict }) => verdict === "valid")]).toEqual([undefined, true]);
    expect(copies.some(({ superblock }) => superblock?.appliedIndex === appliedIndex)).toBe(true);
    const tables = new Set<string | undefined>();
    for (let page = 0; page < 60; page++) {
      const { report, rows } = await inspectDataPage(directory, 1, page);
      if (report.reachedBy.length > 0) tables.add(report.table?.name);
      // Every row of every table of this directory is known in words.
      for (const { value } of rows) expect(value).not.toMatch(/not a row/);
    }
    expect([...tables]).toEqual(expect.arrayContaining(["leaf", "header", "transaction", "vault"]));
    const records: string[] = [];
    const { log } = await inspectDataLog(directory, ({ kind, text }) =>
      records.push(`${kind} ${text}`),
    );
    expect(log.problems).toEqual([]);
    expect(records).toHaveLength(log.records);
    expect(records.some((text) => /^entry .*create_vault/.test(text))).toBe(true);
    expect(contents(directory)).toEqual(before);
    const none = await rejectedBy(inspectDataPage(temporaryDirectory(), 1, 0));
    expect(none.code).toBe("DATA_DIR_INVALID");
  });

  test("finds a directory whole that was compacted while it was stopped, and it serves again", async () => {
    const { directory, appliedIndex } = await usedDirectory();
    const [report] = await compactDataDirectory(directory);
    // There was nothing to gain; the chains of two more generations take a page or two each.
    expect(report!.after.pages).toBeLessThanOrEqual(report!.before.pages + 8);
    const checked = await checkDataDirectory(directory);
    expect(checked.problems).toEqual([]);
    expect(checked.stores[0]!.appliedIndex).toBe(appliedIndex);
    const options = { directory, cacheBytes: 1 << 22, logSegmentBytes: 1 << 18 };
    await using engine = await openNodeEngine(options, () => undefined);
    expect(engine.stats().appliedIndex).toBeGreaterThanOrEqual(appliedIndex);
    expect((await rejectedBy(compactDataDirectory(directory))).code).toBe("DATA_DIR_IN_USE");
    expect((await rejectedBy(compactDataDirectory(temporaryDirectory()))).code).toBe(
      "DATA_DIR_INVALID",
    );
  });

  test("says that the log does not go on where the page store ends", async () => {
    const { directory, appliedIndex } = await usedDirectory();
    rmSync(join(directory, "wal"), { recursive: true });
    mkdirSync(join(directory, "wal"));
    const { problems } = await checkDataDirectory(directory);
    expect(problems.join()).toContain(`entry ${appliedIndex}`);
  });

  test("is refused for a directory in use, and for one that is no node's", async () => {
    const directory = temporaryDirectory();
    expect((await rejectedBy(checkDataDirectory(directory))).code).toBe("DATA_DIR_INVALID");
    const options = { directory, cacheBytes: 1 << 22, logSegmentBytes: 1 << 18 };
    await using _engine = await openNodeEngine(options, () => undefined);
    expect((await rejectedBy(checkDataDirectory(directory))).code).toBe("DATA_DIR_IN_USE");
  });
});
