/** lmdb: a memory-mapped B+ tree in C. A synchronous transaction is on disk when it returns. */
import { join } from "node:path";
import { open as openLmdb } from "../../peers/node_modules/lmdb/index.js";
import { checksumOf } from "../contestant.mjs";

/** @param {string} directory @returns {Promise<import("../contestant.mjs").Adapter>} */
export async function open(directory) {
  /** @type {any} */
  const db = openLmdb({
    path: join(directory, "data"),
    encoding: "binary",
    keyEncoding: "binary",
    // The commit itself syncs, instead of a later one.
    overlappingSync: false,
  });
  /** @param {import("../entries.mjs").Entries} entries */
  const write = ({ keys, values }) => {
    db.transactionSync(() => {
      for (let i = 0; i < keys.length; i++) db.putSync(keys[i], values[i]);
    });
  };
  return {
    load: write,
    get: (key) => db.get(key),
    /** The value lies in a buffer that the next read overwrites. */
    getFast: (key) => db.getBinaryFast(key),
    scan: (key, limit) => {
      let sum = 0;
      for (const entry of db.getRange({ start: key, limit })) {
        sum += checksumOf(entry.key, entry.value);
      }
      return sum;
    },
    write,
    close: () => db.close(),
  };
}
