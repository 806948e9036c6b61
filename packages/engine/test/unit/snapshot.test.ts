/**
 * A snapshot of a running engine, and the node that is made of it: it answers as the old one did, goes on writing,
 * proves everything from a new anchor, and cannot contradict anything that the old one has signed.
 */
import { MemoryDisk } from "@authledger/io";
import { parseTrustAnchor } from "@authledger/proof";
import { height, logIndex, type ReadPoint, toHex, vaultId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { type AnswerPoint, type Engine, snapshotChunks } from "../../src/index.js";
import {
  applied,
  clientDeps,
  createTuple,
  DIRECTORY,
  LINEARIZABLE,
  newVault,
  openNode,
  setEntity,
  type TestNode,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";
import { restoreOnto, snapshotOf } from "../snapshot-support.js";

async function filledNode(disk = new MemoryDisk()): Promise<TestNode & { vault: number }> {
  const node = await openNode(disk);
  const vault = await newVault(node.engine);
  for (let i = 0; i < 20; i++) {
    const operations = [createTuple(`doc:d${i}`), setEntity(`e:${i}`, `value ${i}`)];
    applied(await writeOne(node.engine, vault, operations, { clientId: "c" }));
  }
  return { ...node, vault };
}

async function entityOf(engine: Engine, vault: number, key: string): Promise<string | undefined> {
  const request = { vault, keys: [key], consistency: LINEARIZABLE };
  const { entities } = await engine.call("read_entities", request);
  return entities[0] && new TextDecoder().decode(entities[0].value);
}

async function policyOf(engine: Engine, vault: number) {
  const { anchor } = await engine.call("get_trust_anchor", { vault });
  return parseTrustAnchor(clientDeps.hasher, anchor);
}

function pointOf(vault: number, at: AnswerPoint): ReadPoint {
  return { vault: vaultId(vault), height: height(at.height), index: logIndex(at.index) };
}

describe("a node made of a snapshot", () => {
  test("answers as the old one did, writes on, and proves it all from its new anchor (INV-RESTORE-2)", async () => {
    const old = await filledNode();
    const snapshot = await snapshotOf(old.engine);
    const before = await policyOf(old.engine, old.vault);
    const disk = new MemoryDisk();
    const vaults = await restoreOnto(disk, snapshot);
    const node = await openNode(disk, { seed: 7 });
    const { engine } = node;
    expect(await entityOf(engine, old.vault, "e:7")).toBe("value 7");
    const written = applied(
      await writeOne(engine, old.vault, [createTuple("doc:after")], { clientId: "c" }),
    );
    expect(written).toMatchObject({ height: 1, sequence: 21 });
    const reader = await LightReader.of(engine, old.vault);
    const tuples = [tupleOf("doc:3"), tupleOf("doc:d3"), tupleOf("doc:after")];
    expect(await reader.check(node, tuples)).toEqual([false, true, true]);
    const after = await policyOf(engine, old.vault);
    expect(after.origin).toBe(`${before.origin}/i1`);
    expect(after.salt).toEqual(before.salt);
    expect(toHex(after.genesis)).toBe(toHex(vaults.at(-1)!.genesis));
    const keys = [before, after].map(({ policy }) => toHex(policy.logKeys[0]!.publicKey));
    expect(keys[0]).not.toBe(keys[1]);
    await engine.close();
    // And again, from its own files.
    const again = await openNode(disk, { seed: 8 });
    expect(await reader.check(again, tuples)).toEqual([false, true, true]);
    await again.engine.close();
    await old.engine.close();
  });

  test("is no continuation for a client of the old one: its heads are of another log", async () => {
    const old = await filledNode();
    const client = await LightReader.of(old.engine, old.vault);
    expect(await client.check(old, [tupleOf("doc:d1")])).toEqual([true]);
    const disk = new MemoryDisk();
    await restoreOnto(disk, await snapshotOf(old.engine));
    const node = await openNode(disk, { seed: 7 });
    const error = await rejectedBy(client.check(node, [tupleOf("doc:d1")]));
    expect(error).toMatchObject({ code: "PROOF_INVALID", details: { reason: "note" } });
    await node.engine.close();
    await old.engine.close();
  });

  test("refuses tokens of before: what they name may be gone (INV-SNAP-7)", async () => {
    const old = await filledNode();
    const { at } = await old.engine.call("get_tip", {
      vault: old.vault,
      consistency: LINEARIZABLE,
    });
    const disk = new MemoryDisk();
    await restoreOnto(disk, await snapshotOf(old.engine));
    const { engine } = await openNode(disk, { seed: 7 });
    for (let i = 0; i < 25; i++) await writeOne(engine, old.vault, [createTuple(`doc:n${i}`)]);
    const point = pointOf(old.vault, at);
    const asked = { vault: old.vault, consistency: { kind: "at_least", point } } as const;
    expect((await rejectedBy(engine.call("get_tip", asked))).code).toBe("TOKEN_BEFORE_RESTORE");
    const own = (await engine.call("get_tip", { vault: old.vault, consistency: LINEARIZABLE })).at;
    const fresh = { kind: "at_least", point: pointOf(old.vault, own) } as const;
    await engine.call("get_tip", { vault: old.vault, consistency: fresh });
    await engine.close();
    await old.engine.close();
  });

  test("makes new organizations and vaults, and goes into another snapshot as the next incarnation", async () => {
    const old = await filledNode();
    const disk = new MemoryDisk();
    await restoreOnto(disk, await snapshotOf(old.engine));
    const first = await openNode(disk, { seed: 7 });
    const second = await newVault(first.engine);
    applied(await writeOne(first.engine, second, [createTuple("doc:new")]));
    const vaults = await restoreOnto(new MemoryDisk(), await snapshotOf(first.engine));
    expect(vaults.map(({ origin }) => /\/i\d+$/.exec(origin)![0])).toEqual(["/i2", "/i2", "/i2"]);
    await first.engine.close();
    await old.engine.close();
  });

  test("cannot be made in a directory that holds something", async () => {
    const disk = new MemoryDisk();
    const old = await filledNode(disk);
    const snapshot = await snapshotOf(old.engine);
    await old.engine.close();
    const error = await rejectedBy(restoreOnto(disk, snapshot));
    expect(error).toMatchObject({ code: "DATA_DIR_NOT_EMPTY", details: { directory: DIRECTORY } });
    const same = await openNode(disk);
    expect(await entityOf(same.engine, old.vault, "e:7")).toBe("value 7");
    await same.engine.close();
  });
});

describe("an export", () => {
  test("holds none of the node's keys (INV-SNAP-4)", async () => {
    const disk = new MemoryDisk();
    const { engine } = await filledNode(disk);
    const snapshot = Buffer.from(await snapshotOf(engine));
    await engine.close();
    for (const name of ["log.seed", "replica.seed", "page-token.key"]) {
      const file = await disk.open(`${DIRECTORY}/keys/${name}`);
      const key = new Uint8Array(32);
      expect(file.readSync(key, 0)).toBe(32);
      for (const text of [Buffer.from(key), toHex(key), Buffer.from(key).toString("base64")]) {
        expect(snapshot.includes(text)).toBe(false);
      }
    }
  });

  test("that is given up, that nobody takes, or that ends with the node gives its view up (INV-EXPORT-2)", async () => {
    const { engine, time } = await filledNode();
    for await (const part of snapshotChunks(engine)) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    expect(engine.stats().store.pins).toBe(0);
    const idle = await engine.call("export_begin", {});
    expect(engine.stats().store.pins).toBe(1);
    for (let i = 0; i < 61; i++) time.advance(1_000);
    expect(engine.stats().store.pins).toBe(0);
    expect((await rejectedBy(engine.call("export_next", idle))).code).toBe("EXPORT_ENDED");
    await engine.call("export_begin", {});
    await engine.close();
    expect(engine.stats().store.pins).toBe(0);
  });

  test("is refused while two run, and lets writes go on between its parts (INV-EXPORT-1)", async () => {
    const { engine, vault } = await filledNode();
    const first = await engine.call("export_begin", {});
    const second = await engine.call("export_begin", {});
    expect((await rejectedBy(engine.call("export_begin", {}))).code).toBe("PIN_LIMIT");
    const size = async (): Promise<number> => {
      const { at } = await engine.call("get_tip", { vault, consistency: LINEARIZABLE });
      return at.height;
    };
    const before = await size();
    applied(await writeOne(engine, vault, [createTuple("doc:meanwhile")]));
    expect(await size()).toBe(before + 1);
    for (const one of [first, second]) await engine.call("export_end", one);
    await engine.close();
  });
});
