/** The example of the README, line by line. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { type Entry, encodeEntry, GroupState, hasTuple, listTuples } from "../../src/index.js";
import { hasher, Leader, newDisk, openStore } from "../state-support.js";

test("the example of the README is this one, and says what is so", async () => {
  const random = testRandom("readme");
  const store = await openStore(await newDisk(), random);
  const leader = new Leader(random);
  const { timeMs } = leader;
  const [term, salt, genesis] = [1, random.bytes(32), leader.genesis("test.example/0/0")];
  const [clusterId, clusterOrigin] = ["0".repeat(32), "test.example"];
  // The example begins here.
  const state = new GroupState(store, hasher);
  const entry: Entry = {
    timeMs,
    items: [{ kind: "init", clusterId, clusterOrigin, salt, genesis }],
  };
  const { outcomes, blocks } = state.apply(state.applied.index + 1, term, encodeEntry(entry));

  const vault = state.vault(0)!;
  vault.tip.header.stateRoot;
  const tuple = { resource: "document:d1", relation: "viewer", subject: "user:ann" };
  hasTuple(vault, tuple, timeMs);
  listTuples(vault, { subject: "user:ann" }, { limit: 100, timeMs }).tuples;

  await store.flush(state.prepareFlush());
  // It ends here.
  expect(outcomes).toEqual([{ kind: "initialized" }]);
  expect(blocks).toEqual([{ vault: 0, height: 0, blockHash: vault.tip.blockHash }]);
  expect(hasTuple(vault, tuple, timeMs)).toBe(false);
  expect(store.applied).toEqual(state.applied);
  const page = listTuples(vault, { subject: "user:ann" }, { limit: 100, timeMs });
  expect(page.tuples).toEqual([]);
  const source = squeezed(readFileSync(new URL(import.meta.url), "utf8"));
  for (const line of exampleLines()) expect(source).toContain(line);
});

/** Statements of the example, without comments and without its import. */
function exampleLines(): string[] {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme)!;
  return example!
    .split("\n")
    .map((line) => squeezed(line.replace(/ *\/\/.*/, "")))
    .filter((line) => line !== "" && !line.startsWith("import"));
}

/** However a formatter breaks lines. */
function squeezed(text: string): string {
  return text.replaceAll(/\s+/g, "").replaceAll(/,(?=[}\])])/g, "");
}
