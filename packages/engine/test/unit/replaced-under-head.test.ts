/** Reads with proofs on a follower whose state becomes another one, or is found to be wrong, while the head is on its way. */
import { consistencyProof } from "@authledger/proof";
import { GroupState } from "@authledger/state";
import { LedgerError } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy, testRandom } from "../../../../test/support.js";
import { hasher, Ledger, newDisk, openStore } from "../../../state/test/state-support.js";
import { Reads } from "../../src/reads.js";
import type { SignedHead, Signer } from "../../src/signer.js";

const ANY = { kind: "any", maxStalenessMs: 0 } as const;

/** A follower with two blocks of a vault, which is given the state of nine while it waits for the head of that. */
async function behind(meanwhile: () => void = () => undefined) {
  const random = testRandom("replaced under a head");
  const ledger = await Ledger.create(random, 1);
  const write = (name: string): void => {
    const tuple = { resource: name, relation: "viewer", subject: "user:u" };
    ledger.write(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }]);
  };
  write("doc:0");
  let state = new GroupState(await openStore(await newDisk(), random), hasher);
  for (const [i, entry] of ledger.log.entries()) state.apply(i + 1, 1, entry);
  for (let i = 1; i < 8; i++) write(`doc:${i}`);
  const { size } = ledger.state.vault(1)!;
  const head = async (): Promise<SignedHead> => {
    await Promise.resolve();
    state = ledger.state;
    meanwhile();
    return { size, timeMs: ledger.leader.timeMs, note: `head ${size}` };
  };
  let problem: LedgerError | undefined;
  const reads = new Reads({
    state: {
      requireServed: (id: number) => state.requireServed(id),
      get applied() {
        return state.applied;
      },
    } as GroupState,
    signer: { asksLeader: true, head } as unknown as Signer,
    clock: { nowMs: () => ledger.leader.timeMs } as never,
    hasher,
    requireRight: () => {
      if (problem !== undefined) throw problem;
    },
    untilSize: () => Promise.resolve(),
  });
  const fence = (error: LedgerError): void => {
    problem = error;
  };
  return { ledger, reads, size, fence };
}

/*
 * The story: the head's size was waited for, and came with a whole state of the leader. The consistency proof was asked of the vault as it had
 * been opened before, whose tables had none of the newer nodes: an assertion, and the node stopped.
 */
test("a checkpoint leads from the client's head to the new one by the history that is here by then", async () => {
  const { ledger, reads, size } = await behind();
  const request = { vault: 1, consistency: ANY, trustedSize: 1 };
  const reply = await reads.getCheckpoint(request);
  const { historyNode } = ledger.state.vault(1)!;
  expect(reply.checkpoint).toBe(`head ${size}`);
  expect(reply.consistencyProof).toEqual(consistencyProof(hasher, historyNode, 1, size));
});

test("no answer is given that was made by a state which is known to be wrong by then (INV-REPLICA-11)", async () => {
  const wrong = new LedgerError("REPLICA_DIVERGED", "not that of the majority");
  const prove = { trustedSize: 0, configHash: new Uint8Array(0) };
  const about = { vault: 1, consistency: ANY, prove };
  const asks: ((reads: Reads) => Promise<unknown>)[] = [
    (reads) => reads.getCheckpoint({ vault: 1, consistency: ANY, trustedSize: 1 }),
    (reads) => reads.readEntities({ ...about, keys: ["k"] }),
    (reads) => reads.getBlock({ ...about, height: 1 as never, transactions: false }),
    async (reads) => reads.check({ ...about, tuples: [] }),
  ];
  for (const ask of asks) {
    const follower = await behind(() => follower.fence(wrong));
    expect(await rejectedBy(ask(follower.reads))).toBe(wrong);
  }
});
