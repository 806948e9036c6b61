/** better-sqlite3: SQLite in WAL mode with synchronous=FULL, so each transaction is on disk, and as much cache as ours. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { checksumOf } from "../contestant.mjs";

// It brings no types.
const Database = createRequire(import.meta.url)("../../peers/node_modules/better-sqlite3");

/** @param {string} directory @returns {Promise<import("../contestant.mjs").Adapter>} */
export async function open(directory) {
  const db = new Database(join(directory, "data.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("cache_size = -262144");
  db.exec("CREATE TABLE leaf (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
  const get = db.prepare("SELECT value FROM leaf WHERE key = ?").pluck();
  const scan = db
    .prepare("SELECT key, value FROM leaf WHERE key >= ? ORDER BY key LIMIT ?")
    .raw(true);
  const put = db.prepare("INSERT OR REPLACE INTO leaf (key, value) VALUES (?, ?)");
  const write = db.transaction((/** @type {import("../entries.mjs").Entries} */ entries) => {
    const { keys, values } = entries;
    for (let i = 0; i < keys.length; i++) put.run(keys[i], values[i]);
  });
  return {
    load: write,
    get: (key) => get.get(key),
    scan: (key, limit) => {
      let sum = 0;
      for (const [rowKey, value] of scan.all(key, limit)) sum += checksumOf(rowKey, value);
      return sum;
    },
    write,
    close: () => db.close(),
  };
}
