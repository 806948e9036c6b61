/** What the child writes for each index, and what must be there after it: a function of the index alone. */

export const CHILD_STORE = {
  pageBytes: 4096,
  cacheBytes: 4 * 1024 * 1024,
  groupId: 1,
  incarnation: new Uint8Array(16).fill(7),
};

/** Keys of the table; each index rewrites a part of them. */
const KEYS = 2_000;
const KEYS_OF_INDEX = 150;

/** Key numbers that an index touches, the same in every process. */
function touched(index) {
  return Array.from({ length: KEYS_OF_INDEX }, (_, i) => (index * 7_919 + i * i * 31) % KEYS);
}

/** @param {number} n */
function keyOf(n) {
  return Uint8Array.of(n >> 8, n, n * 7, n * 13);
}

/** @param {number} n */
function contentOf(n, index) {
  return new Uint8Array(n % 50 === 0 ? 6_000 : 20 + (n % 100)).fill(index);
}

/** Some are put, some deleted. */
function isPut(n, index) {
  return (n + index) % 4 !== 0;
}

/** @param {import("@authledger/store").PageStore} store */
export function writeIndex(store, index) {
  const table = store.table(1, "numbers");
  for (const n of touched(index)) {
    if (isPut(n, index)) table.put(keyOf(n), contentOf(n, index));
    else table.delete(keyOf(n));
  }
  store.table(2, "index").put(Uint8Array.of(0), Uint8Array.of(index >> 8, index));
}

/** Every entry of the table after `index`, by hex of its key. */
export function expectedAfter(index) {
  const entries = new Map();
  for (let i = 1; i <= index; i++) {
    for (const n of touched(i)) {
      const key = Buffer.from(keyOf(n)).toString("hex");
      if (isPut(n, i)) entries.set(key, contentOf(n, i));
      else entries.delete(key);
    }
  }
  return entries;
}
