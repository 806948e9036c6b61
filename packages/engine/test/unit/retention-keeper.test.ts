/** Vaults come to their retention in the background, one step at a time. */
import { decodeHeader } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { RetentionKeeper } from "../../src/retention-keeper.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  settle,
  type TestNode,
  transactionOf,
  writeOne,
} from "../engine-support.js";

const BLOCKS = 40;

async function tightened(): Promise<TestNode & { readonly vault: number }> {
  const node = await openNode();
  const { engine } = node;
  const vault = await newVault(engine);
  for (let i = 1; i < BLOCKS; i++) await writeOne(engine, vault, [createTuple(`doc:${i}`)]);
  const { organizations } = await engine.call("list_organizations", { limit: 1 });
  const organization = organizations[0]!.slug;
  const { vaults } = await engine.call("list_vaults", { organization, limit: 1 });
  const named = { organization, vault: vaults[0]!.slug, actor: "test" };
  await engine.call("update_vault", { ...named, retentionBlocks: 3 });
  return { ...node, vault };
}

function bodyOf({ engine, vault }: TestNode & { readonly vault: number }, height: number) {
  const about = { vault, consistency: LINEARIZABLE };
  return engine.call("get_block", { ...about, height, transactions: true });
}

describe("a vault whose retention was tightened", () => {
  test("loses the transactions of its old blocks while nobody writes, and none of its headers", async () => {
    const node = await tightened();
    for (let second = 0; second < 10; second++) {
      node.time.advance(1_000);
      await settle(20);
    }
    const error = await rejectedBy(bodyOf(node, BLOCKS - 4));
    expect(error.code).toBe("HEIGHT_UNAVAILABLE");
    for (const height of [BLOCKS - 3, BLOCKS - 1]) {
      expect((await bodyOf(node, height)).transactions).toHaveLength(1);
    }
    const about = { vault: node.vault, consistency: LINEARIZABLE, transactions: false };
    for (let height = 0; height < BLOCKS; height++) {
      const { header } = await node.engine.call("get_block", { ...about, height });
      expect(header).toHaveLength(244);
    }
    await node.engine.close();
  });

  /*
   * A write with a key lost its answer, retention passed its block, and the client asked again: the proof could not be made,
   * and the whole call failed with HEIGHT_UNAVAILABLE, also for the transactions that had just been applied.
   */
  test("answers a repeated write whose proof is not kept any more as applied, without it, and its neighbours with theirs", async () => {
    const node = await tightened();
    const { engine, vault } = node;
    const about = { clientId: "c", idempotencyKey: "k" };
    const first = transactionOf([createTuple("doc:first")], about);
    const call = { vault, actor: "test", prove: true };
    const { outcomes } = await engine.call("write", { ...call, transactions: [first] });
    expect(applied(outcomes[0]).inclusion).toBeDefined();
    for (let i = 0; i < 5; i++) await writeOne(engine, vault, [createTuple(`doc:later-${i}`)]);
    for (let second = 0; second < 10; second++) {
      node.time.advance(1_000);
      await settle(20);
    }
    const second = transactionOf([createTuple("doc:second")]);
    const again = await engine.call("write", { ...call, transactions: [first, second] });
    const { inclusion, ...answer } = applied(outcomes[0]);
    expect(again.outcomes[0]).toEqual({ ...answer, replayed: true });
    expect(applied(again.outcomes[1]).inclusion!.index).toBe(0);
    await engine.close();
  });

  test("has one step in flight at a time, and the next tick goes on after one was refused (INV-KEEPER-1)", async () => {
    const node = await tightened();
    const about = { vault: node.vault, consistency: LINEARIZABLE };
    const { header } = await node.engine.call("get_tip", about);
    await node.engine.close();
    const vaults = new StoredVaults(header, [3, 2]);
    const [steps, failures] = [[] as number[], [] as unknown[]];
    let inFlight = 0;
    const keeper = new RetentionKeeper({
      state: vaults as never,
      propose: async (vault) => {
        expect(++inFlight).toBe(1);
        await settle(2);
        inFlight--;
        steps.push(vault);
        if (steps.length === 2) throw new LedgerError("OVERLOADED", "busy");
        vaults.overdue[vault]!--;
      },
      onFatal: (error) => failures.push(error),
    });
    for (let tick = 0; tick < 4; tick++) {
      keeper.tick();
      keeper.tick();
      await settle(40);
    }
    await keeper.stop();
    expect(failures).toEqual([]);
    expect(vaults.overdue).toEqual([0, 0]);
    expect(steps.filter((vault) => vault === 0)).toHaveLength(4);
    expect(steps.filter((vault) => vault === 1)).toHaveLength(2);
  });
});

/** Rows of vaults as the keeper reads them, each with so many steps to go. */
class StoredVaults {
  readonly overdue: number[];
  readonly rows: object;
  readonly tables: object;

  constructor(tip: Uint8Array, overdue: number[]) {
    this.overdue = overdue;
    const row = (id: number) => ({ id, status: "active", retentionBlocks: 3 });
    this.rows = { vaultCount: overdue.length, vault: row };
    const { height } = decodeHeader(tip);
    this.tables = {
      tip: { get: () => tip },
      transaction: {
        cursor: () => {
          const cursor = { key: new Uint8Array(14), seek: (key: Uint8Array) => seek(key) };
          const seek = (key: Uint8Array): boolean => {
            cursor.key = key.slice();
            // The oldest block that is stored: beyond the newest three while there are steps to go.
            const id = key[3]!;
            cursor.key[9] = overdue[id]! > 0 ? height - 3 : height - 2;
            return true;
          };
          return cursor;
        },
      },
    };
  }
}
