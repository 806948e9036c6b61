/**
 * A snapshot in which anything was changed is refused, and says where: by the checks of its frames against
 * accidents, by its hashes against somebody who writes the checks again.
 */
import { ByteWriter, type LedgerError } from "@authledger/types";
import { beforeAll, describe, expect, test } from "vitest";
import { rejectedBy, testRandom, testRounds } from "../../../../test/support.js";
import { type Frame, FrameReader } from "../../src/index.js";
import { FrameType, FrameWriter, SNAPSHOT_MAGIC } from "../../src/snapshot/frames.js";
import { readRecords, writeRecordSection } from "../../src/snapshot/sections.js";
import { restore, snapshotOf } from "../snapshot-support.js";
import { hasher, Ledger } from "../state-support.js";

let ledger: Ledger;
let snapshot: Uint8Array;

beforeAll(async () => {
  ledger = await Ledger.create(testRandom("damage"), 2);
  for (let i = 0; i < 12; i++) {
    const tuple = { resource: `doc:d${i}`, relation: "viewer", subject: "user:u" };
    const plain = new TextEncoder().encode(`value ${i}`);
    ledger.leader.timeMs += 10;
    ledger.write(1, [
      { op: "create_tuple", tuple, expiresAtMs: 0 },
      { op: "set_entity", key: `e:${i}`, plain, expiresAtMs: 0 },
    ]);
  }
  snapshot = snapshotOf(ledger.state);
});

function framesOf(bytes: Uint8Array): Frame[] {
  return [...new FrameReader(hasher).push(bytes)];
}

/** A snapshot of these frames whose checks are right. */
function framed(frames: readonly Frame[]): Uint8Array {
  const writer = new FrameWriter(hasher);
  const parts = frames.map(({ type, payload }) => writer.frame(type, payload));
  return new Uint8Array(Buffer.concat([SNAPSHOT_MAGIC, ...parts]));
}

/** The frames of vault 1 with the one of a type changed. */
function forged(type: number, change: (payload: Uint8Array) => Uint8Array): Uint8Array {
  let vault = -1;
  const frames = framesOf(snapshot).map((frame) => {
    if (frame.type === FrameType.vault) vault++;
    if (frame.type !== type || vault !== 1) return frame;
    return { ...frame, payload: change(frame.payload.slice()) };
  });
  return framed(frames);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1 << (at % 8);
  return copy;
}

function indexOf(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes).indexOf(text);
}

const refusalOf = (bytes: Uint8Array): Promise<LedgerError> => rejectedBy(restore(ledger, bytes));

describe("a snapshot", () => {
  test("with any one byte changed is refused, and says at which byte of it (INV-SNAP-1)", async () => {
    const random = testRandom("flips");
    for (let i = 0; i < testRounds(150); i++) {
      const at = random.bytes(4).reduce((sum, b) => sum * 256 + b, 0) % snapshot.length;
      const { code, details } = await refusalOf(flipped(snapshot, at));
      expect([at, code]).toEqual([at, at === 6 ? "FORMAT_NEWER" : "SNAPSHOT_CORRUPT"]);
      if (at !== 6) expect(details["offset"]).toBeLessThanOrEqual(at);
    }
  });

  test("that ends early is refused, wherever it ends", async () => {
    const random = testRandom("cuts");
    for (let i = 0; i < testRounds(40); i++) {
      const at = random.bytes(4).reduce((sum, b) => sum * 256 + b, 0) % snapshot.length;
      const cut = snapshot.subarray(0, at);
      await expect(restore(ledger, cut)).rejects.toThrow(/damaged at byte/);
    }
  });

  test("with a frame left out, doubled or moved is refused (INV-SNAP-1)", async () => {
    const frames = framesOf(snapshot);
    for (let i = 0; i < frames.length; i++) {
      const without = frames.filter((_, j) => j !== i);
      const twice = frames.flatMap((frame, j) => (j === i ? [frame, frame] : [frame]));
      for (const [how, changed] of [
        ["without", framed(without)],
        ["twice", framed(twice)],
      ] as const) {
        const { message } = await refusalOf(changed).catch(() => ({ message: "not refused" }));
        expect([how, frames[i]!.type, message]).toEqual([
          how,
          frames[i]!.type,
          expect.stringContaining("damaged at byte"),
        ]);
      }
    }
  });

  test("of a newer format says so", async () => {
    const newer = snapshot.slice();
    newer[6] = "2".charCodeAt(0);
    expect((await refusalOf(newer)).code).toBe("FORMAT_NEWER");
  });
});

describe("a forged snapshot whose checks are right", () => {
  const place = { organization: "7", vault: "1" };

  test("cannot change a record: the bucket does not make up its root (INV-SNAP-5)", async () => {
    // The version of a record: the path stays, the hash does not.
    const bytes = forged(FrameType.records, (payload) => {
      const out = new ByteWriter();
      for (const { record, stored } of readRecords(payload)) {
        const isIt = stored === undefined && record[0] === 1;
        // Behind the version are the expiry and a byte that says that there is no value.
        const changed = isIt ? flipped(record, record.length - 10) : record;
        writeRecordSection(out, { record: changed, stored });
      }
      return out.finish();
    });
    const error = await refusalOf(bytes);
    expect(error).toMatchObject({ code: "SNAPSHOT_CORRUPT", details: place });
    expect(error.details["bucket"]).toEqual(expect.any(Number));
    expect(error.message).toMatch(/vault 7\/1, .*bucket \d+: the records of the bucket/);
  });

  test("cannot change a key: its path is at another place, and named", async () => {
    const bytes = forged(FrameType.records, (payload) => {
      payload[indexOf(payload, "viewer")]! ^= 1;
      return payload;
    });
    const { code, details } = await refusalOf(bytes);
    expect(code).toBe("SNAPSHOT_CORRUPT");
    expect(details).toMatchObject({ ...place, bucket: expect.any(Number) });
  });

  test("cannot change a value: the record's path is named", async () => {
    const bytes = forged(FrameType.records, (payload) => {
      payload[indexOf(payload, "value 3")]! ^= 1;
      return payload;
    });
    const { message, details } = await refusalOf(bytes);
    expect(message).toContain("the value is not the one that the record commits to");
    expect(details["path"]).toMatch(/^[0-9a-f]{96}$/);
  });

  test.each([
    [76, "transactions are not"],
    [108, "does not name the one before"],
    [140, "another history"],
    [8, "another vault"],
    [47, "a header of height"],
  ])("cannot change byte %i of a header: %s", async (offset, why) => {
    const bytes = forged(FrameType.blocks, (payload) => flipped(payload, offset));
    const error = await refusalOf(bytes);
    expect(error.message).toContain(why);
    expect(error.details).toMatchObject({ ...place, height: 0 });
  });

  test("cannot change a transaction: its height is named", async () => {
    const bytes = forged(FrameType.blocks, (payload) => {
      payload[indexOf(payload, "doc:d5")]! ^= 1;
      return payload;
    });
    const { message, details } = await refusalOf(bytes);
    expect(message).toContain("the transactions are not those of the header");
    expect(details).toMatchObject({ ...place, height: 6 });
  });

  test("cannot give other roots of buckets", async () => {
    const bytes = forged(FrameType.buckets, (payload) => flipped(payload, payload.length - 1));
    expect((await refusalOf(bytes)).message).toContain("do not make up the state root");
  });

  test("cannot leave a vault without the end that its beginning promises", async () => {
    const frames = framesOf(snapshot).slice(0, -2);
    const last = framesOf(snapshot).at(-1)!;
    expect((await refusalOf(framed([...frames, last]))).message).toContain("vaults came whole");
  });
});

// Found by the fuzzer: a term that was missing ended the restore with a TypeError while block 0 was made.
describe("a snapshot whose checks are right and whose texts are not", () => {
  const section = (
    type: number,
    change: (fields: Record<string, unknown>) => unknown,
  ): Uint8Array => {
    const frames = framesOf(snapshot).map((frame) => {
      if (frame.type !== type) return frame;
      const fields = JSON.parse(new TextDecoder().decode(frame.payload)) as Record<string, unknown>;
      return { ...frame, payload: new TextEncoder().encode(JSON.stringify(change(fields))) };
    });
    return framed(frames);
  };

  test.each([
    ["a field that is missing", FrameType.group, { applied_term: undefined }, "applied_term"],
    ["a number that is a text", FrameType.group, { applied_index: "5" }, "applied_index"],
    ["an unknown status", FrameType.organization, { status: "happy" }, "status"],
    ["an unknown field", FrameType.organization, { color: "red" }, "color"],
    ["a salt that is none", FrameType.vault, { salt: "5a" }, "salt"],
    ["a row that is none", FrameType.vault, { row: [] }, "row"],
    ["a root that is none", FrameType.vaultEnd, { root: 7 }, "root"],
    ["a count that is none", FrameType.end, { vaults: -1 }, "vaults"],
  ])("is refused for %s, which is named", async (_, type, change, name) => {
    const { code, message } = await refusalOf(
      section(type, (fields) => ({ ...fields, ...change })),
    );
    expect(code).toBe("SNAPSHOT_CORRUPT");
    expect(message).toContain(name);
  });

  test("is refused when an organization or a vault comes twice", async () => {
    for (const type of [FrameType.organization, FrameType.vault]) {
      const frames = framesOf(snapshot);
      const end = type === FrameType.vault ? FrameType.vaultEnd : type;
      const from = frames.findIndex((frame) => frame.type === type);
      const to = frames.findIndex((frame) => frame.type === end);
      frames.splice(to + 1, 0, ...frames.slice(from, to + 1));
      const { code, message } = await refusalOf(framed(frames));
      expect([code, message]).toEqual(["SNAPSHOT_CORRUPT", expect.stringContaining("twice")]);
    }
  });
});
