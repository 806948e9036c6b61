/** A follower's proven read of the newest state, whose value is erased while the head is on its way. */
import { utf8 } from "@authledger/types";
import { expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { erasure } from "../../../state/test/erase-support.js";
import { hasher, Ledger } from "../../../state/test/state-support.js";
import { Reads } from "../../src/reads.js";
import type { SignedHead, Signer } from "../../src/signer.js";

const KEY = "person:1";
const ANY = { kind: "any", maxStalenessMs: 0 } as const;

/** A read that gets one head after the other; `before` runs while a head is on its way. */
async function readUnderHeads(before: (ledger: Ledger, head: number) => void) {
  const ledger = await Ledger.create(testRandom("erased under a head"), 1);
  const op = { op: "set_entity", key: KEY, plain: utf8("ann"), expiresAtMs: 0 } as const;
  ledger.write(1, [op]);
  let heads = 0;
  const signer = {
    asksLeader: true,
    head: async ({ size }: { readonly size: number }): Promise<SignedHead> => {
      await Promise.resolve();
      before(ledger, ++heads);
      return { size, timeMs: ledger.leader.timeMs, note: `head ${size}` } as SignedHead;
    },
  };
  const reads = new Reads({
    state: ledger.state,
    signer: signer as unknown as Signer,
    clock: { nowMs: () => ledger.leader.timeMs } as never,
    hasher,
    untilSize: () => Promise.resolve(),
  });
  const prove = { trustedSize: 0, configHash: new Uint8Array(0) };
  const reply = await reads.readEntities({ vault: 1, consistency: ANY, keys: [KEY], prove });
  return { reply, heads };
}

function erase(ledger: Ledger): void {
  ledger.write(1, [{ op: "delete_entity", key: KEY, condition: { kind: "none" } }]);
  ledger.apply([erasure(ledger, KEY)]);
}

test("is answered under the next head, and never with what is left of the value (INV-ERASE-3)", async () => {
  const { reply, heads } = await readUnderHeads((ledger, head) => {
    if (head === 1) erase(ledger);
  });
  expect([reply.entities, reply.at.height, heads]).toEqual([[undefined], 2, 2]);
});

test("is answered under the first head where nothing is erased", async () => {
  const { reply, heads } = await readUnderHeads(() => undefined);
  expect([reply.entities[0]?.value, heads]).toEqual([utf8("ann"), 1]);
});
