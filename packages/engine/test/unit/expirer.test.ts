/** What has expired is collected by the leader: when, in what portions, against whom, and after what. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { decodeHeader, decodeTransaction } from "@authledger/proof";
import type { Operation } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import type { Engine } from "../../src/index.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  settle,
  type TestNode,
  TestTime,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { GateDisk } from "../gate-disk.js";
import { LightReader } from "../light-reader.js";

function expiring(resource: string, expiresAtMs: number): Operation {
  return { op: "create_tuple", tuple: tupleOf(resource), expiresAtMs };
}

function expiringEntity(key: string, expiresAtMs: number): Operation {
  const value = new TextEncoder().encode(key);
  return { op: "set_entity", key, value, expiresAtMs, condition: { kind: "none" } };
}

/** Lets the expirer do what it can without time passing. */
async function collected({ engine }: TestNode): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    await settle(3);
    const { expiry, entriesInFlight } = engine.stats();
    if (expiry.lagMs === 0 && expiry.due === 0 && entriesInFlight === 0) return;
  }
  throw new Error(`still waiting: ${JSON.stringify(engine.stats().expiry)}`);
}

async function pass(node: TestNode, ms: number): Promise<void> {
  node.time.advance(ms);
  await settle(8);
}

/** The transactions of the newest block. */
async function newest(
  engine: Engine,
  vault: number,
): Promise<ReturnType<typeof decodeTransaction>[]> {
  const about = { vault, consistency: LINEARIZABLE };
  const { header } = await engine.call("get_tip", about);
  const { height } = decodeHeader(header);
  const block = await engine.call("get_block", { ...about, height, transactions: true });
  return block.transactions.map((bytes) => decodeTransaction(bytes));
}

const heightOf = async (engine: Engine, vault: number): Promise<number> =>
  (await engine.call("get_tip", { vault, consistency: LINEARIZABLE })).at.height;

describe("what has expired", () => {
  test("is collected within a second of its time in a vault that nobody touches, by system:gc", async () => {
    const node = await openNode();
    const { engine, time } = node;
    const vault = await newVault(engine);
    const expiresAtMs = time.wallMs + 5_000;
    const later = expiresAtMs + 60_000;
    applied(
      await writeOne(engine, vault, [
        expiring("doc:a", expiresAtMs),
        expiring("doc:later", later),
        createTuple("doc:never"),
        expiringEntity("config:a", expiresAtMs),
      ]),
    );
    await pass(node, 4_999);
    expect(await heightOf(engine, vault)).toBe(1);
    expect(engine.stats().expiry).toMatchObject({ records: 3, lagMs: 0, expired: 0 });
    await pass(node, 500);
    await collected(node);
    const [transaction, ...others] = await newest(engine, vault);
    expect(others).toEqual([]);
    expect(transaction).toMatchObject({ actor: "system:gc", clientId: "", sequence: 0 });
    expect(transaction!.ops.map(({ op }) => op).sort()).toEqual(["expire_entity", "expire_tuple"]);
    expect(engine.stats().expiry).toMatchObject({ records: 1, due: 0, expired: 2, refused: 0 });
    const reader = await LightReader.of(engine, vault);
    const asked = ["doc:a", "doc:later", "doc:never"].map((resource) => tupleOf(resource));
    expect(await reader.check(node, asked)).toEqual([false, true, true]);
  });

  test("goes in transactions of 1,000 operations, each record once, when 10,000 are due at once (INV-EXPIRE-1)", async () => {
    const node = await openNode(new MemoryDisk(), { cacheBytes: 1 << 24 });
    const { engine, time } = node;
    const vault = await newVault(engine);
    const expiresAtMs = time.wallMs + 1_000;
    for (let part = 0; part < 10; part++) {
      const operations = Array.from({ length: 1_000 }, (_, i) =>
        expiring(`doc:${part}-${i}`, expiresAtMs),
      );
      applied(await writeOne(engine, vault, operations));
    }
    await pass(node, 1_000);
    await collected(node);
    expect(await heightOf(engine, vault)).toBe(20);
    expect(engine.stats().expiry).toMatchObject({ records: 0, expired: 10_000, refused: 0 });
    const { header } = await engine.call("get_tip", { vault, consistency: LINEARIZABLE });
    // The configuration alone is left.
    expect(decodeHeader(header).leafCount).toBe(3);
  }, 30_000);

  test("in a vault with little is not behind all of a vault with much (INV-EXPIRE-2)", async () => {
    const node = await openNode(new MemoryDisk(), { cacheBytes: 1 << 24 });
    const { engine, time } = node;
    const [much, little] = [await newVault(engine), await newVault(engine)];
    const expiresAtMs = time.wallMs + 1_000;
    for (let part = 0; part < 2; part++) {
      const operations = Array.from({ length: 1_000 }, (_, i) =>
        expiring(`doc:${part}-${i}`, expiresAtMs),
      );
      applied(await writeOne(engine, much, operations));
    }
    // The index is in the order of times: this one comes last.
    applied(await writeOne(engine, little, [expiring("doc:one", expiresAtMs + 1)]));
    await pass(node, 1_001);
    await collected(node);
    const indexOf = async (vault: number): Promise<number> => {
      const { header } = await engine.call("get_tip", { vault, consistency: LINEARIZABLE });
      return decodeHeader(header).index;
    };
    expect(await indexOf(much)).toBeGreaterThan(await indexOf(little));
    expect(engine.stats().expiry).toMatchObject({ records: 0, expired: 2_001 });
  }, 30_000);

  test("and is replaced by a write that was there first stays, and is collected at its new time (INV-EXPIRE-3)", async () => {
    const disk = new GateDisk();
    const node = await openNode(disk);
    const { engine, time } = node;
    const vault = await newVault(engine);
    const expiresAtMs = time.wallMs + 1_000;
    const renewed = expiresAtMs + 10_000;
    applied(
      await writeOne(engine, vault, [
        expiring("doc:a", expiresAtMs),
        expiring("doc:b", expiresAtMs),
      ]),
    );
    disk.shut();
    const write = writeOne(engine, vault, [expiring("doc:a", renewed)]);
    await settle();
    time.advance(1_000);
    await settle();
    // The client's entry and the expirer's are both in flight now.
    expect(engine.stats().entriesInFlight).toBe(2);
    disk.release();
    applied(await write);
    await collected(node);
    expect(engine.stats().expiry).toMatchObject({ records: 1, expired: 1, refused: 1 });
    const about = {
      vault,
      consistency: LINEARIZABLE,
      tuples: [tupleOf("doc:a"), tupleOf("doc:b")],
    };
    expect((await engine.call("check", about)).allowed).toEqual([true, false]);
    await pass(node, 10_000);
    await collected(node);
    expect(engine.stats().expiry).toMatchObject({ records: 0, expired: 2 });
  });

  test("while a node was down is collected when it starts, also of what only the log knew", async () => {
    const disk = new MemoryDisk();
    const time = new TestTime();
    const first = await openNode(disk, { time });
    const vault = await newVault(first.engine);
    const expiresAtMs = time.wallMs + 1_000;
    const operations = Array.from({ length: 300 }, (_, i) => expiring(`doc:${i}`, expiresAtMs + i));
    applied(await writeOne(first.engine, vault, operations));
    const crashed = disk.crash(new SeededRandom(7));
    time.wallMs += 3_600_000;
    const again = await openNode(crashed, { time });
    await collected(again);
    expect(again.engine.stats().expiry).toMatchObject({ records: 0, expired: 300 });
    expect(await heightOf(again.engine, vault)).toBe(2);
    await again.engine.close();
  });

  test("is not asked for any more by a node that closes", async () => {
    const node = await openNode();
    const vault = await newVault(node.engine);
    applied(await writeOne(node.engine, vault, [expiring("doc:a", node.time.wallMs + 1_000)]));
    node.time.advance(1_000);
    await node.engine.close();
    node.time.advance(5_000);
    await settle();
    expect(node.fatal).toEqual([]);
  });
});

/** What should be there, as simply as it can be said. */
class Model {
  readonly #expiries = new Map<string, number>();

  set(name: string, expiresAtMs: number): void {
    this.#expiries.set(name, expiresAtMs);
  }

  delete(name: string): void {
    this.#expiries.delete(name);
  }

  has(name: string, nowMs: number): boolean {
    const expiresAtMs = this.#expiries.get(name);
    return expiresAtMs !== undefined && (expiresAtMs === 0 || expiresAtMs > nowMs);
  }

  /** How many of what is left have an expiry. */
  expiring(nowMs: number): number {
    return [...this.#expiries.values()].filter((at) => at > nowMs).length;
  }
}

describe("a long life with expiries", () => {
  test("keeps what a map keeps, through losses of power and clocks that run", async () => {
    const random = testRandom("expiry life");
    for (let round = 0; round < testRounds(2); round++) {
      let disk = new MemoryDisk();
      const time = new TestTime();
      let node = await openNode(disk, { time });
      const vault = await newVault(node.engine);
      const model = new Model();
      const names = Array.from({ length: 12 }, (_, i) =>
        i % 2 === 0 ? `doc:${i}` : `config:${i}`,
      );
      for (let step = 0; step < 40; step++) {
        const chosen = names.filter(() => random.chance(0.3));
        const operations = chosen.map((name): Operation => {
          const expiresAtMs = random.chance(0.7) ? time.wallMs + 1 + random.int(4_000) : 0;
          const isEntity = name.startsWith("config:");
          if (random.chance(0.2)) {
            model.delete(name);
            return isEntity
              ? { op: "delete_entity", key: name, condition: { kind: "none" } }
              : { op: "delete_tuple", tuple: tupleOf(name) };
          }
          model.set(name, expiresAtMs);
          return isEntity ? expiringEntity(name, expiresAtMs) : expiring(name, expiresAtMs);
        });
        if (operations.length > 0) applied(await writeOne(node.engine, vault, operations));
        if (random.chance(0.15)) {
          disk = disk.crash(random);
          node = await openNode(disk, { time });
        }
        time.advance(random.pick([1, 100, 500, 1_500]));
        if (random.chance(0.5)) {
          // Whatever its timer missed while it was busy, it sees in the next interval.
          await settle(8);
          await pass(node, 500);
          await collected(node);
          expect(node.engine.stats().expiry.records).toBe(model.expiring(time.wallMs));
        }
        const about = { vault, consistency: LINEARIZABLE };
        const tuples = names.filter((name) => name.startsWith("doc:"));
        const { allowed } = await node.engine.call("check", {
          ...about,
          tuples: tuples.map((name) => tupleOf(name)),
        });
        expect(allowed).toEqual(tuples.map((name) => model.has(name, time.wallMs)));
        const keys = names.filter((name) => name.startsWith("config:"));
        const { entities } = await node.engine.call("read_entities", { ...about, keys });
        expect(entities.map((entity) => entity !== undefined)).toEqual(
          keys.map((name) => model.has(name, time.wallMs)),
        );
      }
    }
  }, 30_000);
});
