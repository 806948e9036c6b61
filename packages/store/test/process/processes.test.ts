/**
 * Real processes on a real disk: one holds a data directory at a time, and a process that is killed in the
 * middle of its flushes loses nothing that was reported done.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { toHex } from "@authledger/types";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import {
  rejectedBy,
  temporaryDirectory,
  testRandom,
  testRounds,
} from "../../../../test/support.js";
import { checkStore, DataLock, PageStore } from "../../src/index.js";
import { CHILD_STORE, expectedAfter } from "./workload.mjs";

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const strippedDirectory = mkdtempSync(join(tmpdir(), "authledger-test-"));
afterAll(() => rmSync(strippedDirectory, { recursive: true, force: true }));

interface Child {
  readonly process: ChildProcess;
  /** The next line that it prints; undefined at its end. */
  line(): Promise<string | undefined>;
  kill(): Promise<void>;
}

function start(what: "hold" | "write", directory: string): Child {
  const node = ["--conditions=source", "--import", here("typescript-hooks.mjs")];
  const child = spawn(process.execPath, [...node, here("child.mjs"), what, directory], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, STRIPPED: strippedDirectory },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "close");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  onTestFinished(kill);
  return { process: child, line: async () => (await lines.next()).value, kill };
}

describe("the lock of a data directory", () => {
  test("is held by one process: a second one is told who, DATA_DIR_IN_USE", async () => {
    const directory = temporaryDirectory();
    const holder = start("hold", directory);
    expect(await holder.line()).toBe("locked");
    const error = await rejectedBy(DataLock.acquire(directory));
    expect(error.code).toBe("DATA_DIR_IN_USE");
    expect(error.message).toBe(
      `${directory} is held by process ${holder.process.pid} on ${hostname()}`,
    );
    expect(error.details).toEqual({ directory, pid: holder.process.pid });
    const second = start("hold", directory);
    expect(await second.line()).toBe(`DATA_DIR_IN_USE: ${error.message}`);
    expect(JSON.parse(readFileSync(join(directory, "LOCK"), "utf8"))).toMatchObject({
      pid: holder.process.pid,
    });
  });

  test("is free at once when its holder is killed, though its file stays behind", async () => {
    const directory = temporaryDirectory();
    const holder = start("hold", directory);
    expect(await holder.line()).toBe("locked");
    await holder.kill();
    expect(readFileSync(join(directory, "LOCK"), "utf8")).toContain(`${holder.process.pid}`);
    const lock = await DataLock.acquire(directory);
    expect(JSON.parse(readFileSync(join(directory, "LOCK"), "utf8"))).toMatchObject({
      pid: process.pid,
      host: hostname(),
    });
    await lock.release();
  });

  test("is given up by release, which may be repeated, and is for one directory", async () => {
    const [directory, other] = [temporaryDirectory(), temporaryDirectory()];
    const lock = await DataLock.acquire(directory);
    const elsewhere = await DataLock.acquire(other);
    expect((await rejectedBy(DataLock.acquire(directory))).code).toBe("DATA_DIR_IN_USE");
    await lock.release();
    await lock.release();
    await using again = await DataLock.acquire(directory);
    expect(again).toBeInstanceOf(DataLock);
    await elsewhere.release();
  });

  test("does not believe a file that is left over or unreadable, nor need one to refuse", async () => {
    for (const content of ["", "{", '{"pid":"x"}', '{"pid":1,"host":"h","startTicks":"0"}']) {
      const directory = temporaryDirectory();
      writeFileSync(join(directory, "LOCK"), content);
      const lock = await DataLock.acquire(directory);
      writeFileSync(join(directory, "LOCK"), content);
      const { message } = await rejectedBy(DataLock.acquire(directory));
      expect(message).toContain(`${directory} is held by`);
      await lock.release();
    }
  });
});

describe("a process that is killed while it writes and flushes", () => {
  test("leaves everything that it reported flushed, and a sound file; the next one goes on there", async () => {
    const random = testRandom("kill -9");
    const directory = temporaryDirectory();
    const path = join(directory, "state.db");
    const deps = { disk: new NodeDisk(), clock: nodeClock, timers: nodeTimers, random: nodeRandom };
    let reported = 0;
    for (let round = 0; round < testRounds(5); round++) {
      const child = start("write", directory);
      expect(await child.line()).toBe(`opened ${reported}`);
      const flushes = 1 + random.int(60);
      for (let i = 0; i < flushes; i++) expect(await child.line()).toBe(`flushed ${++reported}`);
      // Somewhere in the next flush or two.
      await new Promise((resolve) => setTimeout(resolve, random.int(4)));
      await child.kill();
      for (let line = await child.line(); line !== undefined; line = await child.line()) {
        expect(line).toBe(`flushed ${++reported}`);
      }
      expect((await checkStore(new NodeDisk(), path)).problems).toEqual([]);
      const lock = await DataLock.acquire(directory);
      const store = await PageStore.open({ ...CHILD_STORE, path }, deps);
      const { index } = store.applied;
      // A flush that was not reported any more may be there, whole.
      expect(index - reported).toBeGreaterThanOrEqual(0);
      expect(index - reported).toBeLessThanOrEqual(1);
      expectTable(store, index);
      await store.close();
      await lock.release();
      reported = index;
    }
    expect((await checkStore(new NodeDisk(), path)).problems).toEqual([]);
  });
});

function expectTable(store: PageStore, index: number): void {
  const expected: Map<string, Uint8Array> = expectedAfter(index);
  const table = store.table(1, "numbers");
  expect(table.count).toBe(expected.size);
  const cursor = table.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    expect(Buffer.compare(cursor.value, expected.get(toHex(cursor.key))!)).toBe(0);
  }
  expect(store.table(2, "index").get(Uint8Array.of(0))).toEqual(Uint8Array.of(index >> 8, index));
}
