/** The course of a watch over an engine that answers at once. */
import { describe, expect, test } from "vitest";
import { type Batch, follow } from "../src/follow.js";
import type { VaultMoves } from "../src/vault-moves.js";

const SIZE = 1_000;
const quiet = {
  subscribe: () => ({ clear: () => undefined, moved: async () => false, close: () => undefined }),
} as unknown as VaultMoves;

describe("a watch", () => {
  /**
   * The story: a filter that matched nothing was read along millions of operations in microtasks only. For seconds the node
   * ran no timer and heard no peer, and its followers elected another leader.
   */
  test.each([
    ["nothing matches", true],
    ["every batch makes a message", false],
  ])(
    "leaves others a turn between two batches of history where %s (INV-FOLLOW-2)",
    async (_, isEmpty) => {
      const ended = new AbortController();
      const options = { vault: 1, heartbeatMs: 5_000, signal: ended.signal };
      let batches = 0;
      let turns = 0;
      const count = (): void => {
        turns++;
        if (!ended.signal.aborted) setImmediate(count);
      };
      setImmediate(count);
      const readNext = (): Promise<Batch> => {
        batches++;
        return Promise.resolve({ size: SIZE, timeMs: 0, nextHeight: batches, isEmpty } as Batch);
      };
      for await (const { batch } of follow(quiet, options, readNext)) {
        if (batch.nextHeight === SIZE) break;
      }
      ended.abort();
      expect(batches).toBe(SIZE);
      expect(turns).toBeGreaterThanOrEqual(SIZE - 2);
    },
  );
});
