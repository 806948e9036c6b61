/** What needs the length of a value only does not read the value: it may be megabytes, and applying waits for it. */
import { MemoryFile } from "@authledger/io";
import { afterEach, describe, expect, test, vi } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { countVaultRows } from "../../src/usage.js";
import { erasure } from "../erase-support.js";
import { PastLedger, VAULT } from "../past-support.js";

const VERSIONS = 12;
const VALUE_BYTES = 200 * 1024;
/** Pages of the store have 4 KiB. */
const PAGE_BYTES = 4096;

afterEach(() => vi.restoreAllMocks());

/** A vault with an entity of many large versions, none of which is in memory. */
async function withLargeVersions(): Promise<PastLedger> {
  const random = testRandom("value lengths");
  const ledger = await PastLedger.create(random);
  for (let i = 0; i < VERSIONS; i++) {
    ledger.leader.timeMs += 1;
    const plain = random.bytes(VALUE_BYTES);
    ledger.write([{ op: "set_entity", key: "p:1", plain, expiresAtMs: 0 }]);
  }
  await ledger.flush();
  await ledger.crash();
  return ledger;
}

/** Values that are read from the file while something runs. */
function valuesReadBy(run: () => void): number {
  const read = vi.spyOn(MemoryFile.prototype, "readSync");
  run();
  return read.mock.calls.filter(([into]) => into.length > PAGE_BYTES).length;
}

// An entry that erased 1,000 versions of 1 MiB read each of them twice, in one turn and on every replica: seconds, and the leader was
// elected anew.
describe("no value is read", () => {
  test("by an erasure", async () => {
    const ledger = await withLargeVersions();
    expect(valuesReadBy(() => ledger.apply([erasure(ledger, "p:1")]))).toBe(0);
    await ledger.close();
  });

  test("when blocks are removed that need not be kept", async () => {
    const ledger = await withLargeVersions();
    const read = valuesReadBy(() => {
      ledger.keep(2);
      ledger.apply([{ kind: "prune", vault: VAULT }]);
    });
    expect([ledger.vault.oldest, read]).toEqual([VERSIONS - 1, 0]);
    await ledger.close();
  });

  test("when the bytes of a vault are counted", async () => {
    const ledger = await withLargeVersions();
    let rows = 0;
    const count = (): void => {
      for (const _ of countVaultRows(ledger.state.tables, VAULT, (table) => table)) rows++;
    };
    expect(valuesReadBy(count)).toBe(0);
    expect(rows).toBeGreaterThan(VERSIONS);
    await ledger.close();
  });
});
