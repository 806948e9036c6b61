/** A proven read of the newest state, whose value is erased while the head is on its way. */
import { utf8 } from "@authledger/types";
import { expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { erasure } from "../../../state/test/erase-support.js";
import { hasher, Ledger } from "../../../state/test/state-support.js";
import { Reads } from "../../src/reads.js";
import type { HeadRequest, SignedHead, Signer } from "../../src/signer.js";

const KEY = "person:1";
const ANY = { kind: "any", maxStalenessMs: 0 } as const;

interface Given {
  readonly size: number;
}

/** A read that gets one head after the other; `before` runs while a head is on its way. On a leader the first one takes another time. */
async function readUnderHeads(asksLeader: boolean, before: (ledger: Ledger, head: number) => void) {
  const ledger = await Ledger.create(testRandom("erased under a head"), 1);
  const op = { op: "set_entity", key: KEY, plain: utf8("ann"), expiresAtMs: 0 } as const;
  ledger.write(1, [op]);
  let heads = 0;
  const head = async ({ size }: Given): Promise<SignedHead> => {
    await Promise.resolve();
    before(ledger, ++heads);
    return { size, timeMs: ledger.leader.timeMs, note: `head ${size}` } as SignedHead;
  };
  const request = ({ size }: Given): HeadRequest => {
    const timeMs = ledger.leader.timeMs - 2_000;
    return { size, timeMs, signed: head({ size }) };
  };
  const reads = new Reads({
    state: ledger.state,
    signer: { asksLeader, head, request } as unknown as Signer,
    clock: { nowMs: () => ledger.leader.timeMs } as never,
    hasher,
    requireRight: () => undefined,
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

/*
 * The story of the leader: a cosigner had signed a later time, and the head was made anew while the value was erased. The answer under
 * it said VALUE_ERASED, to somebody who had asked for the newest state.
 */
test.each([
  ["follower", true],
  ["leader", false],
])(
  "on a %s is answered under the next head, and never with what is left of the value (INV-ERASE-3)",
  async (_, asksLeader) => {
    const { reply, heads } = await readUnderHeads(asksLeader, (ledger, head) => {
      if (head === 1) erase(ledger);
    });
    expect([reply.entities, reply.at.height, heads]).toEqual([[undefined], 2, 2]);
  },
);

test.each([
  ["follower", true],
  ["leader", false],
])("on a %s is answered under the first head where nothing is erased", async (_, asksLeader) => {
  const { reply, heads } = await readUnderHeads(asksLeader, () => undefined);
  expect([reply.entities[0]?.value, heads]).toEqual([utf8("ann"), 1]);
});
