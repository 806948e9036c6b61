/**
 * The page store behind the log, used as the engine does: a batch is appended to the log as one entry, and when that
 * is synced its rows are put and the batch is ended; the store is flushed in the background when 192 MiB are dirty,
 * and the log released behind it. The engine flushes earlier, after some 40,000 changed leaves, because applying an
 * entry again costs it 25 us a leaf; rows alone are put again in a fifth of that.
 */
import { join } from "node:path";
import { NodeDisk, nodeClock, nodeRandom, nodeTimers } from "../../../packages/io/dist/index.js";
import { PageStore } from "../../../packages/store/dist/index.js";
import { Wal } from "../../../packages/wal/dist/index.js";
import { checksumOf } from "../contestant.mjs";

const MiB = 2 ** 20;
const GROUP = /** @type {any} */ (1);
const CACHE_BYTES = 256 * MiB;
const FLUSH_DIRTY_BYTES = 192 * MiB;
const DIGEST = new Uint8Array(32);

/** @param {string} directory @returns {Promise<import("../contestant.mjs").Adapter>} */
export async function open(directory) {
  const deps = { disk: new NodeDisk(), clock: nodeClock, random: nodeRandom, timers: nodeTimers };
  const store = await PageStore.open(
    {
      path: join(directory, "state.db"),
      cacheBytes: CACHE_BYTES,
      groupId: GROUP,
      incarnation: new Uint8Array(16),
    },
    deps,
  );
  const wal = await Wal.open({ directory: join(directory, "wal"), voters: "one" }, deps);
  await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
  const table = store.table(7, "leaf");
  let index = 0;
  /** @type {Promise<void> | undefined} */
  let flushing;

  const startFlush = () => {
    const applied = { index, term: 1, configIndex: 0, leaderTimeMs: 0, digest: DIGEST };
    flushing = store.flush(applied).then(() => {
      flushing = undefined;
      if (store.appliedFloor > 0) wal.release(GROUP, store.appliedFloor);
    });
    return flushing;
  };
  const flush = async () => {
    await flushing;
    await startFlush();
  };
  /** @param {import("../entries.mjs").Entries} entries */
  const put = ({ keys, values }) => {
    for (let i = 0; i < keys.length; i++) {
      table.put(/** @type {Buffer} */ (keys[i]), /** @type {Buffer} */ (values[i]));
    }
    store.endBatch();
  };

  return {
    load: async (entries) => {
      put(entries);
      if (store.dirtyBytes >= FLUSH_DIRTY_BYTES / 2) await flush();
    },
    get: (key) => table.get(key),
    scan: (key, count) => {
      const cursor = table.cursor();
      let sum = 0;
      let left = count;
      for (let ok = cursor.seek(key); ok && left > 0; ok = cursor.next(), left--) {
        sum += checksumOf(cursor.key, cursor.value);
      }
      return sum;
    },
    write: async (entries) => {
      const payload = encode(entries);
      await wal.append([{ kind: "entry", group: GROUP, index: index + 1, term: 1, payload }]);
      index++;
      put(entries);
      if (flushing === undefined && store.dirtyBytes >= FLUSH_DIRTY_BYTES) startFlush();
      else if (store.dirtyBytes >= 2 * FLUSH_DIRTY_BYTES) await flushing;
    },
    flush,
    settle: flush,
    close: async () => {
      await flush();
      await store.close();
      await wal.close();
    },
  };
}

/** An entry with everything that putting the rows again would need. @param {import("../entries.mjs").Entries} entries */
function encode({ keys, values }) {
  let bytes = 0;
  for (let i = 0; i < keys.length; i++) {
    bytes += 4 + /** @type {Buffer} */ (keys[i]).length + /** @type {Buffer} */ (values[i]).length;
  }
  const payload = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = 0; i < keys.length; i++) {
    for (const part of [/** @type {Buffer} */ (keys[i]), /** @type {Buffer} */ (values[i])]) {
      at = payload.writeUInt16LE(part.length, at);
      at += part.copy(payload, at);
    }
  }
  return payload;
}
