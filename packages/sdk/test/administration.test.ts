/** Administration through a real node: suspension, usage, deletion by filter, erasure, runtime configuration. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningNode } from "@authledger/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import {
  atHeight,
  createClient,
  createTuple,
  type DeleteFilter,
  type LedgerClient,
  setEntity,
} from "../src/index.js";
import { startRealNode } from "./support/real-node.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const SYSTEM_TIP = { vault: 0, consistency: { kind: "linearizable" } } as const;

let node: RunningNode;
let data: string;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "authledger-admin-"));
  node = await startRealNode({ data });
});

afterAll(async () => {
  await node.close();
  rmSync(data, { recursive: true, force: true });
});

interface Scene {
  readonly client: LedgerClient;
  readonly organization: bigint;
  readonly vault: bigint;
}

async function scene(verify = false): Promise<Scene> {
  const first = createClient({ endpoints: node.grpcAddress });
  const { slug: organization } = await first.admin.createOrganization("acme");
  const { slug: vault } = await first.admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const anchor = await first.admin.getTrustAnchor(tenant);
  first.close();
  const options = { endpoints: node.grpcAddress, tenant, ...(verify && { verify: { anchor } }) };
  return { client: createClient(options), organization, vault };
}

describe("a suspended organization", () => {
  it("is neither read nor written until it is resumed, and loses nothing", async () => {
    const { client, organization } = await scene();
    await client.write([setEntity("k:1", bytes("one"))]);
    const reason = "invoice 7 is open";
    const suspended = await client.admin.suspendOrganization(organization, { reason });
    expect(suspended.status).toBe("suspended");
    expect((await client.admin.suspendOrganization(organization)).status).toBe("suspended");
    const calls: readonly Promise<unknown>[] = [
      client.write([setEntity("k:2", bytes("two"))]),
      client.read("k:1"),
      client.hasTuple("doc:1#viewer@user:a"),
      client.check("doc:1#viewer@user:a"),
      client.list({ resource: "doc:1" }).collect(1),
      client.getTip(),
      client.admin.createVault({ organization, name: "more" }),
    ];
    // All are waited for from the beginning: whichever ends first has somebody who listens.
    const errors = await Promise.all(calls.map((call) => rejectedBy(call)));
    for (const { code } of errors) expect(code).toBe("ORGANIZATION_SUSPENDED");
    expect((await client.admin.getUsage({ organization })).entities).toBe(1n);
    expect((await client.admin.resumeOrganization(organization)).status).toBe("active");
    expect((await client.read("k:1")).entity?.value).toEqual(bytes("one"));
    client.close();
  });

  it("that does not exist is not found", async () => {
    const { client } = await scene();
    const error = await rejectedBy(client.admin.suspendOrganization(12345n));
    expect(error.code).toBe("ORGANIZATION_NOT_FOUND");
    client.close();
  });
});

describe("a change of organizations and vaults", () => {
  it("is kept with its reason, in the transaction that makes it", async () => {
    const client = createClient({ endpoints: node.grpcAddress });
    const from = { height: (await node.engine.call("get_tip", SYSTEM_TIP)).at.height + 1 };
    const { admin } = client;
    const { slug: organization } = await admin.createOrganization("acme", { reason: "r 1" });
    const { slug: vault } = await admin.createVault({ organization, name: "v" }, { reason: "r 2" });
    const tenant = { organization, vault };
    await admin.updateVault(tenant, { name: "w" }, { reason: "r 3" });
    await admin.deleteVault(tenant, { reason: "r 4" });
    await expect
      .poll(async () => (await admin.getVault(tenant)).status, { timeout: 5_000 })
      .toBe("deleted");
    await admin.deleteOrganization(organization, { reason: "r 5" });
    const { changes } = await node.engine.call("list_changes", {
      vault: 0,
      from: { ...from, index: 0, operation: 0 },
      end: Number.MAX_SAFE_INTEGER,
      filter: {},
      limit: 100,
    });
    const own = changes.flatMap(({ target, reason }) =>
      target.kind === "entity" && /^(org|vault):/.test(target.key) ? [reason] : [],
    );
    // Who removed the rows of the vault was not asked to.
    expect(own.filter((reason) => reason !== "")).toEqual(["r 1", "r 2", "r 3", "r 4", "r 5"]);
    const tooLong = await rejectedBy(admin.createOrganization("b", { reason: "x".repeat(5_000) }));
    expect(tooLong.details["field"] ?? tooLong.details["name"]).toBe("reason");
    client.close();
  });
});

describe("usage", () => {
  it("counts what a vault and its organization hold", async () => {
    const { client, organization, vault } = await scene();
    const before = await client.admin.getUsage({ organization, vault });
    await client.write([
      setEntity("k:1", new Uint8Array(1_000)),
      createTuple("doc:1#viewer@user:a"),
      createTuple("doc:1#viewer@user:b"),
    ]);
    const after = await client.admin.getUsage({ organization, vault });
    expect([after.entities, after.tuples, after.blocks]).toEqual([1n, 2n, before.blocks + 1n]);
    expect(after.liveBytes - before.liveBytes).toBeGreaterThan(1_000n);
    const all = await client.admin.getUsage({ organization });
    expect([all.vaults, all.tuples, all.liveBytes]).toEqual([1n, 2n, after.liveBytes]);
    client.close();
  });
});

describe("deletion by filter", () => {
  const fill = async (client: LedgerClient, count: number): Promise<void> => {
    for (let from = 0; from < count; from += 1_000) {
      const size = Math.min(1_000, count - from);
      await client.write(
        Array.from({ length: size }, (_, i) =>
          createTuple(`${i % 2 === 0 ? "doc" : "folder"}:${from + i}#viewer@user:ann`),
        ),
      );
    }
  };

  it("deletes what matches in transactions of a thousand, and nothing else (INV-ADMIN-4)", async () => {
    const { client, organization, vault } = await scene();
    await fill(client, 2_500);
    const counted = await client.getTip();
    const dry: bigint[] = [];
    for await (const step of client.deleteByFilter({ resourceType: "doc" }, { dryRun: true })) {
      dry.push(step.matched);
    }
    expect(dry.at(-1)).toBe(1_250n);
    expect((await client.getTip()).height).toBe(counted.height);
    let calls = 0;
    let deleted = 0n;
    for await (const step of client.deleteByFilter({ resourceType: "doc" }, { reason: "moved" })) {
      deleted = step.deleted;
      calls++;
    }
    expect([deleted, calls > 1]).toEqual([1_250n, true]);
    expect((await client.admin.getUsage({ organization, vault })).tuples).toBe(1_250n);
    client.close();
  }, 30_000);

  it("goes on after it was broken off, with the filter alone", async () => {
    const { client, organization, vault } = await scene();
    await fill(client, 2_200);
    for await (const { deleted } of client.deleteByFilter({ subject: "user:ann" })) {
      expect(deleted).toBe(1_000n);
      break;
    }
    let left = 0n;
    for await (const { deleted } of client.deleteByFilter({ subject: "user:ann" })) left = deleted;
    expect(left).toBe(1_200n);
    expect((await client.admin.getUsage({ organization, vault })).tuples).toBe(0n);
    client.close();
  }, 30_000);

  it("deletes entities by the beginning of their keys", async () => {
    const { client } = await scene();
    await client.write(["a:1", "a:2", "b:1"].map((key) => setEntity(key, bytes(key))));
    let last = 0n;
    for await (const { deleted } of client.deleteByFilter({ entityPrefix: "a:" })) last = deleted;
    expect(last).toBe(2n);
    expect((await client.listEntities().collect(10)).map(({ key }) => key)).toEqual(["b:1"]);
    client.close();
  });

  it("of everything needs `all` (INV-ADMIN-5)", async () => {
    const { client } = await scene();
    await client.write([setEntity("a:1", bytes("x")), createTuple("doc:1#viewer@user:a")]);
    const filters: readonly DeleteFilter[] = [{}, { entityPrefix: "" }];
    for (const filter of filters) {
      const error = await rejectedBy(client.deleteByFilter(filter).next());
      expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "filter"]);
    }
    let last = 0n;
    for await (const { deleted } of client.deleteByFilter({}, { all: true })) last = deleted;
    expect(last).toBe(1n);
    client.close();
  });
});

describe("erasure", () => {
  it("takes the value of every version, and leaves what proofs need (INV-ERASE-1, INV-ERASE-2)", async () => {
    const { client } = await scene(true);
    const heights: bigint[] = [];
    for (const text of ["ann", "ann b", "ann c"]) {
      heights.push((await client.write([setEntity("person:7", bytes(text))])).height);
    }
    const other = await client.write([setEntity("person:8", bytes("bob"))]);
    const proven = await client.read("person:7", { consistency: atHeight(heights[1]!) });
    expect(proven.entity?.value).toEqual(bytes("ann b"));
    const headers = await Promise.all(heights.map((height) => client.getBlock(height)));
    const done = await client.erase({ entity: "person:7" }, { reason: "request 11" });
    expect([done.erased, done.deleted]).toEqual([3n, true]);
    expect((await client.read("person:7")).entity).toBeUndefined();
    for (const height of heights) {
      const { entity } = await client.read("person:7", { consistency: atHeight(height) });
      expect([entity?.value.length, entity?.version, entity?.erased]).toEqual([0, height, true]);
    }
    // Proofs of others at the same heights verify, blocks and their proofs are what they were.
    const past = await client.read("person:8", { consistency: atHeight(other.height) });
    expect(past.entity?.value).toEqual(bytes("bob"));
    for (const [i, height] of heights.entries()) {
      expect((await client.getBlock(height)).header).toEqual(headers[i]!.header);
      await client.getBlockProof(height);
    }
    const again = await client.erase({ entity: "person:7" });
    expect([again.erased, again.deleted]).toEqual([0n, false]);
    client.close();
  });

  it("shows in lists of the past that there was an entity, without its value", async () => {
    const { client } = await scene();
    const { height } = await client.write([
      setEntity("p:1", bytes("x")),
      setEntity("p:2", bytes("y")),
    ]);
    await client.erase({ entity: "p:1" });
    const rows = await client.listEntities("p:", { consistency: atHeight(height) }).collect(9);
    expect(rows.map(({ key, value }) => [key, value.length])).toEqual([
      ["p:1", 0],
      ["p:2", 1],
    ]);
    client.close();
  });

  it("may leave what is stored now", async () => {
    const { client } = await scene();
    const { height } = await client.write([setEntity("p:1", bytes("old"))]);
    await client.write([setEntity("p:1", bytes("new"))]);
    const done = await client.erase({ entity: "p:1" }, { keepCurrent: true });
    expect([done.erased, done.deleted]).toEqual([1n, false]);
    expect((await client.read("p:1")).entity?.value).toEqual(bytes("new"));
    const error = await rejectedBy(client.read("p:1", { consistency: atHeight(height) }));
    expect(error.code).toBe("VALUE_ERASED");
    client.close();
  });
});

describe("runtime configuration", () => {
  it("changes for the whole cluster, after a dry run that changes nothing", async () => {
    const { client } = await scene();
    const values = { scrubHours: "48" };
    const field = async (name: string) =>
      (await client.admin.getConfig()).find((one) => one.name === name)!;
    const preview = await client.admin.updateConfig(values, { dryRun: true });
    expect(preview).toEqual([{ name: "scrubHours", before: "24", after: "48" }]);
    expect((await field("scrubHours")).source).toBe("default");
    await client.admin.updateConfig(values, { reason: "a quiet week" });
    expect(await field("scrubHours")).toMatchObject({ value: "48", source: "cluster" });
    await client.admin.updateConfig({ scrubHours: "" });
    expect(await field("scrubHours")).toMatchObject({ value: "24", source: "default" });
    client.close();
  });

  it.each([
    [{ listen: "127.0.0.1:1" }, "CONFIG_NOT_RECONFIGURABLE"],
    [{ scrubHuors: "1" }, "CONFIG_INVALID"],
    [{ scrubHours: "many", logLevel: "debug" }, "CONFIG_INVALID"],
  ])("refuses %j by name and changes nothing (INV-ADMIN-3)", async (values, code) => {
    const { client } = await scene();
    const before = await client.admin.getConfig();
    const error = await rejectedBy(client.admin.updateConfig(values as Record<string, string>));
    expect([error.code, error.details["field"]]).toEqual([code, Object.keys(values)[0]]);
    expect(await client.admin.getConfig()).toEqual(before);
    client.close();
  });

  it("of a node's own goes before the cluster's there, and a new one of it holds at once", async () => {
    const { client } = await scene();
    await client.admin.updateConfig({ shutdownGrace: "9s" });
    const value = async () =>
      (await client.admin.getConfig()).find(({ name }) => name === "shutdownGrace")!.value;
    expect(await value()).toBe("200ms");
    expect(node.reconfigure({})).toEqual([{ name: "shutdownGrace", before: "200ms", after: "9s" }]);
    expect(await value()).toBe("9s");
    node.reconfigure({ shutdownGrace: 200 });
    client.close();
  });
});

describe("quotas", () => {
  it("are set, told with where they come from, listed and taken away", async () => {
    const { client, organization } = await scene();
    const { quotas } = client;
    await quotas.set({ tier: "gold" }, { vaults: 1n, writes: 5_000n });
    const set = await quotas.set({ organization }, { bytes: 10n ** 9n }, { assignedTier: "gold" });
    expect(set).toEqual({ organization, assignedTier: "gold", bytes: 10n ** 9n });
    const { quota, effective } = await quotas.get({ organization });
    expect(quota).toEqual(set);
    expect(effective.map(({ quota: name, limit, source }) => `${name} ${limit} ${source}`)).toEqual(
      [
        "vaults 1 tier:gold",
        "bytes 1000000000 organization",
        "reads 0 configuration",
        "writes 5000 tier:gold",
      ],
    );
    const refused = await rejectedBy(client.admin.createVault({ organization, name: "second" }));
    expect([refused.code, refused.details["source"]]).toEqual(["QUOTA_EXCEEDED", "tier:gold"]);
    const listed = await quotas.list({ pageSize: 1 }).collect(10);
    expect(listed).toEqual([set, { tier: "gold", vaults: 1n, writes: 5_000n }]);
    expect(await quotas.delete({ tier: "gold" })).toBe(true);
    expect(await quotas.delete({ tier: "gold" })).toBe(false);
    await client.admin.createVault({ organization, name: "second" });
    await quotas.delete({ organization });
    expect((await quotas.get({ tier: "gold" })).quota).toBeUndefined();
    client.close();
  });
});

describe("hot keys", () => {
  it("are told most first to who asks this node", async () => {
    const { client, organization, vault } = await scene();
    node.reconfigure({ shutdownGrace: 200, hotKeyRate: 1 });
    // One call in sixteen is counted, and fewer than 64 of them are chance. One client asks once what it is asked twice at once.
    for (let i = 0; i < 2_400; i++) await client.read("hot:1");
    const keys = await client.admin.getHotKeys();
    expect(keys[0]?.key).toBe(`${organization}/${vault}/hot:1`);
    expect(keys[0]!.perSecond).toBeGreaterThan(1n);
    node.reconfigure({ shutdownGrace: 200 });
    client.close();
  });
});
