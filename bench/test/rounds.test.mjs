/** Contestants in processes of their own, and the rows that databases are given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuOf, inRounds, rateOf, rateRatio, startContestant } from "../lib/rounds.mjs";
import { randomBlocks } from "../roots/blocks.mjs";
import { KEY_BYTES, randomBatches, sequentialBatches, VALUE_BYTES } from "../store/entries.mjs";

const ECHO = new URL("echo-contestant.mjs", import.meta.url);

test("contestants take turns, each round begins with another, and each answers for itself", async () => {
  const all = [await startContestant("a", ECHO, ["A"]), await startContestant("b", ECHO, ["B"])];
  /** @type {string[]} */
  const order = [];
  const results = await inRounds(all, 3, "work", (round, name) => {
    order.push(name);
    return [round + 1];
  });
  assert.deepEqual(order, ["a", "b", "b", "a", "a", "b"]);
  for (const [name, of] of results) {
    assert.deepEqual(
      of.map(({ operations, extra }) => [operations, extra]),
      [1, 2, 3].map((count) => [count, name.toUpperCase()]),
    );
  }
  for (const contestant of all) await contestant.end();
});

test("a contestant that fails or ends is an error with its name", async () => {
  const contestant = await startContestant("echo", ECHO, ["e"]);
  await assert.rejects(contestant.call("fail"), /echo, fail: .*no/);
  await assert.rejects(contestant.call("nothing"), /there is no nothing/);
  await assert.rejects(contestant.call("die"), /echo ended with 7 during die/);
});

test("rates are of wall time, CPU is of the process, and ratios are those within a round", () => {
  const measured = (/** @type {number} */ operations, /** @type {number} */ seconds) => ({
    ...{ operations, seconds, cpuSeconds: seconds / 2, extra: undefined },
  });
  assert.equal(rateOf(measured(100, 2)), 50);
  assert.equal(cpuOf(measured(100, 2)), 10_000);
  const ratio = rateRatio(
    [measured(10, 1), measured(30, 1), measured(20, 1)],
    [measured(10, 1), measured(10, 1), measured(10, 1)],
  );
  assert.deepEqual(ratio, { min: 1, median: 2, max: 3 });
});

test("random batches write every other row anew, new rows once, and are the same in each process", () => {
  const options = { rows: 100, round: 1, batches: 3, size: 10, firstNew: 1_000 };
  const batches = randomBatches(options);
  assert.deepEqual(batches, randomBatches(options));
  const fresh = batches.flatMap(({ keys }) => keys.filter((_, k) => k % 2 === 1));
  assert.equal(new Set(fresh.map((key) => key.toString("hex"))).size, 15);
  for (const { keys, values } of [...batches, ...sequentialBatches({ ...options, first: 0 })]) {
    for (const key of keys) assert.equal(key.length, KEY_BYTES);
    for (const value of values) assert.equal(value.length, VALUE_BYTES);
  }
});

test("sequential batches ascend over all of them", () => {
  const keys = sequentialBatches({ round: 0, batches: 3, size: 300, first: 250 }).flatMap(
    (batch) => batch.keys,
  );
  for (let i = 1; i < keys.length; i++) {
    const [before, after] = /** @type {[Buffer, Buffer]} */ ([keys[i - 1], keys[i]]);
    assert.ok(Buffer.compare(before, after) < 0);
  }
});

test("blocks set distinct leaves", () => {
  for (const block of randomBlocks(50, { round: 2, blocks: 5, size: 40 })) {
    assert.equal(new Set(block).size, 40);
    assert.ok(block.every((leaf) => leaf >= 0 && leaf < 50));
  }
});
