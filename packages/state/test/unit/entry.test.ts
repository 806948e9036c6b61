/** The bytes of log entries: fixed ones, worked out by hand from docs/format/entry.md, and malformed ones. */
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import {
  APPLY_VERSION,
  decodeEntry,
  type Entry,
  type EntryItem,
  encodeEntry,
  type SealedTransaction,
  sealedBytes,
} from "../../src/index.js";

const filled = (byte: number, length: number) => new Uint8Array(length).fill(byte);
const sealed: SealedTransaction = {
  canonical: Uint8Array.of(0xca, 0xfe),
  values: [{ nonce: filled(0x22, 16), value: Uint8Array.of(0xab, 0xcd, 0xef) }],
};
const bare: SealedTransaction = { canonical: Uint8Array.of(0x01), values: [] };

const entry: Entry = {
  timeMs: 0x0102_0304_0506,
  items: [
    {
      kind: "transaction",
      vault: 9,
      idempotencyKey: "k\u00e9",
      payloadHash: filled(0x11, 32),
      transaction: sealed,
    },
    {
      kind: "create_vault",
      organization: 7n,
      slug: 0xffff_ffff_ffff_ffffn,
      salt: filled(0x33, 32),
      registration: sealed,
      genesis: bare,
    },
    { kind: "init", clusterId: "c1", clusterOrigin: "o", salt: filled(0x44, 32), genesis: bare },
    {
      kind: "policy_change",
      vault: 9,
      epoch: 2,
      before: Uint8Array.of(0xbe, 0xf0),
      transaction: sealed,
    },
    { kind: "policy_bundle", vault: 9, epoch: 2, bundle: Uint8Array.of(0xb1) },
  ],
};

const SEALED = `00000002 cafe 00000001 ${"22".repeat(16)} 00000003 abcdef`;
const BARE = "00000001 01 00000000";
const BYTES = [
  "0001",
  "0000010203040506",
  "00000005",
  `01 00000009 0003 6bc3a9 ${"11".repeat(32)} ${SEALED}`,
  `02 0000000000000007 ffffffffffffffff ${"33".repeat(32)} ${SEALED} ${BARE}`,
  `03 0002 6331 0001 6f ${"44".repeat(32)} ${BARE}`,
  `0c 00000009 00000002 00000002 bef0 ${SEALED}`,
  "0d 00000009 00000002 00000001 b1",
]
  .join("")
  .replaceAll(" ", "");

describe("an entry", () => {
  test("has the bytes of the document", () => {
    expect(APPLY_VERSION).toBe(1);
    expect(toHex(encodeEntry(entry))).toBe(BYTES);
    expect(decodeEntry(fromHex(BYTES))).toEqual(entry);
  });

  test("without items has 14 bytes", () => {
    expect(toHex(encodeEntry({ timeMs: 1, items: [] }))).toBe("0001000000000000000100000000");
  });

  test("is read as it was written, whatever is in it", () => {
    const random = testRandom("entries");
    for (let i = 0; i < testRounds(200); i++) {
      const items = Array.from({ length: random.int(5) }, () => randomItem(random));
      const written: Entry = { timeMs: random.int(2 ** 48), items };
      expect(decodeEntry(encodeEntry(written))).toEqual(written);
    }
  });

  test("cut at any byte is refused", () => {
    const bytes = fromHex(BYTES);
    for (let length = 0; length < bytes.length; length++) {
      expect(thrownBy(() => decodeEntry(bytes.subarray(0, length))).code).toBe("CODEC_DECODE");
    }
  });

  test("with anything behind its last item is refused", () => {
    expect(thrownBy(() => decodeEntry(fromHex(`${BYTES}00`))).code).toBe("CODEC_DECODE");
  });

  test.each([
    ["an apply version of a newer release", "0002000000000000000000000000", "apply version 2"],
    ["apply version 0", "0000000000000000000000000000", "apply version 0"],
    ["an item of a newer release", "0001000000000000000000000001ff", "item 0xff"],
    ["item 0", "000100000000000000000000000100", "item 0x00"],
  ])("with %s is not known, and never skipped", (_, hex, names) => {
    const error = thrownBy(() => decodeEntry(fromHex(hex)));
    expect(error.code).toBe("UNKNOWN_OP_CODE");
    expect(error.message).toContain(names);
  });

  test.each([
    ["a time over 2^53 - 1", "0001002000000000000000000000"],
    ["more items than bytes", "00010000000000000000ffffffff"],
    [
      "an idempotency key that is not UTF-8",
      "0001000000000000000000000001010000000900011ff8".replace("1ff8", "ff"),
    ],
    [
      "a transaction longer than the entry",
      `${BYTES.slice(0, 28)}01000000090000${"11".repeat(32)}ffffffff`,
    ],
    [
      "more values than bytes",
      `${BYTES.slice(0, 28)}01000000090000${"11".repeat(32)}00000000ffffffff`,
    ],
  ])("with %s is refused", (_, hex) => {
    expect(thrownBy(() => decodeEntry(fromHex(hex))).code).toBe("CODEC_DECODE");
  });

  test("never takes more bytes for a transaction than it is counted with", () => {
    const item = { ...(entry.items[0] as EntryItem & { kind: "transaction" }), idempotencyKey: "" };
    const bytes = encodeEntry({ timeMs: 0, items: [item] }).length - 14;
    expect(bytes).toBeLessThanOrEqual(sealedBytes(item.transaction));
  });
});

describe("docs/format/entry.md", () => {
  const text = readFileSync(new URL("../../../../docs/format/entry.md", import.meta.url), "utf8");

  test("shows an entry as it is written", () => {
    const shown = /## Example[\s\S]*?```\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
    const hex = shown.replaceAll(/#.*$/gm, "").replaceAll(/\s/g, "");
    expect(toHex(encodeEntry(decodeEntry(fromHex(hex))))).toBe(hex);
    expect(decodeEntry(fromHex(hex)).items.map(({ kind }) => kind)).toEqual(["transaction"]);
  });
});

function randomItem(random: ReturnType<typeof testRandom>): EntryItem {
  const salt = random.bytes(32);
  const seal = (): SealedTransaction => ({
    canonical: random.bytes(random.int(100)),
    values: Array.from({ length: random.int(4) }, () => ({
      nonce: random.bytes(16),
      value: random.bytes(random.int(50)),
    })),
  });
  const slug = () => BigInt(random.u32()) * BigInt(random.u32());
  switch (random.int(3)) {
    case 0:
      return {
        kind: "transaction",
        vault: random.u32(),
        idempotencyKey: random.pick(["", "key", "\u00e4\ud83d\ude00"]),
        payloadHash: random.bytes(32),
        transaction: seal(),
      };
    case 1: {
      const [registration, genesis] = [seal(), seal()];
      const [organization, name] = [slug(), slug()];
      return { kind: "create_vault", organization, slug: name, salt, registration, genesis };
    }
    default:
      return { kind: "init", clusterId: "id", clusterOrigin: "o.example", salt, genesis: seal() };
  }
}
