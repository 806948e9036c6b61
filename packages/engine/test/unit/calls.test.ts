/** Every call of the port on a fresh directory, with what is proven checked by the light client. */
import {
  blockHash,
  decodeHeader,
  entityKey,
  Kind,
  leafHash,
  type parseCheckpoint,
  type TrustState,
  tupleKey,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from "@authledger/proof";
import { type Consistency, height, logIndex, vaultId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import {
  applied,
  clientDeps,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  refusalOf,
  setEntity,
  type TestNode,
  transactionOf,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const { hasher } = clientDeps;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface Started extends TestNode {
  readonly vault: number;
  readonly reader: LightReader;
}

async function start(): Promise<Started> {
  const node = await openNode();
  const vault = await newVault(node.engine);
  return { ...node, vault, reader: await LightReader.of(node.engine, vault) };
}

describe("a fresh directory", () => {
  test("becomes a cluster with a system vault, named after its id unless told otherwise", async () => {
    const { engine } = await openNode();
    const info = await engine.call("get_node_info", {});
    expect(info).toMatchObject({ role: "leader", term: 1, organizations: 0, vaults: 0 });
    expect(info.clusterOrigin).toBe(`${info.clusterId.slice(0, 16)}.authledger.local`);
    expect(info.nodeId).toBe(engine.identity.nodeId);
    const named = await openNode(undefined, { clusterOrigin: "ledger.example" });
    expect(await named.engine.call("get_node_info", {})).toMatchObject({
      clusterOrigin: "ledger.example",
    });
  });

  test("is not touched for an origin that is none", async () => {
    const refused = await rejectedBy(openNode(undefined, { clusterOrigin: "no origin!" }));
    expect(refused.code).toBe("INVALID_ARGUMENT");
  });
});

describe("organizations and vaults", () => {
  test("are created, found and listed page by page; ids of the system are not listed", async () => {
    const { engine } = await openNode();
    const call = engine.call.bind(engine);
    const slugs: bigint[] = [];
    for (const name of ["a", "b", "c"]) {
      const { organization } = await call("create_organization", { name, actor: "x" });
      slugs.push(organization.slug);
      expect(await call("get_organization", { organization: organization.slug })).toEqual({
        organization,
      });
    }
    const first = await call("list_organizations", { limit: 2 });
    expect(first.organizations.map(({ name }) => name)).toEqual(["a", "b"]);
    const rest = await call("list_organizations", { limit: 2, after: first.next! });
    expect(rest.organizations.map(({ slug }) => slug)).toEqual([slugs[2]]);
    expect(rest.next).toBeUndefined();
    const [organization] = slugs as [bigint];
    const made = await call("create_vault", { organization, name: "v", actor: "x" });
    expect(made.vault).toMatchObject({ organization, name: "v", status: "active", height: 0 });
    expect(decodeHeader(made.genesisHeader).height).toBe(0);
    expect(await call("list_vaults", { organization, limit: 5 })).toEqual({ vaults: [made.vault] });
    const { vault } = await call("get_vault", { organization, vault: made.vault.slug });
    expect(vault).toEqual(made.vault);
  });

  test("that do not exist are refused by name", async () => {
    const { engine, vault } = await start();
    const { organizations } = await engine.call("list_organizations", { limit: 1 });
    const organization = organizations[0]!.slug;
    const codes = async (promise: Promise<unknown>): Promise<string> =>
      (await rejectedBy(promise)).code;
    for (const call of ["get_organization", "list_vaults"] as const) {
      const missing = engine.call(call, { organization: 99n, limit: 1 });
      expect(await codes(missing)).toBe("ORGANIZATION_NOT_FOUND");
    }
    // Slug 0 is the system's; nobody reaches it from outside.
    const system = engine.call("resolve_vault", { organization: 0n, vault: 0n });
    expect(await codes(system)).toBe("ORGANIZATION_NOT_FOUND");
    const inMissing = engine.call("create_vault", { organization: 99n, name: "v", actor: "" });
    expect(await codes(inMissing)).toBe("ORGANIZATION_NOT_FOUND");
    const missing = engine.call("get_vault", { organization, vault: 99n });
    expect(await codes(missing)).toBe("VAULT_NOT_FOUND");
    const none = vault + 1;
    expect(await codes(engine.call("get_trust_anchor", { vault: none }))).toBe("VAULT_NOT_FOUND");
    expect(await codes(writeOne(engine, none, []))).toBe("VAULT_NOT_FOUND");
    const read = engine.call("get_tip", { vault: none, consistency: LINEARIZABLE });
    expect(await codes(read)).toBe("VAULT_NOT_FOUND");
  });
});

describe("a write", () => {
  test("is answered with its block, its statuses and the proof that it is in the block", async () => {
    const { engine, vault, reader, time } = await start();
    const transactions = [1, 2, 3].map((i) => transactionOf([createTuple(`doc:${i}`)]));
    const request = { vault, transactions, actor: "user:ada", prove: true };
    const { outcomes, at } = await engine.call("write", request);
    const block = { vault, consistency: LINEARIZABLE, height: at.height, prove: reader.prove };
    const { proof, transactions: stored } = await engine.call("get_block", {
      ...block,
      transactions: true,
    });
    reader.verify(proof!, time.wallMs);
    for (const [i, outcome] of outcomes.entries()) {
      const { height: own, statuses, inclusion } = applied(outcome);
      expect([own, statuses]).toEqual([at.height, ["created"]]);
      const { header, transaction, index, path } = inclusion!;
      expect([index, header, transaction]).toEqual([i, proof!.header, stored[i]]);
      const { transactionRoot: root, transactionCount } = decodeHeader(header);
      const claim = { leafHash: leafHash(hasher, transaction), root, proof: path };
      const size = BigInt(transactionCount);
      expect(verifyInclusion(hasher, { ...claim, index: BigInt(index), size })).toBe(true);
    }
  });

  test("whose condition does not hold is refused whole, and its neighbours are not", async () => {
    const { engine, vault, reader, ...node } = await start();
    const both = [
      createTuple("doc:1"),
      { op: "tuple_must_exist", tuple: tupleOf("doc:9") },
    ] as const;
    const request = {
      vault,
      transactions: [transactionOf(both), transactionOf([createTuple("doc:2")])],
      actor: "a",
      prove: false,
    };
    const { outcomes } = await engine.call("write", request);
    expect(refusalOf(outcomes[0])).toBe("PRECONDITION_FAILED");
    applied(outcomes[1]);
    const asked = [tupleOf("doc:1"), tupleOf("doc:2")];
    expect(await reader.check({ engine, ...node }, asked)).toEqual([false, true]);
  });

  test("may compare with the value that is stored, also with that of the entry before", async () => {
    const { engine, vault } = await start();
    const swap = (from: string, to: string) => {
      const condition = { kind: "value_equals", value: new TextEncoder().encode(from) } as const;
      return transactionOf([{ ...setEntity("key", to), condition } as never]);
    };
    const transactions = [
      transactionOf([setEntity("key", "one")]),
      swap("one", "two"),
      swap("one", "three"),
      swap("two", "four"),
    ];
    const request = { vault, transactions, actor: "a", prove: false };
    const { outcomes } = await engine.call("write", request);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["applied", "applied", "refused", "applied"]);
    const read = { vault, consistency: LINEARIZABLE, keys: ["key"] };
    const { entities } = await engine.call("read_entities", read);
    expect(text(entities[0]!.value)).toBe("four");
  });
});

describe("a proven read", () => {
  test("shows what is there, what is not, and what changed, to a client that starts at the anchor", async () => {
    const { engine, vault, reader, ...node } = await start();
    await writeOne(engine, vault, [createTuple("doc:1")]);
    const asked = [tupleOf("doc:1"), tupleOf("doc:2")];
    expect(await reader.check({ engine, ...node }, asked)).toEqual([true, false]);
    await writeOne(engine, vault, [
      createTuple("doc:2"),
      { op: "delete_tuple", tuple: tupleOf("doc:1") },
    ]);
    expect(await reader.check({ engine, ...node }, asked)).toEqual([false, true]);
    expect(reader.trust.head.size).toBe(3n);
  });

  test("of nothing is a proof of the history alone", async () => {
    const { vault, reader, ...node } = await start();
    await reader.check(node, [tupleOf("doc:1")]);
    const ask = { vault, consistency: LINEARIZABLE, tuples: [], prove: reader.prove };
    const { allowed, proof } = await node.engine.call("check", ask);
    expect([allowed, proof!.stateProof]).toEqual([[], new Uint8Array(0)]);
    expect(reader.verify(proof!, node.time.wallMs).kind).toBe("current");
  });

  test("of entities carries values that the client can commit to", async () => {
    const { engine, vault, reader, time } = await start();
    await writeOne(engine, vault, [setEntity("user:ada", "hello")]);
    const keys = ["user:ada", "user:bob"];
    const request = { vault, consistency: LINEARIZABLE, keys, prove: reader.prove };
    const { entities, proof, at } = await engine.call("read_entities", request);
    expect(at.height).toBe(1);
    expect(text(entities[0]!.value)).toBe("hello");
    expect(entities[1]).toBeUndefined();
    const queries = keys.map((key) => ({ kind: "get", key: entityKey(key) }) as const);
    const [ada, bob] = reader.ask(proof!, queries, time.wallMs);
    expect(ada).toMatchObject({ kind: "present", record: { version: 1n } });
    expect(bob).toEqual({ kind: "absent", expired: false });
  });

  test("of a list shows that it is complete, by resource and by subject, page by page", async () => {
    const { engine, vault, reader, time } = await start();
    const operations = Array.from({ length: 9 }, (_, i) => createTuple("doc:1", `user:u${i}`));
    await writeOne(engine, vault, [...operations, createTuple("doc:2", "user:u1")]);
    const ask = { vault, consistency: LINEARIZABLE, limit: 4 };
    const found: string[] = [];
    let after: Uint8Array | undefined;
    do {
      const page = { ...ask, resource: "doc:1", prove: reader.prove, ...(after && { after }) };
      const { tuples, proof, next } = await engine.call("list_tuples", page);
      // What a page covers is said by paths; what a list goes on with is the engine's own.
      const [from, to] = [proof!.pageFrom, proof!.pageTo].map((path) =>
        path.length === 0 ? undefined : path,
      );
      expect([from === undefined, to === undefined]).toEqual([
        after === undefined,
        next === undefined,
      ]);
      const list = { kind: Kind.tupleByResource, partition: "doc:1", from, to };
      const [proven] = reader.ask(proof!, [{ kind: "list", list }], time.wallMs);
      expect(proven).toMatchObject({ kind: "list", records: { length: tuples.length } });
      found.push(...tuples.map(({ tuple }) => tuple.subject));
      after = next;
    } while (after !== undefined);
    expect(found.sort()).toEqual(Array.from({ length: 9 }, (_, i) => `user:u${i}`));
    const bySubject = { ...ask, subject: "user:u1", prove: reader.prove };
    const { tuples, proof } = await engine.call("list_tuples", bySubject);
    expect(tuples.map(({ tuple }) => tuple.resource).sort()).toEqual(["doc:1", "doc:2"]);
    const list = { kind: Kind.tupleBySubject, partition: "user:u1" };
    const [proven] = reader.ask(proof!, [{ kind: "list", list }], time.wallMs);
    expect(proven).toMatchObject({ kind: "list", records: { length: 2 } });
  });

  test("of a list needs a resource or a subject; of a whole tuple it is a get", async () => {
    const { engine, vault, reader, time } = await start();
    await writeOne(engine, vault, [createTuple("doc:1")]);
    const ask = { vault, consistency: LINEARIZABLE, limit: 4, prove: reader.prove };
    const all = await rejectedBy(engine.call("list_tuples", ask));
    expect(all.code).toBe("INVALID_ARGUMENT");
    const { proof } = await engine.call("list_tuples", { ...ask, ...tupleOf("doc:1") });
    const query = { kind: "get", key: tupleKey(tupleOf("doc:1")) } as const;
    expect(reader.ask(proof!, [query], time.wallMs)[0]!.kind).toBe("present");
  });
});

describe("the history", () => {
  test("has a tip, blocks and proofs between any two sizes that fit the signed head", async () => {
    const { engine, vault, reader, time } = await start();
    for (let i = 1; i <= 5; i++) await writeOne(engine, vault, [createTuple(`doc:${i}`)]);
    const tip = await engine.call("get_tip", { vault, consistency: LINEARIZABLE });
    expect(blockHash(hasher, tip.header)).toEqual(tip.blockHash);
    expect(decodeHeader(tip.header).height).toBe(5);
    const head = await engine.call("get_checkpoint", {
      vault,
      consistency: LINEARIZABLE,
      trustedSize: 1,
    });
    const { origin, policy } = reader.trust;
    const checkpoint = verifyCheckpoint(head.checkpoint, origin, policy, clientDeps);
    expect(checkpoint.size).toBe(6n);
    expect(linked(reader.trust, checkpoint, head.consistencyProof)).toBe(true);
    const sizes = { vault, fromSize: 1, toSize: 6 };
    const { proof } = await engine.call("get_consistency_proof", sizes);
    expect(proof).toEqual(head.consistencyProof);
    const block = { vault, consistency: LINEARIZABLE, height: 3, transactions: false };
    const third = await engine.call("get_block", { ...block, prove: reader.prove });
    expect(reader.verify(third.proof!, time.wallMs, "any").height).toBe(3);
    expect(third.transactions).toEqual([]);
  });

  test("has no block or size beyond its end", async () => {
    const { engine, vault } = await start();
    const block = { vault, consistency: LINEARIZABLE, height: 1, transactions: false };
    const missing = await rejectedBy(engine.call("get_block", block));
    expect([missing.code, missing.details]).toEqual(["BLOCK_NOT_FOUND", { height: 1, newest: 0 }]);
    for (const [fromSize, toSize] of [
      [0, 2],
      [1, 0],
    ] as const) {
      const refused = engine.call("get_consistency_proof", { vault, fromSize, toSize });
      expect((await rejectedBy(refused)).code).toBe("INVALID_ARGUMENT");
    }
  });

  test("is read at least as far as a token says, or not at all", async () => {
    const { engine, vault } = await start();
    const request = { vault, transactions: [transactionOf([createTuple("doc:1")])], actor: "a" };
    const { at } = await engine.call("write", { ...request, prove: false });
    const tip = (of: number, up: number, index: number): Promise<unknown> => {
      const point = { vault: vaultId(of), height: height(up), index: logIndex(index) };
      const consistency: Consistency = { kind: "at_least", point };
      return engine.call("get_tip", { vault, consistency });
    };
    expect(await tip(vault, at.height, at.index)).toMatchObject({ at });
    const codes = [tip(vault, at.height + 1, at.index), tip(vault, at.height, at.index + 1)];
    for (const refused of codes) expect((await rejectedBy(refused)).code).toBe("STALE_REPLICA");
    expect((await rejectedBy(tip(0, 0, 1))).code).toBe("TOKEN_OTHER_VAULT");
  });

  test("goes on where a tuple expires: absent for readers from its time on", async () => {
    const { engine, vault, reader, time, fatal } = await start();
    const expiresAtMs = time.wallMs + 5_000;
    await writeOne(engine, vault, [{ op: "create_tuple", tuple: tupleOf("doc:1"), expiresAtMs }]);
    const node = { engine, time, fatal };
    expect(await reader.check(node, [tupleOf("doc:1")])).toEqual([true]);
    time.advance(4_999);
    expect(await reader.check(node, [tupleOf("doc:1")])).toEqual([true]);
    time.advance(1_001);
    expect(await reader.check(node, [tupleOf("doc:1")])).toEqual([false]);
  });
});

function linked(
  { head }: TrustState,
  checkpoint: ReturnType<typeof parseCheckpoint>,
  proof: readonly Uint8Array[],
): boolean {
  return verifyConsistency(hasher, {
    fromSize: head.size,
    fromRoot: head.root,
    toSize: checkpoint.size,
    toRoot: checkpoint.root,
    proof,
  });
}
