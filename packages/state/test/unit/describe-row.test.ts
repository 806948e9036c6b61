/** Rows in words: for people who look at pages that may hold anything. */
import { MemoryDisk } from "@authledger/io";
import { expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { describeKey, describeRow, GroupState } from "../../src/index.js";
import { hasher, openStore } from "../state-support.js";

test("any bytes under any table are described, and none of them makes it throw", async () => {
  const random = testRandom("describe row");
  const { tables } = new GroupState(await openStore(new MemoryDisk(), random), hasher);
  for (const { name } of Object.values(tables)) {
    for (let length = 0; length < 80; length++) {
      const key = random.bytes(length);
      const value = random.bytes(random.int(300));
      expect(describeKey(name, key)).toBeTypeOf("string");
      expect(describeRow(name, key, value, (ms) => `${ms} ms`)).toBeTypeOf("string");
    }
  }
});
