/** Waiting for blocks, and ranges of them. */
import { decodeHeader } from "@authledger/proof";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { BlockFeed } from "../../src/block-feed.js";
import { FEED_MOVES_MAX, FEED_WAITERS_MAX } from "../../src/limits.js";
import {
  createTuple,
  newVault,
  openNode,
  setEntity,
  TestTime,
  writeOne,
} from "../engine-support.js";

const block = (vault: number) => ({ vault, height: 1, blockHash: new Uint8Array(32) });
const waitMs = 1_000;

// INV-FEED-1
describe("who waits for blocks", () => {
  test("learns of every vault that moved behind its index, also when it comes late", async () => {
    const feed = new BlockFeed(10, new TestTime());
    expect(feed.wait({ waitMs })).toEqual({ index: 10, vaults: [], isComplete: true });
    const waiting = feed.wait({ after: 10, waitMs });
    feed.note(11, []);
    feed.note(12, [block(3), block(5)]);
    expect(await waiting).toEqual({ index: 12, vaults: [3, 5], isComplete: true });
    feed.note(13, [block(4)]);
    feed.note(14, [block(3)]);
    expect(feed.wait({ after: 12, waitMs })).toMatchObject({ vaults: [4, 3], isComplete: true });
  });

  test("of one vault is not woken by others, and learns of that one as it would of all", async () => {
    const feed = new BlockFeed(10, new TestTime());
    let isAnswered = false;
    const waiting = Promise.resolve(feed.wait({ after: 10, vault: 5, waitMs })).then((reply) => {
      isAnswered = true;
      return reply;
    });
    feed.note(11, [block(3)]);
    await Promise.resolve();
    expect(isAnswered).toBe(false);
    feed.note(12, [block(3), block(5)]);
    expect(await waiting).toEqual({ index: 12, vaults: [5], isComplete: true });
    feed.note(13, [block(3)]);
    expect(feed.wait({ after: 11, vault: 5, waitMs })).toMatchObject({ vaults: [5] });
    const later = feed.wait({ after: 12, vault: 5, waitMs });
    expect(later).toBeInstanceOf(Promise);
    feed.skipTo(20);
    expect(await later).toEqual({ index: 20, vaults: [], isComplete: false });
  });

  test("is answered with nothing when its time is over", async () => {
    const time = new TestTime();
    const feed = new BlockFeed(10, time);
    const waiting = feed.wait({ after: 10, waitMs });
    time.advance(waitMs);
    expect(await waiting).toEqual({ index: 10, vaults: [], isComplete: true });
  });

  test("is told that it missed some when it was away for too many", () => {
    const feed = new BlockFeed(0, new TestTime());
    for (let i = 1; i <= 2 * FEED_MOVES_MAX + 1; i++) feed.note(i, [block(i)]);
    expect(feed.wait({ after: 1, waitMs })).toMatchObject({ isComplete: false });
    const after = 2 * FEED_MOVES_MAX;
    expect(feed.wait({ after, waitMs })).toMatchObject({ vaults: [after + 1], isComplete: true });
  });

  test("is told that it missed some when the state was replaced by a later one", async () => {
    const time = new TestTime();
    const feed = new BlockFeed(10, time);
    feed.note(11, [block(4)]);
    const waiting = feed.wait({ after: 11, waitMs });
    feed.skipTo(20);
    expect(await waiting).toEqual({ index: 20, vaults: [], isComplete: false });
    feed.note(21, [block(5)]);
    expect(feed.wait({ after: 20, waitMs })).toEqual({ index: 21, vaults: [5], isComplete: true });
  });

  /**
   * The story: a replica was built again from a state of before. Who had heard of entry 20 was told that nothing was missed
   * at entry 15, so caches kept what they had read of the state that was thrown away.
   */
  test.each([15, 20])(
    "is told that it missed some when the state was replaced by that of entry %i, however late it asks",
    async (entry) => {
      const feed = new BlockFeed(10, new TestTime());
      for (let i = 11; i <= 20; i++) feed.note(i, [block(4)]);
      const waiting = [undefined, 5].map((vault) =>
        feed.wait({ after: 20, waitMs, ...(vault !== undefined && { vault }) }),
      );
      feed.skipTo(entry);
      for (const reply of await Promise.all(waiting)) expect(reply.isComplete).toBe(false);
      const { index, isComplete } = await feed.wait({ after: 20, vault: 5, waitMs });
      expect(isComplete).toBe(false);
      // Told once, it waits for what comes, also where that has an index again that it has heard of.
      let isAnswered = false;
      const next = Promise.resolve(feed.wait({ after: index, vault: 5, waitMs })).then((reply) => {
        isAnswered = true;
        return reply;
      });
      await Promise.resolve();
      expect(isAnswered).toBe(false);
      feed.note(entry + 1, [block(5)]);
      expect(await next).toMatchObject({ vaults: [5], isComplete: true });
      for (let i = entry + 2; i <= 30; i++) feed.note(i, [block(3)]);
      expect(feed.wait({ after: 20, waitMs })).toMatchObject({ isComplete: false });
    },
  );

  test("is told why nothing comes any more, and is refused when too many wait", async () => {
    const { engine } = await openNode();
    const { index } = await engine.call("wait_blocks", { waitMs });
    const waiting = Array.from({ length: FEED_WAITERS_MAX }, () =>
      rejectedBy(engine.call("wait_blocks", { after: index, waitMs })),
    );
    const refused = await rejectedBy(engine.call("wait_blocks", { after: index, waitMs }));
    expect(refused.code).toBe("OVERLOADED");
    await engine.close();
    for (const error of await Promise.all(waiting)) expect(error.code).toBe("SHUTTING_DOWN");
  });
});

describe("a range of blocks", () => {
  test("is bounded by count and bytes, gives at least one block, and says where to go on", async () => {
    const { engine } = await openNode();
    const vault = await newVault(engine);
    for (let i = 0; i < 10; i++) {
      await writeOne(engine, vault, [createTuple(`doc:${i}`), setEntity(`k:${i}`, "v")]);
    }
    const ask = (from: number, limit: number, bytesMax = 1 << 20) =>
      engine.call("get_block_range", { vault, from, limit, bytesMax, transactions: true });
    const whole = await ask(0, 100);
    expect(whole.blocks.map(({ header }) => decodeHeader(header).height)).toEqual(
      Array.from({ length: 11 }, (_, i) => i),
    );
    expect([whole.next, whole.size]).toEqual([11, 11]);
    expect((await ask(3, 4)).next).toBe(7);
    expect((await ask(3, 100, 1)).blocks).toEqual([whole.blocks[3]]);
    expect((await ask(11, 100)).blocks).toEqual([]);
    const error = await rejectedBy(ask(12, 1));
    expect([error.code, error.details]).toEqual(["HEIGHT_NOT_REACHED", { height: 12, newest: 10 }]);
  });
});
