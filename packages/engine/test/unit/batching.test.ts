/** Writes of many clients through the whole engine: shared entries, sequences, deadlines, idempotency, limits. */
import { decodeTransaction } from "@authledger/proof";
import { GroupState, type OpenVault } from "@authledger/state";
import { limits, type Operation, utf8 } from "@authledger/types";
import { describe, expect, test, vi } from "vitest";
import type { Engine, TransactionOutcome } from "../../src/index.js";
import {
  ENTRIES_IN_FLIGHT_MAX,
  WRITE_BYTES_WAITING_MAX,
  WRITES_WAITING_MAX,
} from "../../src/limits.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  refusalOf,
  setEntity,
  settle,
  transactionOf,
  tupleOf,
  writeAll,
  writeOne,
} from "../engine-support.js";
import { GateDisk } from "../gate-disk.js";

async function start() {
  const disk = new GateDisk();
  const node = await openNode(disk);
  return { disk, ...node, vault: await newVault(node.engine) };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `doc:${i}`);

async function entriesOf(engine: Engine, run: () => Promise<unknown>): Promise<number> {
  const before = engine.stats().appliedIndex;
  await run();
  return engine.stats().appliedIndex - before;
}

/** The stored transactions of a block, in order. */
async function blockOf(engine: Engine, vault: number, height: number) {
  const request = { vault, consistency: LINEARIZABLE, height, transactions: true };
  const { transactions } = await engine.call("get_block", request);
  return transactions.map((bytes) => decodeTransaction(bytes));
}

describe("concurrent writes", () => {
  test("of one turn share one entry, one sync and one block of each vault", async () => {
    const { engine, vault } = await start();
    const other = await newVault(engine);
    const syncs = engine.stats().wal.batches;
    let outcomes: TransactionOutcome[] = [];
    const count = await entriesOf(engine, async () => {
      const writes = names(50).flatMap((name) =>
        [vault, other].map((id) => writeOne(engine, id, [createTuple(name)])),
      );
      outcomes = await Promise.all(writes);
    });
    expect(count).toBe(1);
    expect(engine.stats().wal.batches).toBe(syncs + 1);
    expect(new Set(outcomes.map((outcome) => applied(outcome).height))).toEqual(new Set([1]));
    for (const id of [vault, other]) {
      const block = await blockOf(engine, id, 1);
      const written = block.map(
        ({ ops }) => ops[0]!.op === "create_tuple" && ops[0]!.tuple.resource,
      );
      expect(written).toEqual(names(50));
    }
  });

  test("gather while entries are being synced, and make the next entry together", async () => {
    const { disk, engine, vault } = await start();
    disk.shut();
    const writes: Promise<TransactionOutcome>[] = [];
    for (const name of names(20)) {
      writes.push(writeOne(engine, vault, [createTuple(name)]));
      await settle(2);
    }
    const { entriesInFlight, writesWaiting } = engine.stats();
    expect([entriesInFlight, writesWaiting]).toEqual([
      ENTRIES_IN_FLIGHT_MAX,
      20 - ENTRIES_IN_FLIGHT_MAX,
    ]);
    const count = await entriesOf(engine, async () => {
      disk.release();
      await Promise.all(writes);
    });
    expect(count).toBe(ENTRIES_IN_FLIGHT_MAX + 1);
  });

  test("are answered in the order of their entries, each with its own height", async () => {
    const { engine, vault } = await start();
    const heights: number[] = [];
    const writes: Promise<void>[] = [];
    for (const name of names(30)) {
      const write = writeOne(engine, vault, [createTuple(name)]);
      writes.push(write.then((outcome) => void heights.push(applied(outcome).height)));
      await settle(1);
    }
    await Promise.all(writes);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    expect(heights.length).toBe(30);
  });
});

describe("INV-PROPOSE-2", () => {
  /**
   * The story: sequences in flight were forgotten when nothing was in flight, which is also so while the first
   * entry is being made. All transactions of one client in that entry got the same sequence.
   */
  test("sequences of a client ascend, within an entry, over entries in flight and over restarts", async () => {
    const { disk, engine, vault, time } = await start();
    const transaction = (name: string) => transactionOf([createTuple(name)], { clientId: "ada" });
    const sequences: number[] = [];
    const write = async (on: Engine, list: readonly string[]): Promise<void> => {
      const outcomes = await writeAll(on, vault, list.map(transaction));
      sequences.push(...outcomes.map((outcome) => applied(outcome).sequence));
    };
    await write(engine, names(3));
    disk.shut();
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 8; i++) {
      writes.push(write(engine, [`doc:a${i}`, `doc:b${i}`]));
      await settle(2);
    }
    disk.release();
    await Promise.all(writes);
    await engine.close();
    const again = await openNode(disk, { time });
    await write(again.engine, ["doc:x", "doc:y"]);
    expect(sequences).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
    const other = await writeOne(again.engine, vault, [createTuple("doc:z")], { clientId: "bob" });
    expect(applied(other).sequence).toBe(1);
  });
});

describe("a deadline", () => {
  test("that passes while the write waits refuses it, and nothing of it is applied", async () => {
    const { disk, engine, vault, time } = await start();
    disk.shut();
    const early: Promise<unknown>[] = [];
    for (const name of names(ENTRIES_IN_FLIGHT_MAX)) {
      early.push(writeOne(engine, vault, [createTuple(name)]));
      await settle(2);
    }
    const deadline = time.monotonicMs() + 100;
    const late = writeAll(engine, vault, [transactionOf([createTuple("doc:late")])], deadline);
    const patient = writeAll(engine, vault, [transactionOf([createTuple("doc:ok")])], deadline + 1);
    await settle();
    time.advance(100);
    disk.release();
    await Promise.all(early);
    expect(refusalOf((await late)[0])).toBe("DEADLINE_EXCEEDED");
    applied((await patient)[0]);
    const tuples = [tupleOf("doc:late"), tupleOf("doc:ok")];
    const { allowed } = await engine.call("check", { vault, consistency: LINEARIZABLE, tuples });
    expect(allowed).toEqual([false, true]);
  });
});

describe("an idempotency key", () => {
  const about = { clientId: "ada", idempotencyKey: "k1" };

  test("gives the same answer again, in the same entry, later, and after a restart", async () => {
    const { disk, engine, vault } = await start();
    const transaction = transactionOf([createTuple("doc:1")], about);
    const [first, twin] = await writeAll(engine, vault, [transaction, transaction]);
    const { replayed, ...answer } = applied(first);
    expect(replayed).toBe(false);
    expect(twin).toEqual({ ...answer, replayed: true });
    await writeOne(engine, vault, [{ op: "delete_tuple", tuple: tupleOf("doc:1") }]);
    expect(await writeOne(engine, vault, transaction.operations, about)).toEqual(twin);
    await engine.close();
    const again = await openNode(disk);
    const { outcomes } = await again.engine.call("write", {
      vault,
      transactions: [transaction],
      actor: "user:other",
      prove: true,
    });
    expect(outcomes[0]).toMatchObject({ ...answer, replayed: true });
    // The proof is that of the first time, and the tuple stays deleted.
    expect(applied(outcomes[0]).inclusion!.index).toBe(0);
    const check = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
    expect((await again.engine.call("check", check)).allowed).toEqual([false]);
  });

  test.each([
    ["operations", [createTuple("doc:2")], {}],
    ["expiry", [{ ...createTuple("doc:1"), expiresAtMs: 5e12 } as never], {}],
    ["reason", [createTuple("doc:1")], { reason: "because" }],
  ])("with another payload is refused (other %s)", async (_, operations, more) => {
    const { engine, vault } = await start();
    applied(await writeOne(engine, vault, [createTuple("doc:1")], about));
    const reused = await writeOne(engine, vault, operations, { ...about, ...more });
    expect(refusalOf(reused)).toBe("IDEMPOTENCY_KEY_REUSED");
    // Another client's key of the same name is another key.
    applied(await writeOne(engine, vault, operations, { ...about, ...more, clientId: "bob" }));
  });

  test("of a transaction that was refused is free again", async () => {
    const { engine, vault } = await start();
    const wish = { op: "tuple_must_exist", tuple: tupleOf("doc:1") } as const;
    const operations = [wish, createTuple("doc:2")];
    expect(refusalOf(await writeOne(engine, vault, operations, about))).toBe("PRECONDITION_FAILED");
    applied(await writeOne(engine, vault, [createTuple("doc:1")]));
    expect(applied(await writeOne(engine, vault, operations, about)).replayed).toBe(false);
  });
});

describe("limits", () => {
  /**
   * The story: the refusal was thrown before there was a promise, so it failed the whole call. What stood before
   * it in the call was written all the same, and nobody learned of it.
   */
  test("a transaction over its bytes is refused alone", async () => {
    const { engine, vault } = await start();
    const large = [1, 2, 3].map((i) => setEntity(`key${i}`, "x".repeat(1 << 20)));
    const small = names(2).map((name) => transactionOf([createTuple(name)]));
    const transactions = [small[0]!, transactionOf(large), small[1]!];
    const [before, refused, done] = await writeAll(engine, vault, transactions);
    applied(before);
    expect(refused).toMatchObject({ code: "LIMIT_EXCEEDED", details: { field: "transaction" } });
    applied(done);
  });

  test(`of more than ${WRITES_WAITING_MAX} waiting writes the last are refused, and may come again`, async () => {
    const { disk, engine, vault } = await start();
    disk.shut();
    const write = writeOne(engine, vault, [createTuple("doc:1")]);
    const all = Array.from({ length: WRITES_WAITING_MAX }, () =>
      transactionOf([createTuple("doc:1")]),
    );
    const many = writeAll(engine, vault, all);
    const refused = await writeOne(engine, vault, [createTuple("doc:2")]);
    expect(refused).toMatchObject({ code: "OVERLOADED", retryAfterMs: 250 });
    disk.release();
    await write;
    expect((await many).filter(({ kind }) => kind === "refused")).toHaveLength(1);
    applied(await writeOne(engine, vault, [createTuple("doc:2")]));
  });

  /**
   * The story: seven values of 1 MiB that stored ones had to be equal to counted for nothing, so behind a disk that stood
   * still thousands of such writes of 7 MiB waited, where 64 MiB are promised.
   */
  test("of writes that compare with large values no more wait than their bytes allow", async () => {
    const { disk, engine, vault } = await start();
    const value = new Uint8Array(limits.VALUE_BYTES_MAX);
    const compared = Array.from({ length: 7 }, (_, i): Operation => {
      const condition = { kind: "value_equals", value } as const;
      return { ...setEntity(`key${i}`, ""), condition } as Operation;
    });
    disk.shut();
    const first = writeOne(engine, vault, [createTuple("doc:1")]);
    const fitting = Math.floor(WRITE_BYTES_WAITING_MAX / (7 * value.length));
    const count = fitting + 3;
    const waiting = writeAll(
      engine,
      vault,
      Array.from({ length: count }, () => transactionOf(compared)),
    );
    await settle();
    expect(engine.stats().writesWaiting).toBeLessThanOrEqual(fitting);
    disk.release();
    await first;
    const refusals = (await waiting).map(refusalOf);
    expect(refusals.filter((code) => code === "OVERLOADED")).toHaveLength(3);
    expect(refusals.filter((code) => code === "PRECONDITION_FAILED")).toHaveLength(fitting);
  });

  test("a value of the largest size is replaced by another one where it is the one that is expected", async () => {
    const { engine } = await openNode(undefined, { logSegmentBytes: 8 << 20 });
    const vault = await newVault(engine);
    const [before, after] = ["a", "b"].map((text) => text.repeat(limits.VALUE_BYTES_MAX));
    applied(await writeOne(engine, vault, [setEntity("key", before!)]));
    const condition = { kind: "value_equals", value: utf8(before!) } as const;
    const swap = { ...setEntity("key", after!), condition } as Operation;
    applied(await writeOne(engine, vault, [swap]));
  });
});

describe("a vault", () => {
  /**
   * The story: the point of the answer was taken from the vault as it was opened before the write waited. A flush
   * that closed it meanwhile left that one behind, and the token did not cover the client's own write.
   */
  test("that a flush closes while a write waits is answered with the height of the write", async () => {
    const { engine, vault } = await start();
    // What a write that came before the flush still holds: a vault that does not move any more.
    const { vault: open } = GroupState.prototype;
    vi.spyOn(GroupState.prototype, "vault").mockImplementationOnce(function (this: GroupState, id) {
      const { row, size } = open.call(this, id)!;
      return { row, size } as OpenVault;
    });
    const request = { vault, transactions: [transactionOf([createTuple("doc:1")])], actor: "a" };
    const { at, outcomes } = await engine.call("write", { ...request, prove: false });
    vi.restoreAllMocks();
    expect(applied(outcomes[0]).height).toBe(1);
    expect(at.height).toBe(1);
  });
});
