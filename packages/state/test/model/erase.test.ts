/** Erasure between random blocks: the same on every replica, and nothing that is hashed or proven changes. */
import { entityKey } from "@authledger/proof";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import { ERASE_VERSIONS_MAX } from "../../src/erase.js";
import { readEntity } from "../../src/index.js";
import { erasure } from "../erase-support.js";
import { dump, Ledger, newDisk, openState, openStore } from "../state-support.js";

const NONE = new Uint8Array(0);
const KEYS = ["p:1", "p:2", "p:3"];

/** What was set at which height, and whether it must be gone. */
interface Version {
  readonly key: string;
  readonly height: number;
  readonly text: string;
  isErased: boolean;
}

describe("an erasure", () => {
  test("takes earlier values and no others, whatever the order, and leaves roots and proofs (INV-ERASE-1, INV-ERASE-2)", async () => {
    const random = testRandom("erase");
    for (let round = 0; round < testRounds(4); round++) {
      const ledger = await Ledger.create(random, 1);
      const versions: Version[] = [];
      const current = new Map<string, Version>();
      for (let i = 0; i < 40; i++) {
        ledger.leader.timeMs += 5;
        const key = random.pick(KEYS);
        if (random.chance(0.25)) {
          const before = ledger.state.vault(1)!.tip.blockHash;
          const outcome = ledger.apply([erasure(ledger, key)]).outcomes[0]!;
          const gone = versions.filter((one) => one.key === key && one !== current.get(key));
          const fresh = gone.filter((one) => !one.isErased).length;
          expect(outcome).toEqual({ kind: "erased", vault: 1, versions: fresh, isDone: true });
          for (const one of gone) one.isErased = true;
          expect(ledger.state.vault(1)!.tip.blockHash).toEqual(before);
        } else if (random.chance(0.2)) {
          ledger.write(1, [{ op: "delete_entity", key, condition: { kind: "none" } }]);
          current.delete(key);
        } else {
          const text = `secret ${i} of ${key}`;
          const plain = new TextEncoder().encode(text);
          const { height } = ledger.write(1, [
            { op: "set_entity", key, plain, expiresAtMs: 0 },
          ]).transaction;
          const version = { key, height, text, isErased: false };
          versions.push(version);
          current.set(key, version);
        }
      }
      expectReads(ledger, versions);
      const rows = dump(ledger.state);
      for (const { text, isErased } of versions) {
        const hex = toHex(new TextEncoder().encode(text));
        expect(rows.some((row) => !row.startsWith("transaction ") && row.includes(hex))).toBe(
          !isErased,
        );
      }
      // A replica that applies the same entries has the same rows and digest.
      const replica = openState(await openStore(await newDisk(), random));
      for (const [i, payload] of ledger.log.entries()) replica.apply(i + 1, 1, payload);
      expect(replica.applied.digest).toEqual(ledger.state.applied.digest);
      expect(dump(replica)).toEqual(rows);
    }
  }, 60_000);

  test("of many versions goes in steps of a bounded size", async () => {
    const ledger = await Ledger.create(testRandom("erase many"), 1);
    const count = ERASE_VERSIONS_MAX + 5;
    for (let i = 0; i <= count; i++) {
      const plain = new TextEncoder().encode(String(i));
      ledger.write(1, [{ op: "set_entity", key: "p:1", plain, expiresAtMs: 0 }]);
    }
    const steps = [0, 1, 2].map(() => ledger.apply([erasure(ledger, "p:1")]).outcomes[0]);
    expect(steps.map((step) => (step?.kind === "erased" ? step.versions : step))).toEqual([
      ERASE_VERSIONS_MAX,
      5,
      0,
    ]);
  }, 60_000);
});

function expectReads(ledger: Ledger, versions: readonly Version[]): void {
  const vault = ledger.state.vault(1)!;
  for (const { key, height, text, isErased } of versions) {
    const view = vault.at(height);
    // The proven state of the height is what its header says, erased or not.
    expect(view.trie.total).toBe(view.header.leafCount);
    expect(view.record(entityKey(key))!.value!.length).toBe(text.length);
    if (isErased) {
      const erasedAtMs = expect.any(Number);
      expect(readEntity(view, key, 0)).toMatchObject({ value: NONE, nonce: NONE, erasedAtMs });
      expect(thrownBy(() => view.value(view.paths.path(entityKey(key)))).code).toBe("VALUE_ERASED");
    } else {
      expect(new TextDecoder().decode(readEntity(view, key, 0)!.value)).toBe(text);
    }
  }
}
