/** Pairs, tables, recordings, data and processes. */
import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { alternate, ratios, spread } from "../lib/pairs.mjs";
import { cpuMillis, memory, startServer } from "../lib/processes.mjs";
import { table } from "../lib/report.mjs";
import { removeDirectory, scratchDirectory } from "../lib/scratch.mjs";
import { absentTuple, tuple } from "../lib/tuples.mjs";
import { readRecording, writeRecording } from "../load/recording.mjs";

test("pairs alternate, and ratios are those of neighbours", async () => {
  /** @type {string[]} */
  const order = [];
  const pairs = await alternate(
    async () => order.push("a"),
    async () => order.push("b"),
    3,
  );
  assert.deepEqual(order, ["a", "b", "b", "a", "a", "b"]);
  assert.deepEqual(
    pairs.map(({ a, b }) => [a, b]),
    [
      [1, 2],
      [4, 3],
      [5, 6],
    ],
  );
  assert.deepEqual(
    ratios(pairs, (x) => x),
    { min: 0.5, median: 5 / 6, max: 4 / 3 },
  );
  assert.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
});

test("a table lines its columns up", () => {
  const text = table(
    ["name", "n"],
    [
      ["a", "1"],
      ["longer", "1,000"],
    ],
  );
  assert.equal(text, "name        n\n------  -----\na           1\nlonger  1,000");
});

test("a recording is read as it was written; one that is cut off or something else is refused", () => {
  const directory = scratchDirectory("test");
  const file = join(directory, "requests.rec");
  const requests = [
    { path: "/a.B/C", message: Buffer.from("abc") },
    { path: "/a.B/D", message: Buffer.alloc(0) },
  ];
  writeRecording(file, requests);
  assert.deepEqual(readRecording(file), requests);
  truncateSync(file, 15);
  assert.throws(() => readRecording(file), /cut off/);
  writeFileSync(file, "something else");
  assert.throws(() => readRecording(file), /no recording/);
  removeDirectory(directory);
});

test("tuples are distinct, their keys 20 to 40 bytes long, and absent ones are never stored", () => {
  /** @type {Set<string>} */
  const stored = new Set();
  const text = (/** @type {import("../lib/tuples.mjs").Tuple} */ t) =>
    `${t.resource}#${t.relation}@${t.subject}`;
  for (let i = 0; i < 200_000; i++) stored.add(text(tuple(i)));
  assert.equal(stored.size, 200_000);
  for (let i = 0; i < 1_000; i++) assert.ok(!stored.has(text(absentTuple(i))));
  for (const key of stored) assert.ok(key.length >= 20 && key.length <= 40, key);
});

test("CPU and memory of a process are read from outside", () => {
  const before = cpuMillis(process.pid);
  const until = performance.now() + 200;
  while (performance.now() < until);
  const used = cpuMillis(process.pid) - before;
  assert.ok(used >= 100 && used <= 1_500, `${used} ms`);
  const { residentBytes, residentBytesMax } = memory(process.pid);
  assert.ok(residentBytes > 2 ** 20 && residentBytesMax >= residentBytes);
});

test("a program that ends, or says nothing, before it is ready is an error with its output", async () => {
  const ready = /^ready/m;
  await assert.rejects(
    startServer(process.execPath, ["-e", "console.log('oh no'); process.exit(3)"], { ready }),
    /ended with 3[\s\S]*oh no/,
  );
  await assert.rejects(
    startServer(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { ready, readyMs: 300 }),
    /not ready after 300 ms/,
  );
  await assert.rejects(startServer("/does/not/exist", [], { ready }), /ENOENT/);
  const loud = await startServer(
    process.execPath,
    [
      "-e",
      "process.on('SIGTERM', () => process.exit(5)); console.log('ready'); setInterval(() => {}, 1000)",
    ],
    { ready },
  );
  await assert.rejects(loud.stop(), /did not stop cleanly \(5\)/);
});
