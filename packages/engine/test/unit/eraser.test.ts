/** An erasure between reads and proofs of a light client: others stay valid, and what is gone says so. */
import { encodeTupleCondition } from "@authledger/authz";
import {
  checkValue,
  decodeHeader,
  entityKey,
  Kind,
  leafHash,
  tupleKey,
  verifyBlock,
  verifyInclusion,
} from "@authledger/proof";
import { type Consistency, concatBytes, type Height, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { TestCluster } from "../cluster-support.js";
import {
  applied,
  clientDeps,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  setEntity,
  transactionOf,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const { hasher } = clientDeps;
const NONE = new Uint8Array(0);
const SECRET = "a secret that goes";

function atHeight(height: number): Consistency {
  return { kind: "at_height", height: height as Height };
}

function erasing(vault: number, target: { readonly key: string }) {
  return { vault, target, keepCurrent: false, actor: "user:officer", reason: "request 11" };
}

/** A secret at block 2, beside another value; blocks before and after; then the secret is erased. */
async function history() {
  const node = await openNode();
  const { engine } = node;
  const vault = await newVault(engine);
  const reader = await LightReader.of(engine, vault);
  await writeOne(engine, vault, [setEntity("other", "1"), createTuple("doc:1")]);
  const written = await engine.call("write", {
    vault,
    transactions: [
      transactionOf([setEntity("person", SECRET)]),
      transactionOf([setEntity("other", "2")]),
    ],
    actor: "user:ada",
    prove: true,
  });
  await writeOne(engine, vault, [setEntity("other", "3")]);
  const kept = await engine.call("read_entities", {
    vault,
    consistency: LINEARIZABLE,
    keys: ["person"],
    prove: reader.prove,
  });
  const done = await engine.call("erase", erasing(vault, { key: "person" }));
  expect([done.erased, done.deleted]).toEqual([1, true]);
  const tip = done.at.height;
  return { ...node, vault, reader, written, kept, tip };
}

describe("after an erasure (INV-ERASE-1)", () => {
  test("values and absences of other keys are proven at every height, before and after", async () => {
    const { engine, vault, reader, time, tip } = await history();
    for (const [height, text] of ["1", "2", "3", "3"].entries()) {
      const at = height + 1;
      const read = await engine.call("read_entities", {
        vault,
        consistency: atHeight(at),
        keys: ["other", "nobody"],
        prove: reader.prove,
      });
      const [other, nobody] = reader.ask(
        read.proof!,
        [
          { kind: "get", key: entityKey("other") },
          { kind: "get", key: entityKey("nobody") },
        ],
        time.wallMs,
        { height: BigInt(at) },
      );
      if (other?.kind !== "present") throw new Error("the other value is not proven");
      const { nonce, value } = read.entities[0]!;
      expect(checkValue(hasher, other.record, concatBytes(nonce, value))).toEqual(utf8(text));
      expect(nobody!.kind).toBe("absent");
    }
    expect(tip).toBe(4);
  });

  test("the record of what was erased is proven, and an answer that was taken before verifies", async () => {
    const { engine, vault, reader, time, kept } = await history();
    const query = { kind: "get", key: entityKey("person") } as const;
    const [before] = reader.ask(kept.proof!, [query], time.wallMs, { height: 3n });
    if (before?.kind !== "present") throw new Error("the answer that was taken is not proven");
    const { nonce, value } = kept.entities[0]!;
    expect(checkValue(hasher, before.record, concatBytes(nonce, value))).toEqual(utf8(SECRET));
    const [gone] = (
      await engine.call("read_entities", { vault, consistency: atHeight(2), keys: ["person"] })
    ).entities;
    expect([gone!.value, gone!.nonce, gone!.version]).toEqual([NONE, NONE, 2]);
    expect(gone!.erasedAtMs).toBeGreaterThan(0);
  });

  test("a proven read of it is a proof of the record: its digest is the one that it had (INV-ERASE-3)", async () => {
    const { engine, vault, reader, time, kept } = await history();
    const keys = ["person", "other", "nobody"];
    const queries = keys.map((key) => ({ kind: "get", key: entityKey(key) }) as const);
    const [before] = reader.ask(kept.proof!, queries.slice(0, 1), time.wallMs, { height: 3n });
    for (const height of [2, 3]) {
      const read = await engine.call("read_entities", {
        vault,
        consistency: atHeight(height),
        keys,
        prove: reader.prove,
      });
      expect(read.entities.map((entity) => entity?.erasedAtMs !== undefined)).toEqual([
        true,
        false,
        false,
      ]);
      const shown = reader.ask(read.proof!, queries, time.wallMs, { height: BigInt(height) });
      expect(shown.map(({ kind }) => kind)).toEqual(["present", "present", "absent"]);
      expect(shown[0]).toEqual(before);
    }
    const now = await engine.call("read_entities", {
      vault,
      consistency: LINEARIZABLE,
      keys,
      prove: reader.prove,
    });
    expect(now.entities[0]).toBeUndefined();
  });

  test("the transactions that wrote it are shown to be in their block, which executes from its proof", async () => {
    const { engine, vault, reader, written, tip } = await history();
    const { origin, salt } = reader.trust;
    for (const outcome of written.outcomes) {
      const { header, transaction, index, path } = applied(outcome).inclusion!;
      const { transactionRoot: root, transactionCount } = decodeHeader(header);
      const claim = { leafHash: leafHash(hasher, transaction), root, proof: path };
      const at = { index: BigInt(index), size: BigInt(transactionCount) };
      expect(verifyInclusion(hasher, { ...claim, ...at })).toBe(true);
      const block = await engine.call("get_block", {
        vault,
        consistency: LINEARIZABLE,
        height: 2,
        transactions: true,
      });
      expect([block.header, block.transactions[index]]).toEqual([header, transaction]);
    }
    for (let height = 1; height <= tip; height++) {
      const shown = await engine.call("get_block_proof", { vault, height });
      const { header, transactions, witness, previousHeader } = shown;
      const previous = previousHeader;
      verifyBlock(hasher, { origin, salt, header, previous, transactions, witness });
    }
  });

  test("changes are listed with their digests, and a list of the past has the entity without its value", async () => {
    const { engine, vault, tip } = await history();
    const all = { vault, filter: {}, limit: 100, end: tip + 1 };
    const from = { height: 1, index: 0, operation: 0 };
    const { changes } = await engine.call("list_changes", { ...all, from });
    const persons = changes.flatMap(({ change, target }) =>
      target.kind === "entity" && target.key === "person" ? [[change, target.value?.length]] : [],
    );
    expect(persons).toEqual([
      ["created", SECRET.length],
      ["deleted", undefined],
    ]);
    const { entities } = await engine.call("list_entities", {
      vault,
      consistency: atHeight(2),
      prefix: "",
      includeExpired: false,
      limit: 10,
    });
    const rows = entities.map(({ key, value, erasedAtMs }) => [
      key,
      value,
      erasedAtMs !== undefined,
    ]);
    expect(rows).toEqual([
      ["other", utf8("2"), false],
      ["person", NONE, true],
    ]);
  });
});

describe("a tuple whose condition was erased", () => {
  test("is listed as erased and never as one that counts always, and its page is proven (INV-ERASE-2)", async () => {
    const { engine, time } = await openNode();
    const vault = await newVault(engine);
    const reader = await LightReader.of(engine, vault);
    const value = encodeTupleCondition({ name: "in_house", context: { name: "Ann" } });
    const tuple = tupleOf("doc:1");
    const conditional = { op: "create_tuple", tuple, expiresAtMs: 0, value } as const;
    await writeOne(engine, vault, [conditional, createTuple("doc:1", "user:bob")]);
    await engine.call("erase", { ...erasing(vault, { key: "" }), target: { tuple } });
    const page = await engine.call("list_tuples", {
      vault,
      consistency: atHeight(1),
      resource: "doc:1",
      limit: 10,
      prove: reader.prove,
    });
    const rows = page.tuples.map((row) => [row.tuple.subject, row.condition, row.erased]);
    expect(rows.sort()).toEqual([
      ["user:ada", undefined, true],
      ["user:bob", undefined, undefined],
    ]);
    const list = { kind: Kind.tupleByResource, partition: "doc:1" } as const;
    const query = { kind: "list", list: { ...list, group: undefined } } as const;
    const [proven] = reader.ask(page.proof!, [query as never], time.wallMs, { height: 1n });
    if (proven?.kind !== "list") throw new Error("the page is not proven");
    // The proof says who has a condition, whatever the answer says.
    const conditions = proven.records.map(({ record }) => [record.key.item, !!record.value]);
    expect(conditions.sort()).toEqual([
      ["user:ada", true],
      ["user:bob", false],
    ]);
    const stored = await engine.call("check", {
      vault,
      consistency: atHeight(1),
      tuples: [tuple],
      prove: reader.prove,
    });
    const [one] = reader.ask(stored.proof!, [{ kind: "get", key: tupleKey(tuple) }], time.wallMs, {
      height: 1n,
    });
    expect(one!.kind).toBe("present");
  });
});

describe("three replicas", () => {
  test("erase the same, also one that was away and is given a snapshot (INV-ERASE-2)", async () => {
    const options = { flushPolicy: { entries: 20 }, logSegmentBytes: 64 * 1024 };
    const replicas = {
      ...{ logKeepEntries: 30, logKeepBytes: 1 << 20, logTailEntries: 5 },
      ...{ snapshotChunkBytes: 4_096, digestEvery: 1 },
    };
    const cluster = await TestCluster.of(3, options, { replicas });
    const leader = await cluster.leader();
    const vault = await cluster.until(newVault(leader.engine));
    const write = async (text: string, key = "person"): Promise<void> => {
      await cluster.until(writeOne(leader.engine, vault, [setEntity(key, text)]));
    };
    for (const text of [SECRET, "b", "c"]) await write(text);
    const away = cluster.members.find((member) => member !== leader)!;
    await cluster.run(500);
    cluster.crash(away);
    const erase = leader.engine.call("erase", erasing(vault, { key: "person" }));
    expect((await cluster.until(erase)).erased).toBe(3);
    for (let i = 0; i < 90; i++) await write(String(i), "other");
    const back = await cluster.restart(away);
    const applied = (): number => leader.engine.stats().appliedIndex;
    await cluster.eventually(() => back.engine.stats().appliedIndex >= applied());
    for (let i = 0; i < 5; i++) await write(String(i), "other");
    // Digests of every entry are compared each second; who finds that they differ raises an alarm.
    await cluster.run(3_000);
    for (const { engine } of cluster.alive) expect(engine.stats().appliedIndex).toBe(applied());
    for (const member of cluster.alive) {
      expect([member.alarms, member.fatal]).toEqual([[], []]);
      const read = { vault, consistency: atHeight(1), keys: ["person"] };
      const { entities } = await cluster.until(member.engine.call("read_entities", read));
      expect(entities[0]).toMatchObject({
        value: NONE,
        nonce: NONE,
        erasedAtMs: expect.any(Number),
      });
    }
    await cluster.close();
  });
});
