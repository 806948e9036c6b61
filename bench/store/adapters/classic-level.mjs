/** classic-level: LevelDB, a log-structured merge tree in C++, with as much cache as ours. */
import { join } from "node:path";
import { ClassicLevel } from "../../peers/node_modules/classic-level/index.js";
import { checksumOf } from "../contestant.mjs";

const CACHE_BYTES = 256 * 2 ** 20;

/** @param {string} directory @returns {Promise<import("../contestant.mjs").Adapter>} */
export async function open(directory) {
  const options = { keyEncoding: "buffer", valueEncoding: "buffer", cacheSize: CACHE_BYTES };
  /** @type {any} */
  const db = new ClassicLevel(join(directory, "data"), /** @type {any} */ (options));
  await db.open();
  /** @param {import("../entries.mjs").Entries} entries @param {boolean} sync */
  const write = ({ keys, values }, sync) =>
    db.batch(
      keys.map((key, i) => ({ type: "put", key, value: values[i] })),
      { sync },
    );
  return {
    load: (entries) => write(entries, false),
    get: (key) => db.getSync(key),
    scan: async (key, limit) => {
      const rows = await db.iterator({ gte: key, limit }).all();
      let sum = 0;
      for (const [rowKey, value] of rows) sum += checksumOf(rowKey, value);
      return sum;
    },
    write: (entries) => write(entries, true),
    close: () => db.close(),
  };
}
