/**
 * Writes, reads, scans and flushes a second, 32-byte keys and 100-byte values, real disk.
 *
 *   npx tsc -b packages/store && node packages/store/test/bench/page-store.mjs [directory] [entries]
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { PageStore } from "@authledger/store";

const parent = process.argv[2] ?? tmpdir();
const entries = Number(process.argv[3] ?? 500_000);
const deps = { disk: new NodeDisk(), clock: nodeClock, random: nodeRandom, timers: nodeTimers };
const directory = mkdtempSync(join(parent, "authledger-bench-"));
const options = {
  path: join(directory, "state.db"),
  cacheBytes: 256 * 1024 * 1024,
  groupId: 1,
  incarnation: new Uint8Array(16),
};
const value = new Uint8Array(100).fill(7);
const keys = Array.from({ length: entries }, (_, i) =>
  createHash("sha256").update(String(i)).digest(),
);
const sorted = [...keys].sort(Buffer.compare);
let index = 0;

async function timed(what, count, run) {
  const cpu = process.cpuUsage();
  const at = performance.now();
  await run();
  const ms = performance.now() - at;
  const used = process.cpuUsage(cpu);
  const us = ((ms * 1000) / count).toFixed(2);
  process.stdout.write(
    `${what}: ${count} in ${ms.toFixed(0)} ms, ${us} us each, ` +
      `${((used.user + used.system) / count).toFixed(2)} us of processor\n`,
  );
}

function flush(store) {
  index++;
  const digest = new Uint8Array(32);
  return store.flush({ index, term: 1, configIndex: 0, leaderTimeMs: 0, digest });
}

let store = await PageStore.open(options, deps);
let table = store.table(1, "bench");
await timed("puts in random order", entries, () => {
  for (const key of keys) table.put(key, value);
});
const dirty = store.dirtyBytes;
await timed(`flush of ${(dirty / 2 ** 20).toFixed(0)} MiB, pages`, dirty / 4096, () =>
  flush(store),
);
await timed("gets in random order", entries, () => {
  for (const key of keys) table.get(key);
});
await timed("gets in key order", entries, () => {
  for (const key of sorted) table.get(key);
});
await timed("cursor over everything", entries, () => {
  const cursor = table.cursor();
  let bytes = 0;
  for (let ok = cursor.first(); ok; ok = cursor.next()) bytes += cursor.value.length;
  if (bytes !== entries * value.length) throw new Error("the scan is wrong");
});
await timed("small flushes, 100 puts each", 100, async () => {
  for (let i = 0; i < 100; i++) {
    for (let k = 0; k < 100; k++) table.put(keys[(i * 100 + k) % entries], value);
    await flush(store);
  }
});
const { filePages } = store.stats();
process.stdout.write(`file: ${((filePages * 4096) / entries).toFixed(0)} bytes an entry\n`);
await store.close();
await timed("open", 1, async () => {
  store = await PageStore.open({ ...options, cacheBytes: 16 * 1024 * 1024 }, deps);
});
table = store.table(1, "bench");
await timed("gets in random order, cache of 16 MiB", entries / 5, () => {
  for (let i = 0; i < entries; i += 5) table.get(keys[i]);
});
await store.close();
rmSync(directory, { recursive: true });
