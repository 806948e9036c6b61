/** The check of a whole directory that no node has open: what it finds, and that it changes nothing. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { checkDataDirectory, openNodeEngine } from "../../src/index.js";
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
