/** Blocks, heads, proofs, and clients that verify. */
import { expect } from "vitest";
import { createTuple, MemoryRoots, setEntity } from "../../src/index.js";
import { type Behaviour, expectRefusal, type Ledger } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#viewer@user:bob";

async function verifying({ client, tenant }: Ledger): Promise<ReturnType<Ledger["client"]>> {
  const anchor = await client().admin.getTrustAnchor(tenant);
  return client({ verify: { anchor, pinnedRoots: new MemoryRoots() } });
}

export const history: readonly Behaviour[] = [
  {
    title: "a block has a header, a hash, and its transactions where they are asked for",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.batchWrite([{ operations: [createTuple(ALICE)] }]);
      const tip = await ledger.getTip();
      const block = await ledger.getBlock(tip.height, { transactions: true });
      expect([tip.height, tip.header.length, tip.blockHash.length]).toEqual([1n, 244, 32]);
      expect([block.header, block.blockHash]).toEqual([tip.header, tip.blockHash]);
      expect(block.transactions).toHaveLength(1);
      expect((await ledger.getBlock(0n)).transactions).toEqual([]);
      await expectRefusal(ledger.getBlock(2n), "BLOCK_NOT_FOUND", { height: 2, newest: 1 });
    },
  },
  {
    title: "heads are signed, and proven consistent from one size to another",
    run: async ({ client, tenant }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE)]);
      await ledger.write([createTuple(BOB)]);
      const { checkpoint, consistencyProof, isVerified } = await ledger.getCheckpoint({
        trustedSize: 1n,
      });
      const { origin } = await ledger.admin.getVault(tenant);
      expect(checkpoint.split("\n").slice(0, 2)).toEqual([origin, "3"]);
      expect([isVerified, consistencyProof.length]).toEqual([false, 2]);
      expect(await ledger.getConsistencyProof({ fromSize: 1n, toSize: 3n })).toEqual(
        consistencyProof,
      );
      const backwards = ledger.getConsistencyProof({ fromSize: 3n, toSize: 2n });
      await expectRefusal(backwards, "INVALID_ARGUMENT");
      const future = ledger.getConsistencyProof({ fromSize: 1n, toSize: 9n });
      await expectRefusal(future, "INVALID_ARGUMENT");
      expect(await ledger.reportCheckpoint(checkpoint)).toBe("consistent");
      const unsigned = ledger.reportCheckpoint(checkpoint.replace("\n3\n", "\n2\n"));
      // It was PROOF_INVALID once, which is DATA_LOSS over gRPC: anybody could fill the node's log with alarms.
      await expectRefusal(unsigned, "INVALID_ARGUMENT");
    },
  },
  {
    title: "an answer comes with its proof when one is asked for, and without when not",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE), setEntity("k", "v")]);
      const prove = { trustedSize: 1n };
      const { proof } = await ledger.hasTuple(ALICE, { prove });
      expect(proof?.header).toHaveLength(244);
      expect(proof?.stateProof.length).toBeGreaterThan(0);
      expect((await ledger.read("k", { prove })).proof?.checkpoint).toContain("\n");
      expect((await ledger.hasTuple(ALICE)).proof).toBeUndefined();
      const list = ledger.list({ relation: "viewer" }, { prove });
      await expectRefusal(list.collect(), "INVALID_ARGUMENT");
    },
  },
  {
    title: "every read verifies against the anchor: what is there, what is not, and whole lists",
    run: async (made) => {
      const ledger = await verifying(made);
      const many = Array.from({ length: 30 }, (_, i) => createTuple(`doc:many#viewer@user:${i}`));
      await ledger.write([createTuple(ALICE), setEntity("config:a", "on"), ...many]);
      const check = await ledger.hasTuple(ALICE);
      expect(check).toMatchObject({ stored: true, verified: { kind: "current", height: 1n } });
      expect((await ledger.hasTuple(BOB)).stored).toBe(false);
      const together = await Promise.all([ledger.hasTuple(ALICE), ledger.hasTuple(BOB)]);
      expect(together.map(({ stored }) => stored)).toEqual([true, false]);
      expect((await ledger.read("config:a")).entity?.version).toBe(1n);
      const { entities } = await ledger.batchRead(["config:a", "config:b"]);
      expect(entities.map((entity) => entity?.key)).toEqual(["config:a", undefined]);
      for (const pageSize of [7, 1_000]) {
        expect(await ledger.list({ resource: "doc:many" }, { pageSize }).collect()).toHaveLength(
          30,
        );
      }
      expect(await ledger.list({ subject: "user:alice" }).collect()).toHaveLength(1);
      expect(await ledger.list({ resource: "doc:none" }).collect()).toEqual([]);
    },
  },
  {
    title: "blocks and heads verify too, and the trusted head grows with the history",
    run: async (made) => {
      const ledger = await verifying(made);
      await ledger.write([createTuple(ALICE)]);
      expect((await ledger.hasTuple(ALICE)).verified?.trustedSize).toBe(2n);
      await ledger.write([createTuple(BOB)]);
      const tip = await ledger.getTip();
      expect(tip).toMatchObject({ height: 2n, verified: { trustedSize: 3n } });
      const block = await ledger.getBlock(1n, { transactions: true });
      expect([block.verified?.kind, block.transactions.length]).toEqual(["historical", 1]);
      expect((await ledger.getCheckpoint()).isVerified).toBe(true);
    },
  },
  {
    title: "a vault whose replicas have not changed has come to no other policy",
    run: async ({ client }) => {
      expect(await client().getPolicyBundles()).toEqual([]);
    },
  },
  {
    title: "an anchor of another vault is refused",
    run: async (made) => {
      const { client, tenant } = made;
      const { organization } = tenant;
      const { slug: vault } = await client().admin.createVault({ organization, name: "other" });
      const anchor = await client().admin.getTrustAnchor({ organization, vault });
      const ledger = client({ verify: { anchor, pinnedRoots: new MemoryRoots() } });
      await expectRefusal(ledger.hasTuple(ALICE), "PROOF_INVALID");
    },
  },
];
