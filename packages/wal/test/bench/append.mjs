/**
 * Appends a second at 1, 16, 64 and 256 concurrent appenders, 256-byte entries, real disk.
 *
 *   npx tsc -b packages/wal && node packages/wal/test/bench/append.mjs [directory] [seconds]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { Wal } from "@authledger/wal";

const parent = process.argv[2] ?? tmpdir();
const seconds = Number(process.argv[3] ?? 3);
const deps = { disk: new NodeDisk(), clock: nodeClock, random: nodeRandom, timers: nodeTimers };
const GROUP = 1;
const payload = new Uint8Array(256).fill(7);

async function run(appenders) {
  const directory = mkdtempSync(join(parent, "authledger-bench-"));
  const wal = await Wal.open({ directory, voters: "one" }, deps);
  await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
  const log = wal.group(GROUP);
  const latencies = [];
  const stopAt = performance.now() + seconds * 1000;
  const started = performance.now();
  const appender = async () => {
    while (performance.now() < stopAt) {
      const at = performance.now();
      const index = log.lastIndex + 1;
      await wal.append([{ kind: "entry", group: GROUP, index, term: 1, payload }]);
      latencies.push(performance.now() - at);
      // What an engine does after a flush: the log never holds more than 128 MiB.
      if (index % 400_000 === 0) wal.release(GROUP, log.durableIndex);
    }
  };
  await Promise.all(Array.from({ length: appenders }, appender));
  const tookS = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const stats = wal.stats();
  await wal.close();
  rmSync(directory, { recursive: true });
  const at = (q) => (latencies[Math.floor(latencies.length * q)] * 1000).toFixed(0);
  const rate = Math.round(latencies.length / tookS);
  const amplification = (stats.writtenBytes / (latencies.length * 256)).toFixed(2);
  process.stdout.write(
    `${appenders} appenders: ${rate}/s, p50 ${at(0.5)} us, p99 ${at(0.99)} us, ` +
      `${stats.batches} batches, ${stats.syncs.count} syncs, ` +
      `${(stats.records / stats.batches).toFixed(1)} records a batch, written/payload ${amplification}, ` +
      `filled ${stats.segmentsFilled}, reused ${stats.segmentsReused}, max sync ${stats.syncs.maxMs.toFixed(1)} ms\n`,
  );
}

for (const appenders of [1, 16, 64, 256]) await run(appenders);
