/**
 * What the tests run in a process of its own, to be killed:
 *   hold <directory>            takes the lock of a directory and keeps it
 *   write <directory> <seed>    takes the lock, opens the store, writes and flushes in a loop
 * Each prints a line when it is so far; `write` one with the index after each flush that was reported done.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { DataLock, PageStore } from "@authledger/store";
import { CHILD_STORE, writeIndex } from "./workload.mjs";

const [what, directory = ""] = process.argv.slice(2);

/** Synchronous, so that a line is out before anything else happens. */
function say(line) {
  writeSync(1, `${line}\n`);
}

try {
  await DataLock.acquire(directory);
  if (what === "write") await write();
  else {
    say("locked");
    setInterval(() => undefined, 1_000);
  }
} catch (error) {
  say(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}

async function write() {
  const deps = {
    disk: new NodeDisk(),
    clock: nodeClock,
    timers: nodeTimers,
    random: nodeRandom,
  };
  const store = await PageStore.open({ ...CHILD_STORE, path: join(directory, "state.db") }, deps);
  say(`opened ${store.applied.index}`);
  const digest = new Uint8Array(32);
  for (let index = store.applied.index + 1; ; index++) {
    writeIndex(store, index);
    await store.flush({ index, term: 1, configIndex: 0, leaderTimeMs: index, digest });
    say(`flushed ${index}`);
  }
}
