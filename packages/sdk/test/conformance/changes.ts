/** The history as a whole: ranges of blocks, block proofs, changes, watches. */
import { expect } from "vitest";
import {
  createTuple,
  deleteEntity,
  deleteTuple,
  setEntity,
  tupleMustExist,
} from "../../src/index.js";
import { type Behaviour, collected, expectRefusal } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#viewer@user:bob";

export const changes: readonly Behaviour[] = [
  {
    title: "blocks come in ranges, and a verifying client shows them to be the signed history",
    run: async ({ client, tenant }) => {
      const ledger = client();
      for (const tuple of [ALICE, BOB]) await ledger.write([createTuple(tuple)]);
      const first = await ledger.getBlockRange(0n, { limit: 2, transactions: true });
      expect(first.blocks.map(({ height }) => height)).toEqual([0n, 1n]);
      expect(first).toMatchObject({ nextHeight: 2n, tipHeight: 2n, isVerified: false });
      expect(first.blocks[1]?.header).toEqual((await ledger.getBlock(1n)).header);
      expect((await ledger.getBlockRange(3n)).blocks).toEqual([]);
      await expectRefusal(ledger.getBlockRange(4n), "HEIGHT_NOT_REACHED");
      const anchor = await ledger.admin.getTrustAnchor(tenant);
      const verifying = client({ verify: { anchor } });
      expect(await verifying.getBlockRange(1n)).toMatchObject({ isVerified: true, nextHeight: 3n });
    },
  },
  {
    title: "a block is run again from its proof, without a database",
    run: async ({ client, tenant }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE), setEntity("k", "1")]);
      await ledger.write([tupleMustExist(ALICE), deleteTuple(ALICE), setEntity("k", "2")]);
      const anchor = await ledger.admin.getTrustAnchor(tenant);
      const verifying = client({ verify: { anchor } });
      for (const height of [0n, 1n, 2n]) {
        const { executed, transactions } = await verifying.getBlockProof(height);
        expect([transactions.length, executed !== undefined]).toEqual([1, true]);
      }
      expect((await ledger.getBlockProof(2n)).executed).toBeUndefined();
      await expectRefusal(ledger.getBlockProof(3n), "BLOCK_NOT_FOUND", { height: 3, newest: 2 });
    },
  },
  {
    title: "changes are listed in order, without what changed nothing, and through a filter",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write({ operations: [createTuple(ALICE), createTuple(BOB)], reason: "ticket" });
      await ledger.write([createTuple(ALICE), setEntity("config:a", "1")]);
      await ledger.write([setEntity("config:a", "2"), deleteTuple(BOB), deleteEntity("none")]);
      const listed = async (...args: Parameters<typeof ledger.listChanges>): Promise<string[]> => {
        const found = await collected(ledger.listChanges(...args));
        return found.map(({ height, change, target }) => {
          const about =
            target.kind === "tuple"
              ? target.tuple.subject
              : target.kind === "entity"
                ? target.key
                : target.group;
          return `${height} ${change} ${about}`;
        });
      };
      const genesis = ["genesis", "policy", "limits"].map((group) => `0 created ${group}`);
      const later = ["1 created user:alice", "1 created user:bob", "2 created config:a"];
      const last = ["3 replaced config:a", "3 deleted user:bob"];
      expect(await listed()).toEqual([...genesis, ...later, ...last]);
      for (const pageSize of [1, 2, 5]) {
        expect(await listed({}, { from: 1n, pageSize })).toEqual([...later, ...last]);
      }
      expect(await listed({}, { from: 2n, to: 2n })).toEqual(later.slice(2));
      expect(await listed({ entityKeyPrefix: "config:" })).toEqual([later[2], last[0]]);
      expect(await listed({ subject: "user:bob" })).toEqual([later[1], last[1]]);
      expect(await listed({ resourceType: "folder" })).toEqual([]);
      const [first] = await ledger.listChanges({ subject: "user:alice" }).toArray({ limit: 1 });
      expect(first).toMatchObject({ reason: "ticket", transactionIndex: 0, operationIndex: 0 });
      const backwards = collected(ledger.listChanges({}, { from: 3n, to: 1n }));
      await expectRefusal(backwards, "INVALID_ARGUMENT", { field: "to_height" });
    },
  },
  {
    title: "a watch of blocks gives what is there, then what comes, until it is given up",
    run: async ({ client }) => {
      const ledger = client();
      let writing: Promise<unknown> | undefined;
      await ledger.write([createTuple(ALICE)]);
      const controller = new AbortController();
      const heights: bigint[] = [];
      const watching = (async () => {
        const { signal } = controller;
        for await (const event of ledger.watchBlocks({ from: 0n, transactions: true, signal })) {
          if (event.kind === "block") heights.push(event.height);
          else if (event.state === "live" && heights.length === 2) {
            writing = ledger.write([createTuple(BOB)]);
          }
          if (heights.length === 3) controller.abort();
        }
      })();
      await expectRefusal(watching, "CANCELLED");
      expect(heights).toEqual([0n, 1n, 2n]);
      await writing;
    },
  },
  {
    title: "a watch on a client that is closed ends with CLIENT_CLOSED, open before or not",
    run: async ({ client }) => {
      const ledger = client();
      let heights = 0;
      const watching = (async () => {
        for await (const event of ledger.watchBlocks({ from: 0n })) {
          if (event.kind === "block") heights++;
          else if (event.state === "live") ledger.close();
        }
      })();
      await expectRefusal(watching, "CLIENT_CLOSED");
      expect(heights).toBe(1);
      await expectRefusal(collected(ledger.watchBlocks()), "CLIENT_CLOSED");
      await expectRefusal(collected(ledger.watchChanges({})), "CLIENT_CLOSED");
    },
  },
  {
    title:
      "a watch of changes begins behind the newest block, gives what matches, and ends with its loop",
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([createTuple(ALICE)]);
      const found: string[] = [];
      for await (const event of ledger.watchChanges({ subject: "user:bob" })) {
        if (event.kind === "progress" && found.length === 0 && event.tipHeight === 1n) {
          await ledger.write([setEntity("k", "v"), createTuple(BOB)]);
        }
        if (event.kind === "change" && event.change.target.kind === "tuple") {
          found.push(`${event.change.change} ${event.change.target.tuple.subject}`);
          break;
        }
      }
      expect(found).toEqual(["created user:bob"]);
    },
  },
];
