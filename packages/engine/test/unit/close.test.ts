/** Closing: what was accepted is finished, what comes later is refused. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import type { EngineCall } from "../../src/index.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  settle,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { GateDisk } from "../gate-disk.js";
import { LightReader } from "../light-reader.js";

describe("close", () => {
  test("waits for the writes that were accepted, in flight and waiting, and answers them", async () => {
    const below = new MemoryDisk();
    const disk = new GateDisk(below);
    const { engine } = await openNode(disk);
    const vault = await newVault(engine);
    disk.shut();
    const writes = [];
    for (let i = 0; i < 10; i++) {
      writes.push(writeOne(engine, vault, [createTuple(`doc:${i}`)]));
      await settle(2);
    }
    let closed = false;
    const closing = engine.close().then(() => {
      closed = true;
    });
    await settle(50);
    expect(closed).toBe(false);
    disk.release();
    for (const outcome of await Promise.all(writes)) applied(outcome);
    await closing;
    const { engine: again } = await openNode(
      below.crash(new SeededRandom(1), { unsynced: "lost" }),
    );
    const tuples = Array.from({ length: 10 }, (_, i) => tupleOf(`doc:${i}`));
    const { allowed } = await again.call("check", { vault, consistency: LINEARIZABLE, tuples });
    expect(allowed).toEqual(tuples.map(() => true));
  });

  /** The story: the log was closed under the heads that were being signed, and reads got STORE_CLOSED. */
  test("waits for the proven reads that were accepted", async () => {
    const { engine, time } = await openNode();
    const vault = await newVault(engine);
    const reader = await LightReader.of(engine, vault);
    const tuples = [tupleOf("doc:1")];
    const ask = { vault, consistency: LINEARIZABLE, tuples, prove: reader.prove };
    const reading = engine.call("check", ask);
    await Promise.all([engine.close(), reading]);
    reader.verify((await reading).proof!, time.wallMs);
  });

  test("flushes: the next open has nothing to replay", async () => {
    const disk = new MemoryDisk();
    const { engine } = await openNode(disk);
    const vault = await newVault(engine);
    await writeOne(engine, vault, [createTuple("doc:1")]);
    const { appliedIndex } = engine.stats();
    await engine.close();
    const again = await openNode(disk);
    expect(again.engine.stats().flushedIndex).toBe(appliedIndex);
  });

  test("is the same however often it is called, and releases the lock once", async () => {
    let releases = 0;
    const lock = async () => ({ release: async () => void releases++ });
    const { engine, fatal } = await openNode(undefined, { lock });
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    await engine[Symbol.asyncDispose]();
    expect([releases, fatal]).toEqual([1, []]);
  });

  test("makes every later call fail with SHUTTING_DOWN, also while it waits", async () => {
    const disk = new GateDisk();
    const { engine, time } = await openNode(disk);
    const vault = await newVault(engine);
    const calls: EngineCall[] = [
      "check",
      "write",
      "get_checkpoint",
      "get_node_info",
      "create_vault",
    ];
    const refusals = async (): Promise<string[]> => {
      const errors = calls.map((call) => rejectedBy(engine.call(call, { vault } as never)));
      return (await Promise.all(errors)).map(({ code }) => code);
    };
    disk.shut();
    const write = writeOne(engine, vault, [createTuple("doc:1")]);
    const closing = engine.close();
    expect(await refusals()).toEqual(calls.map(() => "SHUTTING_DOWN"));
    disk.release();
    applied(await write);
    await closing;
    expect(await refusals()).toEqual(calls.map(() => "SHUTTING_DOWN"));
    // Nothing hangs on the clock any more.
    time.advance(3_600_000);
    await settle();
  });
});
