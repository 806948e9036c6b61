/** What a client is told of erased values by a real node, and by one whose answers are changed on their way. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { common } from "@authledger/proto";
import type { RunningNode } from "@authledger/server";
import { concatBytes } from "@authledger/types";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import {
  atHeight,
  createClient,
  createTuple,
  type Interceptor,
  type LedgerClient,
  setEntity,
} from "../src/index.js";
import { startRealNode } from "./support/real-node.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const NONE = new Uint8Array(0);
const KEY = "person:7";
const SECRET = "ann of 12 harbour street";

let node: RunningNode;
let data: string;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "authledger-erased-"));
  node = await startRealNode({ data });
});

afterAll(async () => {
  await node.close();
  rmSync(data, { recursive: true, force: true });
});

interface Scene {
  /** Verifies; `lie` changes what it is sent of entities. */
  readonly client: LedgerClient;
  /** Believes what it is sent. */
  readonly plain: LedgerClient;
  /** Block in which the secret was set, beside another entity. */
  readonly height: bigint;
  lie: ((entity: common.Entity) => void) | undefined;
}

/** A secret beside another value, and a proof of it that was taken before anything is erased. */
async function scene(): Promise<Scene & { readonly digest: Uint8Array }> {
  const first = createClient({ endpoints: node.grpcAddress });
  const { slug: organization } = await first.admin.createOrganization("acme");
  const { slug: vault } = await first.admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const anchor = await first.admin.getTrustAnchor(tenant);
  first.close();
  const told: { lie: Scene["lie"] } = { lie: undefined };
  const liar: Interceptor = {
    unary: (next) => async (call) => {
      const response = await next(call);
      const { entity } = response as { entity?: common.Entity };
      if (entity !== undefined) told.lie?.(entity);
      return response;
    },
  };
  const to = { endpoints: node.grpcAddress, tenant };
  const client = createClient({ ...to, verify: { anchor }, interceptors: [liar] });
  const plain = createClient(to);
  onTestFinished(() => {
    client.close();
    plain.close();
  });
  const { height } = await client.write([
    setEntity(KEY, bytes(SECRET)),
    setEntity("person:8", bytes("bob")),
  ]);
  await client.write([setEntity(KEY, bytes("ann has moved"))]);
  const { entity, nonce } = await client.read(KEY, { consistency: atHeight(height) });
  expect(entity?.value).toEqual(bytes(SECRET));
  // commitment.md: H(0x18 || nonce16 || value).
  const input = concatBytes(Uint8Array.of(0x18), nonce!, bytes(SECRET));
  const digest = new Uint8Array(createHash("sha256").update(input).digest());
  return Object.assign(told, { client, plain, height, digest });
}

it("a proven read of an erased value is the record with the digest that it had (INV-ERASE-4)", async () => {
  const { client, plain, height, digest } = await scene();
  await client.erase({ entity: KEY }, { reason: "request 11" });
  const consistency = atHeight(height);
  const read = await client.read(KEY, { consistency });
  expect(read.entity).toEqual({
    ...{ key: KEY, value: NONE, version: height, expiresAtMs: 0n, erased: true },
    commitment: { length: SECRET.length, digest },
  });
  expect([read.height, read.nonce, read.verified?.kind]).toEqual([height, undefined, "historical"]);
  const { entities } = await client.batchRead([KEY, "person:8", "person:9"], { consistency });
  expect(entities.map((entity) => entity?.erased ?? entity?.value)).toEqual([
    true,
    bytes("bob"),
    undefined,
  ]);
  // The newest state has nothing that could be erased.
  expect((await client.read(KEY)).entity).toBeUndefined();
  // Proofs as bytes for somebody else to check have it, too.
  const raw = await plain.read(KEY, { consistency, prove: { trustedSize: 1n } });
  expect([raw.entity?.erased, raw.proof?.stateProof]).toEqual([true, read.proof?.stateProof]);
});

it("a server that lies of an erasure cannot show another record, nor hide a value of now (INV-ERASE-4)", async () => {
  const told = await scene();
  const { client, height, digest } = told;
  told.lie = (entity) => {
    Object.assign(entity, { erased: true, value: bytes("eve"), nonce: NONE, version: 99n });
    entity.expiresAtMs = 5n;
  };
  // It can withhold a value of the past, and that is all: what is said of it is from the proof.
  const { entity } = await client.read(KEY, { consistency: atHeight(height) });
  expect(entity).toMatchObject({ value: NONE, version: height, expiresAtMs: 0n, erased: true });
  expect(entity?.commitment?.digest).toEqual(digest);
  const hidden = await rejectedBy(client.read(KEY));
  expect(hidden.code).toBe("PROOF_INSUFFICIENT");
  // A value that was erased is not replaced by another.
  await client.erase({ entity: KEY });
  told.lie = (gone) => {
    Object.assign(gone, { erased: undefined, value: bytes(SECRET), nonce: new Uint8Array(16) });
  };
  const forged = await rejectedBy(client.read(KEY, { consistency: atHeight(height) }));
  expect(forged.code).toBe("PROOF_INVALID");
});

it("without a proof it is VALUE_ERASED, and costs no other call of the batch its answer", async () => {
  const { client, plain, height } = await scene();
  await client.erase({ entity: KEY });
  const consistency = atHeight(height);
  const alone = await rejectedBy(plain.read(KEY, { consistency }));
  expect([alone.code, alone.details["key"], alone.details["height"]]).toEqual([
    ...["VALUE_ERASED", KEY, Number(height)],
  ]);
  // Made in one tick, they travel as one BatchRead.
  const [gone, other] = await Promise.all([
    rejectedBy(plain.read(KEY, { consistency })),
    plain.read("person:8", { consistency }),
  ]);
  expect([gone.code, other.entity?.value]).toEqual(["VALUE_ERASED", bytes("bob")]);
  const { entities } = await plain.batchRead([KEY, "person:8"], { consistency });
  expect(entities.map((entity) => entity?.erased)).toEqual([true, undefined]);
});

it("a list with an erased condition is complete and proven, page by page, and the tuple is told as erased (INV-ERASE-4)", async () => {
  const { client } = await scene();
  const condition = { name: "in_house", context: { street: "12 harbour street" } };
  const tuples = ["a", "b", "c", "d"].map((id) => `doc:1#viewer@user:${id}`);
  const { height } = await client.write(
    tuples.map((tuple, i) => createTuple(tuple, i === 1 ? { condition } : {})),
  );
  await client.write([createTuple("doc:2#viewer@user:b")]);
  await client.erase({ tuple: tuples[1]! });
  for (const filter of [{ resource: "doc:1" }, { subject: "user:b" }]) {
    const asked = { consistency: atHeight(height), pageSize: 2 };
    const rows = await client.list(filter, asked).collect(10);
    const told = rows.map(({ tuple, erased, condition: had }) => [tuple.subject, erased, had]);
    const all = "resource" in filter ? ["a", "b", "c", "d"] : ["b"];
    expect(told.sort()).toEqual(
      all.map((id) => [`user:${id}`, id === "b" ? true : undefined, undefined]),
    );
  }
  const changes = await client.listChanges({}, { from: height }).collect(100);
  expect(changes.length).toBeGreaterThanOrEqual(5);
});
