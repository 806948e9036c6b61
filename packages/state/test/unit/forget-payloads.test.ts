/** What is remembered of requests whose values are erased: that they were, and no hash of what they were. */
import { toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { erasure } from "../erase-support.js";
import { dump, Ledger } from "../state-support.js";

const PERSON = "person:1";

const set = (key: string, text: string) =>
  ({ op: "set_entity", key, plain: utf8(text), expiresAtMs: 0 }) as const;

/** A transaction item and the entry's outcome of it, so that it can be sent again as it was. */
function sent(ledger: Ledger, ops: Parameters<Ledger["write"]>[1], key: string) {
  const item = ledger.leader.transaction(1, ops, key);
  const hash = toHex((item as { readonly payloadHash: Uint8Array }).payloadHash);
  ledger.apply([item]);
  return { item, hash };
}

async function history() {
  const ledger = await Ledger.create(testRandom("forgotten payloads"), 1);
  const first = sent(ledger, [set(PERSON, "ann")], "k1");
  const beside = [set(PERSON, "ann b"), set("other:1", "x")];
  const both = sent(ledger, beside, "k2");
  const other = sent(ledger, [set("other:2", "y")], "k3");
  const gone = sent(
    ledger,
    [{ op: "delete_entity", key: PERSON, condition: { kind: "none" } }],
    "k4",
  );
  return { ledger, first, both, other, gone };
}

function hashesOf(ledger: Ledger): string {
  return dump(ledger.state)
    .filter((row) => row.startsWith("idempotency "))
    .join("\n");
}

describe("an erasure", () => {
  test("takes the hashes of requests that set, replaced or deleted the value, and no others (INV-ERASE-5)", async () => {
    const { ledger, first, both, other, gone } = await history();
    const about = [first, both, gone];
    for (const { hash } of [...about, other]) expect(hashesOf(ledger)).toContain(hash);
    ledger.apply([erasure(ledger, PERSON)]);
    const left = hashesOf(ledger);
    for (const { hash } of about) expect(left).not.toContain(hash);
    expect(left).toContain(other.hash);
    expect(left.split("\n").length).toBe(4);
  });

  test("lets no such request be applied a second time (INV-ERASE-5)", async () => {
    const { ledger, first, other } = await history();
    ledger.apply([erasure(ledger, PERSON)]);
    const [again, same] = ledger.apply([first.item, other.item]).outcomes;
    expect(again).toMatchObject({ kind: "refused", code: "IDEMPOTENCY_KEY_REUSED" });
    expect(same).toMatchObject({ kind: "applied", replayed: true });
  });
});
