/** Vaults and organizations are deleted: what is refused from then on, what goes, what stays, and what a restart finds. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { entityKey } from "@authledger/proof";
import type { LedgerError, Operation } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import type { Engine, VaultInfo } from "../../src/index.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  openNode,
  refusalOf,
  setEntity,
  settle,
  type TestNode,
  TestTime,
  transactionOf,
  tupleOf,
  writeAll,
  writeOne,
} from "../engine-support.js";
import { GateDisk } from "../gate-disk.js";
import { LightReader } from "../light-reader.js";

const ACTOR = "user:ada";

interface Place {
  readonly organization: bigint;
  readonly slug: bigint;
  readonly id: number;
}

async function newOrganization({ engine }: TestNode): Promise<bigint> {
  const made = await engine.call("create_organization", { name: "acme", actor: ACTOR });
  return made.organization.slug;
}

async function newVault({ engine }: TestNode, organization: bigint): Promise<Place> {
  const request = { organization, name: "v", actor: ACTOR };
  const { slug } = (await engine.call("create_vault", request)).vault;
  const { vault: id } = await engine.call("resolve_vault", { organization, vault: slug });
  return { organization, slug, id };
}

async function remove(engine: Engine, { organization, slug: vault }: Place): Promise<VaultInfo> {
  return (await engine.call("delete_vault", { organization, vault, actor: ACTOR })).vault;
}

async function statusOf(engine: Engine, { organization, slug: vault }: Place): Promise<string> {
  return (await engine.call("get_vault", { organization, vault })).vault.status;
}

async function swept({ engine }: TestNode): Promise<void> {
  for (let turn = 0; engine.stats().deleter.vaults > 0; turn++) {
    if (turn > 2_000) throw new Error("rows are left");
    await settle(2);
  }
  await settle(10);
}

async function fill(engine: Engine, id: number, tuples: number, expiresAtMs = 0): Promise<void> {
  const operations = Array.from(
    { length: tuples },
    (_, i): Operation => ({ op: "create_tuple", tuple: tupleOf(`doc:${i}`), expiresAtMs }),
  );
  for (let from = 0; from < tuples; from += 1_000) {
    applied(await writeOne(engine, id, operations.slice(from, from + 1_000), { clientId: "app" }));
  }
}

describe("a deleted vault", () => {
  test("is closed from the answer on: every call about it is refused with VAULT_DELETED, also by an id that was kept (INV-LIFE-1)", async () => {
    const node = await openNode();
    const { engine } = node;
    const place = await newVault(node, await newOrganization(node));
    const vault = place.id;
    applied(await writeOne(engine, vault, [createTuple("doc:a"), setEntity("k", "v")]));
    expect(await remove(engine, place)).toMatchObject({ status: "deleting", height: 1 });
    const about = { vault, consistency: LINEARIZABLE };
    const prove = { trustedSize: 1, configHash: new Uint8Array(0) };
    const { organization, slug } = place;
    for (const refused of [
      engine.call("check", { ...about, tuples: [tupleOf("doc:a")] }),
      engine.call("check", { ...about, tuples: [tupleOf("doc:a")], prove }),
      engine.call("read_entities", { ...about, keys: ["k"] }),
      engine.call("list_tuples", { ...about, limit: 9 }),
      engine.call("list_entities", { ...about, prefix: "", includeExpired: true, limit: 9 }),
      engine.call("list_resources", { ...about, type: "doc", limit: 9 }),
      engine.call("get_client_state", { ...about, clientId: "app" }),
      engine.call("get_tip", about),
      engine.call("get_block", { ...about, height: 1, transactions: true }),
      engine.call("get_checkpoint", { ...about, trustedSize: 0 }),
      engine.call("get_consistency_proof", { vault, fromSize: 1, toSize: 2 }),
      engine.call("get_trust_anchor", { vault }),
      engine.call("resolve_vault", { organization, vault: slug }),
      writeAll(engine, vault, [transactionOf([createTuple("doc:b")])]),
    ]) {
      expect((await rejectedBy(refused)).code).toBe("VAULT_DELETED");
    }
    await swept(node);
    const gone = await rejectedBy(engine.call("get_tip", about));
    expect([gone.code, gone.details["status"]]).toEqual(["VAULT_DELETED", "deleted"]);
    expect(await statusOf(engine, place)).toBe("deleted");
    expect(node.fatal).toEqual([]);
  });

  test("leaves its status and last height to those who name it, and is in no list", async () => {
    const node = await openNode();
    const { engine } = node;
    const organization = await newOrganization(node);
    const [place, other] = [await newVault(node, organization), await newVault(node, organization)];
    await fill(engine, place.id, 3);
    await remove(engine, place);
    const listed = async (): Promise<bigint[]> =>
      (await engine.call("list_vaults", { organization, limit: 9 })).vaults.map(({ slug }) => slug);
    expect(await listed()).toEqual([other.slug]);
    await swept(node);
    expect(await listed()).toEqual([other.slug]);
    // Deleting it again is no error, and says what there is to say.
    expect(await remove(engine, place)).toMatchObject({ status: "deleted", height: 1 });
    expect(await engine.call("get_node_info", {})).toMatchObject({ organizations: 1, vaults: 1 });
    const next = await newVault(node, organization);
    expect([next.slug > other.slug, next.id > other.id]).toEqual([true, true]);
    const unknown = { organization, vault: 99n, actor: ACTOR };
    expect((await rejectedBy(engine.call("delete_vault", unknown))).code).toBe("VAULT_NOT_FOUND");
  });

  test("is recorded with its last head in the system vault, provably", async () => {
    const node = await openNode();
    const { engine, time } = node;
    const place = await newVault(node, await newOrganization(node));
    const tip = await engine.call("get_tip", { vault: place.id, consistency: LINEARIZABLE });
    await remove(engine, place);
    await swept(node);
    const reader = await LightReader.of(engine, 0);
    const key = `vault:${place.organization}:${place.slug}`;
    const about = { vault: 0, consistency: LINEARIZABLE, prove: reader.prove };
    const { entities, proof } = await engine.call("read_entities", { ...about, keys: [key] });
    const said = JSON.parse(new TextDecoder().decode(entities[0]!.value)) as Record<
      string,
      unknown
    >;
    const hash = Buffer.from(tip.blockHash).toString("hex");
    expect(said).toMatchObject({ status: "deleted", last_height: 0, last_block_hash: hash });
    const [answer] = reader.ask(proof!, [{ kind: "get", key: entityKey(key) }], time.wallMs);
    expect(answer!.kind).toBe("present");
  });

  test("goes row by row in portions beside the writes of others, and its pages become free", async () => {
    const node = await openNode(new MemoryDisk(), { cacheBytes: 1 << 24 });
    const { engine, time } = node;
    const organization = await newOrganization(node);
    const [place, other] = [await newVault(node, organization), await newVault(node, organization)];
    await fill(engine, place.id, 4_500, time.wallMs + 3_600_000);
    time.advance(31_000);
    await settle(60);
    const { filePages, freePages } = engine.stats().store;
    expect(engine.stats().expiry.records).toBe(4_500);
    await remove(engine, place);
    applied(await writeOne(engine, other.id, [createTuple("doc:beside")]));
    expect(engine.stats().deleter.vaults).toBe(1);
    await swept(node);
    expect(engine.stats().expiry.records).toBe(0);
    expect(engine.stats().deleter.rows).toBeGreaterThan(9_000);
    // Pages are free once no slot reaches them: two generations later.
    for (let i = 0; i < 3; i++) {
      applied(await writeOne(engine, other.id, [createTuple(`doc:${i}`)]));
      time.advance(31_000);
      await settle(60);
    }
    const after = engine.stats().store;
    expect(after.freePages - freePages).toBeGreaterThan(filePages / 2);
    expect(node.fatal).toEqual([]);
  }, 30_000);

  test("that was being removed when power was lost is removed by the next start", async () => {
    const disk = new MemoryDisk();
    const time = new TestTime();
    const node = await openNode(disk, { time, cacheBytes: 1 << 24 });
    const place = await newVault(node, await newOrganization(node));
    await fill(node.engine, place.id, 3_000);
    await remove(node.engine, place);
    const again = await openNode(disk.crash(new SeededRandom(5)), { time, cacheBytes: 1 << 24 });
    expect(await statusOf(again.engine, place)).toMatch(/^delet/);
    await swept(again);
    expect(await statusOf(again.engine, place)).toBe("deleted");
    expect([node.fatal, again.fatal]).toEqual([[], []]);
    await again.engine.close();
  }, 30_000);

  test("refuses the write that was on its way behind the deletion, and answers the one before it", async () => {
    const disk = new GateDisk();
    const node = await openNode(disk);
    const { engine } = node;
    const place = await newVault(node, await newOrganization(node));
    disk.shut();
    const before = writeOne(engine, place.id, [createTuple("doc:before")]);
    await settle();
    const deletion = remove(engine, place);
    const behind = writeOne(engine, place.id, [createTuple("doc:behind")]);
    await settle();
    disk.release();
    expect(applied(await before).height).toBe(1);
    expect(await deletion).toMatchObject({ status: "deleting", height: 1 });
    const refused = await behind.catch((error: LedgerError) => error.code);
    expect(typeof refused === "string" ? refused : refusalOf(refused)).toBe("VAULT_DELETED");
    await swept(node);
    expect(node.fatal).toEqual([]);
  });

  test("gets no signature any more, and nothing of its expiries is proposed", async () => {
    const node = await openNode();
    const { engine, time } = node;
    const place = await newVault(node, await newOrganization(node));
    await fill(engine, place.id, 5, time.wallMs + 1_000);
    await remove(engine, place);
    for (let i = 0; i < 5; i++) {
      time.advance(1_000);
      await settle(10);
    }
    await swept(node);
    expect(engine.stats().expiry).toMatchObject({ records: 0, expired: 0, lagMs: 0 });
    expect(node.fatal).toEqual([]);
  });
});

describe("an organization", () => {
  test("is not deleted while it has vaults, and the error says what to do (L-138)", async () => {
    const node = await openNode();
    const { engine } = node;
    const organization = await newOrganization(node);
    const place = await newVault(node, organization);
    const request = { organization, actor: ACTOR };
    const refused = await rejectedBy(engine.call("delete_organization", request));
    expect(refused).toMatchObject({ code: "ORGANIZATION_NOT_EMPTY", details: { vaults: 1 } });
    expect(refused.row.action).toMatch(/Delete its vaults first/);
    await remove(engine, place);
    const gone = await engine.call("delete_organization", request);
    expect(gone.organization.status).toMatch(/^delet/);
    await swept(node);
    const { organization: info } = await engine.call("get_organization", { organization });
    expect(info.status).toBe("deleted");
    expect((await engine.call("list_organizations", { limit: 9 })).organizations).toEqual([]);
    // Again: no error.
    expect((await engine.call("delete_organization", request)).organization.status).toBe("deleted");
  });

  test("that is deleted takes no new vault, and its slug is not given again", async () => {
    const node = await openNode();
    const { engine } = node;
    const organization = await newOrganization(node);
    const { organization: info } = await engine.call("delete_organization", {
      organization,
      actor: ACTOR,
    });
    expect(info.status).toBe("deleted");
    const request = { organization, name: "v", actor: ACTOR };
    const refused = await rejectedBy(engine.call("create_vault", request));
    expect(refused.code).toBe("ORGANIZATION_NOT_ACTIVE");
    expect((await newOrganization(node)) > organization).toBe(true);
    const unknown = engine.call("delete_organization", { organization: 99n, actor: ACTOR });
    expect((await rejectedBy(unknown)).code).toBe("ORGANIZATION_NOT_FOUND");
  });
});
