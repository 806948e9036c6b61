/** Reads as of an older height. */
import { expect } from "vitest";
import { atHeight, createTuple, deleteTuple, setEntity } from "../../src/index.js";
import { type Behaviour, expectRefusal, SOON_MS } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#viewer@user:bob";

export const past: readonly Behaviour[] = [
  {
    title: "every read as of a height answers what was stored there",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE), setEntity("k", "1")]);
      await ledger.write([createTuple(BOB), setEntity("k", "2")]);
      await ledger.write([deleteTuple(ALICE)]);
      const seen = async (height: bigint): Promise<unknown[]> => {
        const options = { consistency: atHeight(height) };
        const check = await ledger.hasTuple(ALICE, options);
        const { entity } = await ledger.read("k", options);
        const rows = await ledger.list({ resource: "doc:budget" }, options).collect();
        const entities = await ledger.listEntities("", options).collect();
        return [check.stored, check.height, entity?.version, rows.length, entities.length];
      };
      expect(await seen(0n)).toEqual([false, 0n, undefined, 0, 0]);
      expect(await seen(1n)).toEqual([true, 1n, 1n, 1, 1]);
      expect(await seen(2n)).toEqual([true, 2n, 2n, 2, 1]);
      expect(await seen(3n)).toEqual([false, 3n, 2n, 1, 1]);
      const options = { consistency: atHeight(1n) };
      expect((await ledger.hasTuples([ALICE, BOB], options)).stored).toEqual([true, false]);
      expect((await ledger.batchRead(["k"], options)).entities[0]?.version).toBe(1n);
      expect((await ledger.getTip(options)).height).toBe(1n);
      const resources = ledger.listResources("doc", { consistency: atHeight(0n) });
      expect(await resources.collect()).toEqual([]);
    },
  },
  {
    title: "the past is judged by the time of its block: what lived then is there for ever",
    run: async ({ client, nowMs, later }) => {
      const ledger = client();
      const expiresAtMs = nowMs() + 60_000;
      const { height } = await ledger.write([createTuple(ALICE, { expiresAtMs })]);
      await later(SOON_MS);
      await ledger.write([createTuple(ALICE, { expiresAtMs: 1 })]);
      expect((await ledger.hasTuple(ALICE)).stored).toBe(false);
      expect((await ledger.hasTuple(ALICE, { consistency: atHeight(height) })).stored).toBe(true);
    },
  },
  {
    title: "an answer about the past verifies as historical",
    run: async ({ client, tenant }) => {
      const anchor = await client().admin.getTrustAnchor(tenant);
      const ledger = client({ verify: { anchor } });
      await ledger.write([createTuple(ALICE)]);
      await ledger.write([deleteTuple(ALICE), setEntity("k", "v")]);
      const options = { consistency: atHeight(1n) };
      const { stored, verified } = await ledger.hasTuple(ALICE, options);
      expect([stored, verified?.kind, verified?.height]).toEqual([true, "historical", 1n]);
      const together = await Promise.all(
        [ALICE, BOB].map((tuple) => ledger.hasTuple(tuple, options)),
      );
      expect(together.map((answer) => answer.stored)).toEqual([true, false]);
      expect(await ledger.list({ resource: "doc:budget" }, options).collect()).toHaveLength(1);
      expect((await ledger.read("k", options)).entity).toBeUndefined();
    },
  },
  {
    title: "a height that is not there yet is refused, and named",
    run: async ({ client }) => {
      const ledger = client();
      const options = { consistency: atHeight(5n) };
      const facts = { height: 5, newest: 0 };
      await expectRefusal(ledger.hasTuple(ALICE, options), "HEIGHT_NOT_REACHED", facts);
      await expectRefusal(ledger.list({}, options).collect(), "HEIGHT_NOT_REACHED", facts);
    },
  },
];
