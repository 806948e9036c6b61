// @ts-check
/**
 * The log's files as a damaged disk gives them back. Whatever is changed, recovery shows a prefix of the records
 * that were appended, or refuses the log: never a record that nobody wrote.
 */
import { crc32 } from "node:zlib";
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, acceptsAsync, must } from "../lib/refusal.mjs";

const { Wal, checkWal } = await product("wal");
const record = await product("wal", "format/record.js");
const header = await product("wal", "format/segment-header.js");
const { MemoryDisk, SeededRandom, nodeTimers } = await product("io");
const { groupId, vaultId } = await product("types");

const DIRECTORY = "/data/wal";
/** Its payload is the state's. */
const ENTRY = 1;
const SEGMENT_BYTES = 16 * 1024;
const GROUP = groupId(1);
const clock = { nowMs: () => 1_000, monotonicMs: () => 1_000 };

/** @param {any} disk */
function deps(disk) {
  return { disk, random: new SeededRandom(1), timers: nodeTimers, clock, onFatal: () => undefined };
}

/** @type {string[]} */
const payloads = [];
const { name: segmentName, bytes: segment } = await makeSegment();

/** @type {readonly import("./index.mjs").Target[]} */
export const logTargets = [
  {
    name: "log-segment",
    maxBytes: SEGMENT_BYTES,
    seeds: () => [segment],
    run: (input) => recover(input),
  },
  {
    name: "log-segment-patch",
    // Each 4 bytes change 2 of the file.
    maxBytes: 48,
    seeds: () => [Uint8Array.of(0, 0, 1, 2), Uint8Array.of(0x10, 0x20, 255, 0)],
    run: (input) => {
      const patched = Uint8Array.from(segment);
      for (let at = 0; at + 4 <= input.length; at += 4) {
        const place = ((input[at] << 8) | input[at + 1]) % (segment.length - 1);
        patched[place] = input[at + 2];
        patched[place + 1] = input[at + 3];
      }
      return recover(patched);
    },
  },
  {
    name: "log-records",
    maxBytes: 1_024,
    seeds: recordSeeds,
    run: (input) =>
      accepts(() => {
        const bounds = { from: 0, len: input.length, nrec: 1 + ((input[0] ?? 0) & 1) };
        for (const stored of record.storedRecords(input, bounds)) {
          if (stored.kind !== ENTRY) record.decodeRecord(stored);
        }
      }),
  },
  {
    name: "log-segment-header",
    maxBytes: 4_096,
    seeds: () => [segment.slice(0, 4_096)],
    run: (input) => {
      const block = new Uint8Array(4_096);
      block.set(input.subarray(0, 4_096));
      // Only bytes with a right crc get any further: it is made right.
      const view = new DataView(block.buffer);
      const at = header.SEGMENT_HEADER.offsetOf("crc");
      view.setUint32(at, crc32(block.subarray(0, at)), true);
      return header.decodeSegmentHeader(block, 1).kind === "valid";
    },
  },
];

/** @param {Uint8Array} bytes */
async function recover(bytes) {
  const disk = new MemoryDisk();
  const file = await disk.open(`${DIRECTORY}/${segmentName}`, { create: true });
  await file.write([bytes], 0);
  await file.datasync();
  await acceptsAsync(() => checkWal(DIRECTORY, deps(disk)));
  return acceptsAsync(async () => {
    const wal = await Wal.open(
      { directory: DIRECTORY, segmentBytes: SEGMENT_BYTES, voters: "one" },
      deps(disk),
    );
    try {
      const log = wal.group(GROUP);
      const found = [];
      for (let index = log?.firstIndex ?? 1; index <= (log?.lastIndex ?? 0); index++) {
        found.push(same(log.entry(index).payload));
      }
      must(
        found.every((payload, at) => payload === payloads[at]),
        "what is recovered is a prefix of what was appended",
      );
    } finally {
      await wal.close();
    }
  });
}

async function makeSegment() {
  const disk = new MemoryDisk();
  const options = { directory: DIRECTORY, segmentBytes: SEGMENT_BYTES, voters: "one" };
  const wal = await Wal.open(options, deps(disk));
  await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
  for (let index = 1; index <= 4; index++) {
    const payload = utf8(`entry ${index} `.repeat(index * 3));
    payloads.push(same(payload));
    const root = new Uint8Array(32).fill(index);
    await wal.append([
      { kind: "hard-state", group: GROUP, term: index, vote: undefined },
      { kind: "entry", group: GROUP, index, term: index, payload },
      { kind: "signed", group: GROUP, vault: vaultId(3), size: index, root, timeMs: index },
    ]);
  }
  await wal.close();
  // The others were made ready for later.
  for (const name of await disk.list(DIRECTORY)) {
    const file = await disk.open(`${DIRECTORY}/${name}`);
    const bytes = new Uint8Array(file.size());
    file.readSync(bytes, 0);
    if (same(bytes).includes("entry 1")) return { name, bytes };
  }
  throw new Error("no segment holds the entries");
}

function recordSeeds() {
  const group = GROUP;
  const root = new Uint8Array(32).fill(1);
  const all = [
    { kind: "hard-state", group, term: 3, vote: 5n },
    { kind: "entry", group, index: 1, term: 1, payload: utf8("payload") },
    { kind: "truncate", group, from: 2 },
    { kind: "group", group, action: "drop" },
    { kind: "signed", group, vault: vaultId(3), size: 1, root, timeMs: 1 },
    {
      kind: "snapshot",
      group,
      index: 5,
      term: 2,
      uuid: new Uint8Array(16),
      configuration: utf8("c"),
      restarts: true,
    },
  ];
  return all.map((one) => {
    const bytes = new Uint8Array(record.recordBytes(one));
    record.writeRecord(one, bytes, new DataView(bytes.buffer), 0);
    return bytes;
  });
}
