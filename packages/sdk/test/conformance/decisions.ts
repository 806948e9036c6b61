/** Checks in a vault without a model: decided by the stored tuple alone. */
import { expect } from "vitest";
import { atHeight, atLeast, createTuple, deleteTuple } from "../../src/index.js";
import { type Behaviour, expectRefusal } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#editor@user:bob";

export const decisions: readonly Behaviour[] = [
  {
    title:
      "a check without a model asks whether the tuple is stored, and says so by its model version",
    run: async ({ client }) => {
      const ledger = client();
      const { token } = await ledger.write([createTuple(ALICE)]);
      const consistency = atLeast(token);
      const { allowed, height, modelVersion } = await ledger.check(ALICE, { consistency });
      expect([allowed, height, modelVersion]).toEqual([true, 1n, 0n]);
      expect((await ledger.check(BOB)).allowed).toBe(false);
      await ledger.write([deleteTuple(ALICE)]);
      expect((await ledger.check(ALICE)).allowed).toBe(false);
      const past = { consistency: atHeight(1n), unproven: true };
      expect((await ledger.check(ALICE, past)).allowed).toBe(true);
    },
  },
  {
    title: "checks of one tick and many at once agree with single ones, at one height",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE)]);
      const together = await Promise.all([ledger.check(ALICE), ledger.check(BOB)]);
      expect(together.map(({ allowed, height }) => [allowed, height])).toEqual([
        [true, 1n],
        [false, 1n],
      ]);
      const many = await ledger.checkMany([ALICE, BOB, ALICE]);
      expect([many.allowed, many.height]).toEqual([[true, false, true], 1n]);
      await expectRefusal(ledger.checkMany([] as string[]), "INVALID_ARGUMENT", {
        field: "tuples",
      });
    },
  },
  {
    title:
      "a tuple that comes with the question counts as stored; one with a condition needs a model",
    run: async ({ client }) => {
      const ledger = client();
      const contextualTuples = [BOB];
      expect((await ledger.check(BOB, { contextualTuples })).allowed).toBe(true);
      const both = await Promise.all([ledger.check(BOB), ledger.check(BOB, { contextualTuples })]);
      expect(both.map(({ allowed }) => allowed)).toEqual([false, true]);
      const given = { tuple: BOB, condition: { name: "by_day", context: {} } };
      const call = ledger.check(BOB, { contextualTuples: [given] });
      await expectRefusal(call, "NO_ACTIVE_MODEL");
    },
  },
  {
    title: "a verifying client decides again over the proof, alone and together",
    run: async ({ client }) => {
      await client().write([createTuple(ALICE)]);
      const ledger = client({ verify: { trustOnFirstUse: true } });
      const { allowed, verified } = await ledger.check(ALICE);
      expect([allowed, verified?.height]).toEqual([true, 1n]);
      const many = await Promise.all([ledger.check(BOB), ledger.check(ALICE)]);
      expect(many.map((one) => [one.allowed, one.verified?.height])).toEqual([
        [false, 1n],
        [true, 1n],
      ]);
      const proven = await ledger.check(BOB, { prove: { trustedSize: 1n } });
      expect([proven.allowed, proven.evidence?.question.kind]).toEqual([false, "check"]);
    },
  },
];
