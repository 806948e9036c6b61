/** An auditor beside real nodes: honest ones pass, whatever they were given to do; what was forged is caught and named. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import {
  BuiltTrie,
  decodeHeader,
  decodeRecord,
  encodeHeader,
  Kind,
  leafHash,
  treeRoot,
  verifyBlock,
} from "@authledger/proof";
import { type BlockProof, nodeCrypto, type WriteOperation } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { temporaryDirectory, testRandom, testRounds } from "../../../../test/support.js";
import { type AuditHead, formatAuditHead, parseAuditHead } from "../../src/audit/audit-head.js";
import { Auditor, type AuditorDeps } from "../../src/audit/auditor.js";
import { Contradiction } from "../../src/audit/contradiction.js";
import { clientOf, create, open, type Scene, start, write } from "./audit-scene.js";

async function restart(scene: Scene): Promise<void> {
  await scene.node.close();
  scene.node = await open(scene.data);
  scene.client = clientOf(scene.node, scene.tenant);
}

function auditor(
  { anchor, client }: Pick<Scene, "anchor" | "client">,
  saved?: AuditHead,
  forge: Partial<AuditorDeps["client"]> = {},
): Auditor {
  const honest: AuditorDeps["client"] = {
    getCheckpoint: (options) => client.getCheckpoint(options),
    getConsistencyProof: (sizes, options) => client.getConsistencyProof(sizes, options),
    getBlockProof: (height, options) => client.getBlockProof(height, options),
    getPolicyBundles: (options) => client.getPolicyBundles(options),
  };
  return new Auditor(anchor, saved, {
    ...{ client: { ...honest, ...forge }, crypto: nodeCrypto, call: {}, nowMs: Date.now },
    sleep: () => Promise.resolve(),
  });
}

/** Runs to the newest signed head; the last state that it gave out. */
async function run(one: Auditor): Promise<AuditHead> {
  let last: AuditHead | undefined;
  for await (const state of one.catchUp()) last = parseAuditHead(formatAuditHead(state));
  return last!;
}

async function foundBy(one: Auditor): Promise<Contradiction> {
  const error = await run(one).then(
    () => new Error("nothing was found"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof Contradiction) return error;
  throw error;
}

/** Some random transaction; conditions that do not hold are as welcome. */
function randomOperations(pick: (count: number) => number): WriteOperation[] {
  return Array.from({ length: 1 + pick(6) }, (): WriteOperation => {
    const tuple = {
      resource: `doc:${pick(20)}`,
      relation: ["viewer", "owner"][pick(2)]!,
      subject: `user:${pick(10)}`,
    };
    const key = `k:${pick(10)}`;
    const soon = Date.now() + 50 + pick(400);
    const expiresAtMs = pick(3) === 0 ? soon : 0;
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
        return { op: "create_tuple", tuple, expiresAtMs };
      case 3:
        return { op: "delete_tuple", tuple };
      case 4:
        return {
          op: "set_entity",
          key,
          value: new Uint8Array([pick(4)]),
          expiresAtMs,
          condition: { kind: "none" },
        };
      case 5:
        return { op: "delete_entity", key, condition: { kind: "none" } };
      case 6:
        return {
          op: "set_entity",
          key,
          value: new Uint8Array(9),
          expiresAtMs: 0,
          condition: [
            { kind: "must_not_exist" },
            { kind: "must_exist" },
            { kind: "value_equals", value: new Uint8Array([pick(4)]) },
          ][pick(3)] as never,
        };
      default:
        return { op: ["tuple_must_exist", "tuple_must_not_exist"][pick(2)] as never, tuple };
    }
  });
}

// INV-AUDIT-1, INV-AUDIT-2, INV-AUDIT-3
describe("an honest node", () => {
  it("passes over random blocks of all operations, restarts between, and an auditor that begins again", async () => {
    const scene = await start();
    const random = testRandom("auditor");
    const choose = (count: number): number => random.bytes(1)[0]! % count;
    let saved: AuditHead | undefined;
    const refused = new Set<string>();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < testRounds(50); i++) {
        await scene.client.write(randomOperations(choose)).catch((error: unknown) => {
          refused.add(LedgerError.from(error).code);
        });
      }
      // What expires is collected within a second.
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      const one = auditor(scene, saved);
      saved = await run(one);
      expect(one.executed).toBe(one.headSize);
      await restart(scene);
    }
    expect([...refused]).toEqual(["PRECONDITION_FAILED"]);
    // About a third of the random transactions fails its conditions, and makes no block.
    expect(saved!.position.size).toBeGreaterThan(50);
    const again = await run(auditor(scene));
    expect(again.position).toEqual(saved!.position);
  });

  it("passes over a history whose values were erased, from its beginning and from a place within", async () => {
    const scene = await start();
    const { client } = scene;
    const secret = (text: string): Promise<void> => {
      const value = new TextEncoder().encode(text);
      const condition = { kind: "none" } as const;
      return write(client, { op: "set_entity", key: "person", value, expiresAtMs: 0, condition });
    };
    await secret("a");
    await secret("b");
    const saved = await run(auditor(scene));
    await write(client, create(1));
    await secret("c");
    const erased = await client.erase({ entity: "person" }, { reason: "request 11" });
    expect([erased.erased, erased.deleted]).toEqual([3n, true]);
    await write(client, create(2));
    const later = await run(auditor(scene, saved));
    const whole = auditor(scene);
    expect((await run(whole)).position).toEqual(later.position);
    expect(whole.executed).toBe(7);
    await restart(scene);
    expect((await run(auditor(scene))).position).toEqual(later.position);
  });

  it("is given a place in memory that does not grow with its history", async () => {
    const scene = await start();
    for (let i = 0; i < 5; i++) await write(scene.client, create(i));
    const state = await run(auditor(scene));
    expect(formatAuditHead(state).length).toBeLessThan(8_192);
  });

  it("of another anchor is not the one that was audited before", async () => {
    const scene = await start();
    const state = await run(auditor(scene));
    const other = await start();
    expect(() => auditor(other, state)).toThrow(/another anchor/);
    const found = await foundBy(auditor({ anchor: other.anchor, client: scene.client }));
    expect(found.kind).toBe("checkpoint");
  });
});

/** Proofs of blocks in which one is changed. */
function changing(
  { client }: Scene,
  height: bigint,
  change: (proof: BlockProof) => BlockProof,
): Partial<AuditorDeps["client"]> {
  return {
    getBlockProof: async (asked, options) => {
      const proof = await client.getBlockProof(asked, options);
      return asked === height ? change(proof) : proof;
    },
  };
}

function withHeader(proof: BlockProof, change: object): BlockProof {
  return { ...proof, header: encodeHeader({ ...decodeHeader(proof.header), ...change }) };
}

describe("a node that lies about a block", () => {
  it.each<[string, string, (proof: BlockProof) => BlockProof]>([
    [
      "another operation than the one that was signed",
      "transactions",
      (proof) => ({ ...proof, transactions: [editedText(proof.transactions[0]!)] }),
    ],
    [
      "another operation under a header made for it, whose records the witness does not show",
      "block",
      (proof) => {
        const transactions = [editedText(proof.transactions[0]!)];
        const leaves = transactions.map((bytes) => leafHash(nodeCrypto.hasher, bytes));
        const transactionRoot = treeRoot(nodeCrypto.hasher, leaves);
        return withHeader({ ...proof, transactions }, { transactionRoot });
      },
    ],
    [
      "a state that its operations do not lead to",
      "state-root",
      (proof) => withHeader(proof, { stateRoot: new Uint8Array(32) }),
    ],
    ["another number of records", "leaf-count", (proof) => withHeader(proof, { leafCount: 99 })],
    [
      "another configuration",
      "config",
      (proof) => withHeader(proof, { configHash: new Uint8Array(32) }),
    ],
    ["another past", "chain", (proof) => withHeader(proof, { historyRoot: new Uint8Array(32) })],
    [
      "another block before it",
      "chain",
      (proof) => withHeader(proof, { previousHash: new Uint8Array(32) }),
    ],
    ["a time that goes back", "chain", (proof) => withHeader(proof, { timestampMs: 1 })],
    ["tuples in one direction", "chain", (proof) => withHeader(proof, { bothDirections: false })],
    ["another vault", "vault-ref", (proof) => withHeader(proof, { vaultRef: new Uint8Array(32) })],
    ["no transaction", "transactions", (proof) => ({ ...proof, transactions: [] })],
  ])("is caught with %s", async (_, reason, change) => {
    const scene = await start();
    for (let i = 0; i < 6; i++) await write(scene.client, create(i));
    const found = await foundBy(auditor(scene, undefined, changing(scene, 4n, change)));
    expect([found.kind, found.evidence.height, found.row.exit]).toEqual([
      "block",
      4,
      "VERIFICATION_FAILED",
    ]);
    expect(found.details["reason"]).toBe(reason);
    const evidence = JSON.parse(
      found.format({ origin: "o", anchor: scene.anchor, atMs: 1 }),
    ) as Record<string, unknown>;
    expect(evidence).toMatchObject({ kind: "block", reason, height: 4 });
  });

  it("is caught when it commits a tuple by its resource alone", async () => {
    const scene = await start();
    await write(scene.client, create(1));
    const { hasher } = nodeCrypto;
    const { origin, salt } = vaultOf(scene.anchor);
    const executed = async (height: bigint) => {
      const proof = await scene.client.getBlockProof(height);
      const { header, previousHeader: previous, transactions, witness } = proof;
      return verifyBlock(hasher, { origin, salt, header, previous, transactions, witness });
    };
    const changes = [...(await executed(0n)).changes, ...(await executed(1n)).changes];
    const records = changes.map(({ record }) => record!);
    const whole = BuiltTrie.fromRecords(hasher, salt, records);
    const isOneSided = (record: Uint8Array): boolean =>
      decodeRecord(record).key.kind !== Kind.tupleBySubject;
    const half = BuiltTrie.fromRecords(hasher, salt, records.filter(isOneSided));
    const forged = changing(scene, 1n, (proof) => {
      const { vaultRef, stateRoot } = decodeHeader(proof.header);
      expect(whole.root(vaultRef)).toEqual(stateRoot);
      return withHeader(proof, { stateRoot: half.root(vaultRef), leafCount: half.total });
    });
    const found = await foundBy(auditor(scene, undefined, forged));
    expect([found.kind, found.details["reason"]]).toEqual(["block", "state-root"]);
  });

  it("is caught when its blocks hold together, but are not those that it signed", async () => {
    const scene = await start();
    for (let i = 0; i < 6; i++) await write(scene.client, create(i));
    // Term and index of the last block are in no state: only the signed history tells.
    const forged = changing(scene, 6n, (proof) => withHeader(proof, { index: 12_345 }));
    const found = await foundBy(auditor(scene, undefined, forged));
    expect(found.kind).toBe("history");
    expect(found.evidence.received).toContain(vaultOf(scene.anchor).origin);
  });
});

/** A tuple of another name in the same length. */
function editedText(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  return new Uint8Array(Buffer.from(text.replace("user:ada", "user:eve"), "latin1"));
}

function vaultOf(anchor: string): { origin: string; salt: Uint8Array } {
  const { origin, salt } = JSON.parse(anchor) as { origin: string; salt: string };
  return { origin, salt: new Uint8Array(Buffer.from(salt, "hex")) };
}

describe("a node whose signed heads contradict each other", () => {
  /** An audited scene, and a copy of its data from before its last blocks. */
  async function audited(): Promise<{ scene: Scene; state: AuditHead; copy: string }> {
    const scene = await start();
    for (let i = 0; i < 4; i++) await write(scene.client, create(i));
    await scene.node.close();
    const copy = join(temporaryDirectory(), "copy");
    cpSync(scene.data, copy, { recursive: true });
    scene.node = await open(scene.data);
    scene.client = clientOf(scene.node, scene.tenant);
    await write(scene.client, create(10));
    await write(scene.client, create(11));
    const state = await run(auditor(scene));
    await scene.node.close();
    return { scene, state, copy };
  }

  async function onCopy({ scene, copy }: { scene: Scene; copy: string }): Promise<Scene> {
    const node = await open(copy);
    return { ...scene, node, client: clientOf(node, scene.tenant) };
  }

  it("is caught when it has lost what it signed", async () => {
    const before = await audited();
    const found = await foundBy(auditor(await onCopy(before), before.state));
    expect([found.kind, found.row.exit]).toEqual(["rollback", "VERIFICATION_FAILED"]);
    expect(found.evidence.trusted).toBe(before.state.head.note);
    expect(found.evidence.received).not.toBe("");
  });

  it("is caught with two signed roots of one size, and both notes are kept", async () => {
    const before = await audited();
    const forked = await onCopy(before);
    for (const i of [20, 21]) await write(forked.client, create(i));
    const found = await foundBy(auditor(forked, before.state));
    expect([found.kind, found.code, found.row.exit]).toEqual([
      "fork",
      "EQUIVOCATION",
      "VERIFICATION_FAILED",
    ]);
    const { trusted, received } = found.evidence;
    expect(trusted).toBe(before.state.head.note);
    expect(received.split("\n").slice(0, 2)).toEqual(trusted.split("\n").slice(0, 2));
    expect(received).not.toBe(trusted);
  });

  it("is caught with a longer history that does not continue the one before", async () => {
    const before = await audited();
    const forked = await onCopy(before);
    for (const i of [20, 21, 22]) await write(forked.client, create(i));
    expect((await foundBy(auditor(forked, before.state))).kind).toBe("consistency");
  });
});
