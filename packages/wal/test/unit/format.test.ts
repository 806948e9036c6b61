/** Records, batches and headers: what is written is read, where the documentation says it is. */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type AnyLayout, groupId, layoutTable, nodeId, vaultId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import {
  BATCH_HEADER,
  batchCrc,
  paddingIsZero,
  readBatchHeader,
  sealBatch,
} from "../../src/format/batch.js";
import { viewOf } from "../../src/format/little-endian.js";
import {
  type AnyRecord,
  CARRIED_PAYLOAD,
  decodeRecord,
  GROUP_PAYLOAD,
  LOG_PAYLOAD,
  RECORD_HEADER,
  RECORD_KINDS,
  recordBytes,
  SIGNED_PAYLOAD,
  SNAPSHOT_PAYLOAD,
  storedRecords,
  VOTE_PAYLOAD,
  writeRecord,
} from "../../src/format/record.js";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER,
  type SegmentHeader,
} from "../../src/format/segment-header.js";

const group = groupId(0xdead_beef);
const BIG = 2 ** 48 - 1;

const RECORDS: readonly AnyRecord[] = [
  { kind: "entry", group, index: BIG, term: BIG - 1, payload: Uint8Array.of(1, 2, 3) },
  { kind: "entry", group, index: 1, term: 0, payload: new Uint8Array(0) },
  { kind: "hard-state", group, term: 7, vote: nodeId(2n ** 64n - 1n) },
  { kind: "hard-state", group, term: 7, vote: undefined },
  { kind: "truncate", group, from: 9 },
  {
    kind: "snapshot",
    group,
    index: 5,
    term: 3,
    uuid: new Uint8Array(16).fill(4),
    configuration: Uint8Array.of(8, 9),
    restarts: true,
  },
  { kind: "commit-hint", group, index: 11 },
  { kind: "group", group, action: "create" },
  { kind: "group", group, action: "drop" },
  {
    kind: "signed",
    group,
    vault: vaultId(6),
    size: 12,
    root: new Uint8Array(32).fill(5),
    timeMs: 2 ** 52,
  },
  {
    kind: "carried",
    group,
    base: 1,
    baseTerm: 2,
    last: 3,
    lastTerm: 4,
    term: 5,
    vote: nodeId(0n),
    commitHint: 2,
  },
  {
    kind: "carried",
    group,
    base: 1,
    baseTerm: 2,
    last: 3,
    lastTerm: 4,
    term: 5,
    vote: undefined,
    commitHint: 2,
  },
  { kind: "log", firstSegment: 2 ** 50, doubtLsn: 2 ** 51 },
  { kind: "recovered" },
];

function encode(records: readonly AnyRecord[]): Uint8Array {
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + recordBytes(record), 0));
  let at = 0;
  for (const record of records) at = writeRecord(record, bytes, viewOf(bytes), at);
  expect(at).toBe(bytes.length);
  return bytes;
}

function read(bytes: Uint8Array, nrec: number): AnyRecord[] {
  return [...storedRecords(bytes, { from: 0, len: bytes.length, nrec })].map((stored) => {
    if (stored.kind !== RECORD_KINDS.entry) return decodeRecord(stored);
    const { group: of, index, term, payload } = stored;
    return { kind: "entry", group: of, index, term, payload };
  });
}

describe("a record", () => {
  test("of every kind is read as it was written", () => {
    expect(new Set(RECORDS.map(({ kind }) => kind)).size).toBe(Object.keys(RECORD_KINDS).length);
    expect(read(encode(RECORDS), RECORDS.length)).toEqual(RECORDS);
  });

  test("has the bytes of the documented layout", () => {
    const bytes = encode([
      { kind: "entry", group: groupId(2), index: 0x010203, term: 4, payload: Uint8Array.of(0xaa) },
    ]);
    expect(Buffer.from(bytes).toString("hex")).toBe(
      "01" + "02000000" + "030201000000" + "040000000000" + "01000000" + "aa",
    );
  });

  test("that does not fill its batch exactly is refused", () => {
    const bytes = encode(RECORDS.slice(0, 2));
    for (const nrec of [1, 3]) expect(() => read(bytes, nrec)).toThrow(/of its batch/);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(() => read(bytes.subarray(0, bytes.length - cut), 2)).toThrow(/of its batch/);
    }
  });

  test("of an unknown kind or with a payload of another length is refused", () => {
    for (const kind of [0, 11, 255]) {
      const bytes = encode([{ kind: "recovered" }]);
      bytes[0] = kind;
      expect(() => read(bytes, 1)).toThrow(`unknown kind ${kind}`);
    }
    for (const record of RECORDS.filter(({ kind }) =>
      ["signed", "carried", "log", "group"].includes(kind),
    )) {
      const bytes = new Uint8Array([...encode([record]), 0]);
      const at = RECORD_HEADER.offsetOf("len");
      viewOf(bytes).setUint32(at, viewOf(bytes).getUint32(at, true) + 1, true);
      expect(() => read(bytes, 1)).toThrow(/bytes, not/);
    }
  });
});

describe("a batch", () => {
  test("is valid under its own seed only, and no byte of it can change (INV-WAL-2)", () => {
    const batch = new Uint8Array(4096).fill(0xff);
    const crc = sealBatch(batch, { lsn: 2 ** 47, durableLsn: 3, len: 200, nrec: 2, flags: 1 }, 77);
    const header = readBatchHeader(viewOf(batch), 0);
    expect(header).toEqual({
      magicMatches: true,
      crc,
      lsn: 2 ** 47,
      durableLsn: 3,
      len: 200,
      nrec: 2,
      flags: 1,
    });
    expect(paddingIsZero(batch, 200)).toBe(true);
    expect(batchCrc(batch, 200, 77)).toBe(crc);
    expect(batchCrc(batch, 200, 78)).not.toBe(crc);
    for (let at = BATCH_HEADER.offsetOf("lsn"); at < 200; at++) {
      batch[at]! ^= 1;
      expect(batchCrc(batch, 200, 77)).not.toBe(crc);
      batch[at]! ^= 1;
    }
  });
});

describe("a segment header", () => {
  const header: SegmentHeader = {
    uuid: new Uint8Array(16).fill(1),
    seq: 9,
    firstLsn: 2 ** 47,
    salt: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    prevCrc: 0xffff_ffff,
    segmentBytes: 65_536,
    prevSeq: 8,
    prevLsn: 2 ** 47 - 1,
    durableLsn: 2 ** 47 - 1,
  };

  test("is read as it was written, under its own number only", () => {
    expect(decodeSegmentHeader(encodeSegmentHeader(header), 9)).toEqual({ kind: "valid", header });
    expect(decodeSegmentHeader(encodeSegmentHeader(header), 10).kind).toBe("invalid");
  });

  // Found by the fuzzer beside the same case of the page store.
  test("with a number too large to be meant is refused, though its crc is right", () => {
    const block = encodeSegmentHeader(header);
    const view = new DataView(block.buffer);
    view.setBigUint64(SEGMENT_HEADER.offsetOf("prevLsn"), 2n ** 60n, true);
    const at = SEGMENT_HEADER.offsetOf("crc");
    view.setUint32(at, crc32(block.subarray(0, at)), true);
    expect(decodeSegmentHeader(block, 9)).toMatchObject({ kind: "invalid" });
  });

  test("is refused with any byte changed, or cut", () => {
    const block = encodeSegmentHeader(header);
    for (let at = 0; at < block.length; at++) {
      block[at]! ^= 0x40;
      expect(decodeSegmentHeader(block, 9).kind).toBe("invalid");
      block[at]! ^= 0x40;
    }
    expect(decodeSegmentHeader(block.subarray(0, 4095), 9).kind).toBe("invalid");
  });
});

describe("docs/format/log.md", () => {
  const file = new URL("../../../../docs/format/log.md", import.meta.url);
  const text = unpadded(readFileSync(file, "utf8"));
  const layouts: readonly (AnyLayout & { readonly name: string })[] = [
    SEGMENT_HEADER,
    BATCH_HEADER,
    RECORD_HEADER,
    VOTE_PAYLOAD,
    SNAPSHOT_PAYLOAD,
    GROUP_PAYLOAD,
    SIGNED_PAYLOAD,
    CARRIED_PAYLOAD,
    LOG_PAYLOAD,
  ];

  test.each(layouts.map((layout) => [layout.name, layout] as const))(
    "has the table of the %s",
    (_, layout) => {
      expect(text).toContain(unpadded(layoutTable(layout)));
    },
  );

  test("names the number of every kind", () => {
    for (const [kind, number] of Object.entries(RECORD_KINDS))
      expect(text).toContain(`| ${number} | ${kind} |`);
  });
});

/** Tables without the spaces and dashes that only align their columns. */
function unpadded(markdown: string): string {
  return markdown.replaceAll(/ +\|/g, " |").replaceAll(/\| ?-{3,} ?(?=\|)/g, "|---");
}
