// @ts-check
/**
 * The page store's file as a damaged disk gives it back. Whatever is changed in it, a read is answered with what a
 * generation of it held, or refused by its checksum: never with anything else. Pages whose checksum fits a changed
 * content are looked at one by one, as `debug check` does.
 */
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, acceptsAsync, must } from "../lib/refusal.mjs";

const { PageStore, checkStore } = await product("store");
const { Checksum } = await product("store", "format/checksum.js");
const { decodeSuperblock } = await product("store", "format/superblock.js");
const records = await product("store", "format/records.js");
const { MemoryDisk, SeededRandom, nodeClock, nodeTimers } = await product("io");
const checksum = await Checksum.load();

const PAGE = 512;
const PATH = "/data/state.db";
const OPTIONS = {
  path: PATH,
  pageBytes: PAGE,
  cacheBytes: 256 * PAGE,
  groupId: 0,
  incarnation: new Uint8Array(16).fill(2),
};

/** @param {any} disk */
function deps(disk) {
  return { disk, clock: nodeClock, timers: nodeTimers, random: new SeededRandom(1) };
}

/** What generations of the file held, as text. @type {string[]} */
const generations = [];
const image = await makeImage();

/** @type {readonly import("./index.mjs").Target[]} */
export const pageTargets = [
  {
    name: "page-file",
    maxBytes: image.length + 2 * PAGE,
    seeds: () => [image],
    run: async (input) => {
      const disk = await diskOf(input);
      await acceptsAsync(() => checkStore(disk, PATH));
      return acceptsAsync(async () => {
        const store = await PageStore.open(OPTIONS, deps(disk));
        try {
          must(generations.includes(contentOf(store)), "what is read was written");
        } finally {
          await store.close();
        }
      });
    },
  },
  {
    name: "page-file-patch",
    // Each 5 bytes change 2 of the file: most changes of a whole image are lost in pages that nobody reads.
    maxBytes: 60,
    seeds: () => [
      Uint8Array.of(0, 0, 4, 1, 255),
      Uint8Array.of(0, 0x22, 0, 0, 0),
      Uint8Array.of(0, 0x02, 0x20, 9, 9),
    ],
    run: async (input) => {
      const patched = Uint8Array.from(image);
      for (let at = 0; at + 5 <= input.length; at += 5) {
        const place =
          ((input[at] << 16) | (input[at + 1] << 8) | input[at + 2]) % (image.length - 1);
        patched[place] = input[at + 3];
        patched[place + 1] = input[at + 4];
      }
      return /** @type {any} */ (pageTargets[0]).run(patched);
    },
  },
  {
    name: "superblock",
    maxBytes: PAGE,
    seeds: () => [image.slice(0, PAGE), image.slice(2 * PAGE, 3 * PAGE)],
    run: (input) => {
      // Only bytes with a right checksum get any further: it is made right.
      const page = new Uint8Array(PAGE);
      page.set(input.subarray(0, PAGE));
      const sum = checksum.of(page.subarray(0, 504));
      new DataView(page.buffer).setBigUint64(504, sum, true);
      return decodeSuperblock(page, 0, undefined, checksum).kind === "valid";
    },
  },
  {
    name: "store-records",
    maxBytes: 512,
    seeds: () => [
      records.encodeCatalog([
        { id: 1, name: "a", levels: 1, count: 3, root: { page: 16, sum: 5n } },
      ]),
    ],
    run: (input) =>
      [
        // A chain of pages holds whole records.
        accepts(() => records.decodeCatalog(whole(input, records.CATALOG_RECORD.size))),
        accepts(() => records.decodeFreeList(whole(input, records.FREE_RECORD.size))),
      ].includes(true),
  },
];

/**
 * @param {Uint8Array} input
 * @param {number} recordBytes
 */
function whole(input, recordBytes) {
  return input.subarray(0, input.length - (input.length % recordBytes));
}

async function makeImage() {
  const disk = new MemoryDisk();
  const store = await PageStore.open(OPTIONS, deps(disk));
  const [a, b] = [store.table(1, "a"), store.table(2, "b")];
  generations.push(contentOf(store));
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 30; i++) {
      a.put(utf8(`key-${(i * 7 + round) % 40}`), new Uint8Array(i + round).fill(round));
    }
    b.put(utf8(`long-${round}`), new Uint8Array(1_500).fill(round));
    if (round === 2) a.delete(utf8("key-3"));
    store.endBatch();
    await store.flush({
      index: round + 1,
      term: 1,
      configIndex: 0,
      digest: new Uint8Array(32),
      leaderTimeMs: 0,
    });
    generations.push(contentOf(store));
  }
  await store.close();
  const file = await disk.open(PATH);
  const bytes = new Uint8Array(file.size());
  file.readSync(bytes, 0);
  return bytes;
}

/** @param {any} store */
function contentOf(store) {
  const lines = [];
  for (const table of [store.table(1, "a"), store.table(2, "b")]) {
    const cursor = table.cursor();
    for (let ok = cursor.seek(new Uint8Array(0)); ok; ok = cursor.next()) {
      lines.push(`${same(cursor.key)}=${same(cursor.value)}`);
    }
  }
  return lines.join("\n");
}

/** @param {Uint8Array} bytes */
async function diskOf(bytes) {
  const disk = new MemoryDisk();
  const file = await disk.open(PATH, { create: true });
  await file.write([bytes], 0);
  await file.datasync();
  return disk;
}
