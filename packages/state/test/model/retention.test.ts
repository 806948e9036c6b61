/** Retention against a naive ledger that forgets nothing: what is kept is whole, what is not is gone, and history stays. */
import { inclusionProof, verifyInclusion } from "@authledger/proof";
import type { Table } from "@authledger/store";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { blockTransactions, isOverdue } from "../../src/index.js";
import { readU48 } from "../../src/tables.js";
import { expectState, randomBlock } from "../past-queries.js";
import { PastLedger, VAULT } from "../past-support.js";
import { hasher } from "../state-support.js";

/** The heights in the rows of vault 1, read by `heightOf`. */
function heights(table: Table, heightOf: (key: Uint8Array) => number): number[] {
  const found: number[] = [];
  const cursor = table.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    if (cursor.key[3] === VAULT) found.push(heightOf(cursor.key));
  }
  return found;
}

/** Of an inverted height at the end of a key. */
function invertedAtEnd(key: Uint8Array): number {
  const flipped = key.slice(-6).map((byte) => ~byte);
  return readU48(flipped, 0);
}

/** No row of a removed block is left but its header, and no block in between is missing. */
function expectKept(ledger: PastLedger, oldest: number): void {
  const { tables } = ledger.state;
  const { vault } = ledger;
  expect(vault.oldest).toBe(oldest);
  const bodies = heights(tables.transaction, (key) => readU48(key, 4));
  expect([...new Set(bodies)]).toEqual(
    Array.from({ length: vault.size - oldest }, (_, i) => oldest + i),
  );
  for (const table of [tables.leafHist, tables.bucketHist, tables.valueHist]) {
    for (const height of heights(table, invertedAtEnd)) {
      expect(height).toBeGreaterThanOrEqual(oldest);
    }
  }
}

/** Every header is there and proven to be in the history, whatever was removed. */
function expectHistory(ledger: PastLedger): void {
  const { vault } = ledger;
  const root = vault.history.root();
  for (let height = 0; height < vault.size; height++) {
    const proof = inclusionProof(hasher, vault.historyNode, height, vault.size);
    const leafHash = vault.historyNode(0, height);
    const size = BigInt(vault.size);
    const claim = { leafHash, index: BigInt(height), size, root, proof };
    expect(verifyInclusion(hasher, claim)).toBe(true);
  }
}

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code: unknown }).code;
  }
  return undefined;
}

describe("a vault that keeps its newest blocks", () => {
  test("has those whole and of the others the header, while its retention moves (INV-RETENTION-1, INV-RETENTION-2)", async () => {
    const random = testRandom("retention");
    for (let round = 0; round < testRounds(4); round++) {
      const ledger = await PastLedger.create(random);
      let oldest = 0;
      let kept = 0;
      for (let i = 0; i < 30; i++) {
        if (random.chance(0.15)) {
          kept = random.pick([0, 1, 3, 8]);
          ledger.keep(kept === 0 ? undefined : kept);
        }
        ledger.leader.timeMs += random.int(900);
        randomBlock(ledger);
        const { size } = ledger.vault;
        // A block removes two at most.
        const wanted = kept === 0 ? oldest : Math.max(oldest, size - kept);
        oldest = Math.min(oldest + 2, wanted);
        expectKept(ledger, oldest);
        if (random.chance(0.2)) await ledger.flush();
        if (random.chance(0.1)) await ledger.crash();
      }
      const { vault, state } = ledger;
      for (let height = oldest; height < vault.size; height++) {
        expectState(ledger, vault.at(height));
        if (height > 0) expectState(ledger, vault.before(height));
      }
      for (let height = 0; height < oldest; height++) {
        expect(codeOf(() => vault.at(height))).toBe("HEIGHT_UNAVAILABLE");
        const read = (): unknown => blockTransactions(vault, state.tables, height, 1);
        expect(codeOf(read)).toBe("HEIGHT_UNAVAILABLE");
      }
      expectHistory(ledger);
      await ledger.close();
    }
  }, 60_000);

  test("that is idle comes to its retention in steps of their own", async () => {
    const ledger = await PastLedger.create(testRandom("idle"));
    for (let i = 0; i < 600; i++) randomBlock(ledger, 2);
    ledger.keep(5);
    const { tables, rows } = ledger.state;
    const overdue = (): boolean => isOverdue(tables, rows.vault(VAULT)!);
    let steps = 0;
    for (; overdue(); steps++) ledger.apply([{ kind: "prune", vault: VAULT }]);
    expect(steps).toBe(3);
    expectKept(ledger, ledger.vault.size - 5);
    ledger.apply([{ kind: "prune", vault: VAULT }]);
    expectKept(ledger, ledger.vault.size - 5);
    expectState(ledger, ledger.vault.at(ledger.vault.oldest));
    await ledger.close();
  });
});
