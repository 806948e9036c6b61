/** Who belongs to a group lies in the state, in the commit of the entry that changed it. */
import { MemoryDisk } from "@authledger/io";
import { toHex, utf8 } from "@authledger/types";
import { expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { GroupState } from "../../src/index.js";
import { hasher, openStore } from "../state-support.js";

test("a configuration is in the commit of its index (museum row 20)", async () => {
  const random = testRandom("configuration");
  const disk = new MemoryDisk();
  const store = await openStore(disk, random);
  const state = new GroupState(store, hasher);
  expect(state.configuration).toBeUndefined();
  state.apply(1, 1, new Uint8Array(0));
  state.applyConfiguration(2, 1, utf8("one"));
  state.apply(3, 1, new Uint8Array(0));
  await store.flush(state.prepareFlush());
  state.applyConfiguration(4, 1, utf8("two"));
  expect(state.applied).toMatchObject({ index: 4, configIndex: 4 });
  await store.close();
  const again = new GroupState(await openStore(disk, random), hasher);
  expect(again.applied).toMatchObject({ index: 3, configIndex: 2 });
  expect(again.configuration).toEqual(utf8("one"));
});

test("is applied in order, and the group digest tells two apart", async () => {
  const random = testRandom("configuration digest");
  const digests = [];
  for (const text of ["one", "two", "one"]) {
    const state = new GroupState(await openStore(new MemoryDisk(), random), hasher);
    expect(() => state.applyConfiguration(2, 1, utf8(text))).toThrow("in order");
    state.applyConfiguration(1, 1, utf8(text));
    digests.push(toHex(state.applied.digest));
  }
  expect(digests[0]).toBe(digests[2]);
  expect(digests[0]).not.toBe(digests[1]);
});
