/** What a check asks a vault: is a record under this key, and is it live? Beside reading the whole record. */
import { encodeKey, isLive, tupleKey } from "@authledger/proof";
import { describe, expect, test } from "vitest";
import { testRandom, thrownBy } from "../../../../test/support.js";
import { Ledger, type PlainOp } from "../state-support.js";

const T = 1_700_000_090_000;
const EXPIRIES = [0, T - 1, T, T + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 48];
const TIMES = [T - 1, T, T + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1, 2 ** 48, 2 ** 53];

const tupleOf = (i: number) => ({ resource: "doc:a", relation: "viewer", subject: `user:${i}` });

async function ledger(): Promise<Ledger> {
  const made = await Ledger.create(testRandom("live record"));
  const ops = EXPIRIES.map(
    (expiresAtMs, i): PlainOp => ({ op: "create_tuple", tuple: tupleOf(i), expiresAtMs }),
  );
  made.write(1, ops);
  return made;
}

describe("hasLive", () => {
  test("says what the whole record says, for every expiry at every time, and of keys that are not there", async () => {
    const vault = (await ledger()).state.openVault(1)!;
    for (let i = 0; i <= EXPIRIES.length; i++) {
      const key = tupleKey(tupleOf(i));
      const record = vault.record(key);
      expect(record === undefined).toBe(i === EXPIRIES.length);
      for (const timeMs of TIMES) {
        const live = vault.hasLive(encodeKey(key), vault.paths.path(key), timeMs);
        expect([i, timeMs, live]).toEqual([
          i,
          timeMs,
          record !== undefined && isLive(record, timeMs),
        ]);
      }
    }
  });

  test("takes no other key's record for its own: PATH_COLLISION", async () => {
    const vault = (await ledger()).state.openVault(1)!;
    const path = vault.paths.path(tupleKey(tupleOf(0)));
    for (const other of [
      { ...tupleOf(0), subject: "user:1" },
      { ...tupleOf(0), relation: "v" },
    ]) {
      const key = encodeKey(tupleKey(other));
      expect(thrownBy(() => vault.hasLive(key, path, T)).code).toBe("PATH_COLLISION");
    }
  });
});
