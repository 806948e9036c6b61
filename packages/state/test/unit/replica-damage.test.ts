/** A replica's snapshot in which anything was changed is refused with a typed error, by its checks or by its hashes. */

import { readFileSync } from "node:fs";
import { ByteWriter, type LedgerError, layoutTable } from "@authledger/types";
import { beforeAll, describe, expect, test } from "vitest";
import { rejectedBy, testRandom, testRounds } from "../../../../test/support.js";
import { REPLICA_END, REPLICA_HEAD, ReplicaFrame } from "../../src/replica/replica-sections.js";
import { framed, framesOf, load, replicaOf } from "../replica-support.js";
import { Ledger } from "../state-support.js";

let ledger: Ledger;
let snapshot: Uint8Array;

beforeAll(async () => {
  ledger = await Ledger.create(testRandom("replica damage"), 2);
  for (let i = 0; i < 12; i++) {
    const tuple = { resource: `doc:d${i}`, relation: "viewer", subject: "user:u" };
    ledger.write(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }], `key${i}`);
  }
  snapshot = replicaOf(ledger);
});

const refusalOf = (bytes: Uint8Array): Promise<LedgerError> => rejectedBy(load(ledger, bytes));

/** The stream with the payload of the n-th frame of a type changed and its checks made again. */
function forged(type: number, n: number, change: (payload: Uint8Array) => Uint8Array): Uint8Array {
  let seen = 0;
  return framed(
    framesOf(snapshot).map((frame) =>
      frame.type === type && seen++ === n
        ? { type, payload: change(frame.payload.slice()) }
        : frame,
    ),
  );
}

/** The rows frame of a table. */
function rowsOf(table: number): number {
  const rows = framesOf(snapshot).filter(({ type }) => type === ReplicaFrame.rows);
  return rows.findIndex(({ payload }) => payload[0] === 0 && payload[1] === table);
}

describe("a replica's snapshot", () => {
  test("with any one byte changed is refused (INV-REPLICA-2)", async () => {
    const random = testRandom("replica flips");
    for (let i = 0; i < testRounds(60); i++) {
      const at = random.int(snapshot.length);
      const copy = snapshot.slice();
      copy[at]! ^= 1 << random.int(8);
      const { code } = await refusalOf(copy);
      expect([at, code]).toEqual([at, at === 6 ? "FORMAT_NEWER" : "SNAPSHOT_CORRUPT"]);
    }
  });

  test("that ends early is refused, wherever it ends (INV-REPLICA-2)", async () => {
    const random = testRandom("replica cuts");
    for (let i = 0; i < testRounds(20); i++) {
      const cut = snapshot.subarray(0, random.int(snapshot.length));
      expect((await refusalOf(cut)).code).toBe("SNAPSHOT_CORRUPT");
    }
  });

  test("with a frame left out, doubled or moved is refused though its checks are right", async () => {
    const frames = framesOf(snapshot);
    for (let i = 0; i < frames.length; i++) {
      const without = frames.filter((_, j) => j !== i);
      const twice = frames.flatMap((frame, j) => (j === i ? [frame, frame] : [frame]));
      for (const changed of [without, twice]) {
        expect((await refusalOf(framed(changed))).code).toBe("SNAPSHOT_CORRUPT");
      }
    }
  });

  test.each([
    ["cluster", "clusterId"],
    ["group", "group"],
    ["index", "index"],
    ["term", "term"],
  ] as const)("of another %s than the expected one is refused", async (field, name) => {
    const at = REPLICA_HEAD.offsetOf(field);
    const size = REPLICA_HEAD.fields.find((one) => one.name === field)!.size;
    const bytes = forged(ReplicaFrame.head, 0, (payload) => {
      payload[at + size - 1]! ^= 1;
      return payload;
    });
    expect((await refusalOf(bytes)).message).toContain(`its ${name} is`);
  });

  test("without a group digest is refused", async () => {
    const at = REPLICA_HEAD.offsetOf("digest");
    const bytes = forged(ReplicaFrame.head, 0, (payload) => payload.fill(0, at, at + 32));
    expect((await refusalOf(bytes)).message).toContain("no group digest");
  });

  test("whose record was changed on the sender is refused, and names the vault, bucket and path (INV-REPLICA-3)", async () => {
    const bytes = forged(ReplicaFrame.rows, rowsOf(7), (payload) => {
      const at = Buffer.from(payload).indexOf("doc:d5");
      expect(at).toBeGreaterThan(0);
      payload[at + 5]! ^= 1;
      return payload;
    });
    const { code, message, details } = await refusalOf(withEndOf(bytes));
    expect([code, details["organization"], details["vault"]]).toEqual([
      "SNAPSHOT_CORRUPT",
      "7",
      "1",
    ]);
    expect(message).toMatch(/leaf of vault 7\/1, bucket \d+, path [0-9a-f]{96}: its hash/);
  });

  test("whose leaf is missing is refused by the bucket's root (INV-REPLICA-3)", async () => {
    const { leaf } = ledger.state.tables;
    const cursor = leaf.cursor();
    cursor.last();
    const key = cursor.key.slice();
    const row = cursor.value.slice();
    leaf.delete(key);
    try {
      expect((await refusalOf(replicaOf(ledger))).message).toMatch(
        /bucket of vault 7\/2, bucket \d+/,
      );
    } finally {
      leaf.put(key, row);
    }
  });

  test("whose rows of vaults cannot be read is refused, not a crash", async () => {
    const { vault } = ledger.state.tables;
    const key = new Uint8Array([0, 0, 0, 2]);
    const row = vault.get(key)!.slice();
    vault.put(key, row.slice(0, row.length - 3));
    try {
      expect((await refusalOf(replicaOf(ledger))).code).toBe("SNAPSHOT_CORRUPT");
    } finally {
      vault.put(key, row);
    }
  });

  test("with lengths that lead out of a frame is refused", async () => {
    const shares = forged(ReplicaFrame.rows, 0, () =>
      new ByteWriter().u16(1).varint(9).varint(1).varint(1).u16(0).finish(),
    );
    expect((await refusalOf(shares)).message).toContain("shares more");
    const long = forged(ReplicaFrame.rows, 0, () =>
      new ByteWriter()
        .u16(1)
        .varint(0)
        .varint(2 ** 40)
        .finish(),
    );
    expect((await refusalOf(long)).code).toBe("SNAPSHOT_CORRUPT");
    const key = new Uint8Array(2_000);
    const wide = forged(ReplicaFrame.rows, 0, () =>
      new ByteWriter().u16(1).varint(0).varint(2_000).varint(0).bytes(key).finish(),
    );
    expect((await refusalOf(wide)).code).toBe("SNAPSHOT_CORRUPT");
  });
});

/** The same frames with an end that fits them. */
function withEndOf(bytes: Uint8Array): Uint8Array {
  const frames = framesOf(bytes);
  const last = frames.at(-1)!;
  REPLICA_END.write(last.payload, {
    ...REPLICA_END.read(last.payload.slice()),
    bytes: last.offset,
    chain: last.chain,
  });
  return framed(frames);
}

describe("docs/format/replica-snapshot.md", () => {
  const url = new URL("../../../../docs/format/replica-snapshot.md", import.meta.url);
  const text = readFileSync(url, "utf8").replaceAll(/ +\|/g, " |").replaceAll(/-{3,}/g, "---");

  test.each([
    ["head", REPLICA_HEAD],
    ["end", REPLICA_END],
  ])("has the table of the %s as the code has it", (_, layout) => {
    for (const row of layoutTable(layout).split("\n").slice(2)) expect(text).toContain(row);
  });
});
