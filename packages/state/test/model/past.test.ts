/**
 * Older states against a naive ledger that keeps every state as a map: at any kept height every read and every proof
 * says what the map of that height says, verified against the header of that height, whatever happened since.
 */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { expectState, randomBlock } from "../past-queries.js";
import { PastLedger } from "../past-support.js";

async function randomHistory(random: SeededRandom, blocks: number): Promise<PastLedger> {
  const ledger = await PastLedger.create(random);
  if (random.chance(0.5)) ledger.fill(1 + random.int(1_500), "import");
  for (let i = 0; i < blocks; i++) {
    ledger.leader.timeMs += random.int(900);
    randomBlock(ledger);
    if (random.chance(0.1)) ledger.fill(random.int(300), `more${i}`);
    if (random.chance(0.15)) await ledger.flush();
    if (random.chance(0.08)) await ledger.crash();
  }
  return ledger;
}

describe("a vault as of an older block", () => {
  test("reads, lists and proves what its state was, through later blocks, flushes and crashes (INV-PAST-2, INV-PAST-3)", async () => {
    const random = testRandom("past");
    for (let round = 0; round < testRounds(8); round++) {
      const ledger = await randomHistory(random, 25);
      const { size } = ledger.vault;
      expect(size).toBe(ledger.states.length);
      for (let i = 0; i < 10; i++) expectState(ledger, ledger.vault.at(random.int(size)));
      expectState(ledger, ledger.vault.at(0));
      expectState(ledger, ledger.vault.at(size - 1));
      await ledger.close();
    }
  }, 60_000);
});
