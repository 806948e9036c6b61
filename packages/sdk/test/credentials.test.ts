/** A client and a node that demands credentials: what each call does for root, for a key with a role, and for nobody. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import {
  type ClientOptions,
  createClient,
  createTuple,
  type LedgerClient,
  setEntity,
} from "../src/index.js";

const TUPLE = "doc:budget#viewer@user:alice";

let node: RunningNode;
let data: string;
let root = "";

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "authledger-credentials-"));
  const listen = "127.0.0.1:0";
  const config = { listen, http: listen, cache: "16MiB", auth: true, shutdownGrace: 200, data };
  node = await startNode(parseNodeConfig(config), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  root = readFileSync(join(data, "root.key"), "utf8").trim();
});

afterAll(async () => {
  await node.close();
  rmSync(data, { recursive: true, force: true });
});

function clientOf(options: Partial<ClientOptions>): LedgerClient {
  const client = createClient({ endpoints: node.grpcAddress, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A vault, a client of root's, and one with a key that has no role yet. */
async function scene() {
  const { admin } = clientOf({ token: root });
  const { slug: organization } = await admin.createOrganization("acme");
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const asRoot = clientOf({ token: root, tenant });
  const key = await asRoot.keys.create("app", { reason: "for the app" });
  const app = clientOf({ token: key.text, tenant });
  return { tenant, asRoot, key, app };
}

describe("a client without a good credential", () => {
  it("is refused by every call, and told why", async () => {
    const { tenant, key } = await scene();
    const wrong = [{}, { token: "alk_nonsense" }, { token: `${key.text}x` }, { token: "a.b.c" }];
    for (const options of wrong) {
      const client = clientOf({ ...options, tenant });
      const calls = [
        () => client.check(TUPLE),
        () => client.write([createTuple(TUPLE)]),
        () => client.keys.whoAmI(),
        () => client.models.list().collect(),
        () => client.admin.listOrganizations().collect(),
        () => client.watchBlocks({ from: 0n })[Symbol.asyncIterator]().next(),
      ];
      for (const call of calls) {
        const error = await rejectedBy(call());
        expect([error.code, error.row.exit], call.toString()).toEqual([
          "UNAUTHENTICATED",
          "FORBIDDEN",
        ]);
      }
    }
  });

  it("learns of it by the next call when its key was revoked, and goes on when credentials() gives another", async () => {
    const { tenant, asRoot, key, app } = await scene();
    await asRoot.roles.grant(key.principal, "writer", tenant);
    const next = await asRoot.keys.create("app-2");
    await asRoot.roles.grant(next.principal, "writer", tenant);
    const given = [key.text, next.text];
    const renewing = clientOf({ tenant, credentials: async () => given.shift()! });
    await app.write([createTuple(TUPLE)]);
    expect((await renewing.keys.whoAmI()).principal).toBe(key.principal);
    await asRoot.keys.revoke(key.id, { reason: "lost" });
    expect((await rejectedBy(app.check(TUPLE))).code).toBe("UNAUTHENTICATED");
    expect((await renewing.check(TUPLE)).allowed).toBe(true);
    expect((await renewing.keys.whoAmI()).principal).toBe(next.principal);
    expect(given).toEqual([]);
  });
});

describe("keys", () => {
  it("are made with an expiry and a creator, shown once, listed and revoked once", async () => {
    const { asRoot } = await scene();
    const expiresAtMs = BigInt(Date.now() + 3_600_000);
    const { text, ...made } = await asRoot.keys.create("short", { expiresAtMs });
    expect(text).toMatch(/^alk_/);
    expect(made).toMatchObject({ name: "short", creator: "root", expiresAtMs });
    const listed = await asRoot.keys.list({ pageSize: 1 }).collect();
    expect(listed).toContainEqual(made);
    expect(JSON.stringify(listed.map(({ name }) => name))).not.toContain("alk_");
    expect(await clientOf({ token: text }).keys.whoAmI()).toEqual({
      ...{ principal: made.principal, kind: "key" },
    });
    expect(await asRoot.keys.whoAmI()).toEqual({ principal: "root", kind: "root" });
    await asRoot.keys.revoke(made.id);
    expect((await rejectedBy(asRoot.keys.revoke(made.id))).code).toBe("KEY_NOT_FOUND");
  });
});

describe("roles", () => {
  it("open to a key what they say and nothing else, as long as it has them", async () => {
    const { tenant, asRoot, key, app } = await scene();
    const { principal } = key;
    const { organization } = tenant;
    expect((await rejectedBy(app.check(TUPLE))).code).toBe("PERMISSION_DENIED");
    const given = await asRoot.roles.grant(principal, "reader", { ...tenant, reason: "reads" });
    expect(given).toMatchObject({ principal, role: "reader", ...tenant, existed: false });
    expect((await app.check(TUPLE)).allowed).toBe(false);
    const refused = [
      () => app.write([createTuple(TUPLE)]),
      () => app.erase({ entity: "k" }),
      () => app.models.deploy("model\n  schema 1.1\ntype user\n"),
      () => app.deleteByFilter({ entityPrefix: "k" }).next(),
      () => app.admin.getConfig(),
      () => app.admin.updateConfig({ logLevel: "debug" }),
      () => app.admin.suspendOrganization(organization),
      () => app.admin.createOrganization("mine"),
      () => app.keys.list().collect(),
      () => app.roles.grant(principal, "writer", tenant),
    ];
    for (const call of refused) {
      expect((await rejectedBy(call())).code, call.toString()).toBe("PERMISSION_DENIED");
    }
    await asRoot.roles.grant(principal, "writer", tenant);
    await app.write([createTuple(TUPLE), setEntity("k", "v")]);
    const changes = await app.listChanges({ subject: "user:alice" }).collect();
    expect(changes.map(({ actor }) => actor)).toEqual([principal]);
    const mine = await asRoot.roles.list({ principal }).collect();
    expect(mine.map(({ role }) => role).sort()).toEqual(["reader", "writer"]);
    const of = await asRoot.roles.list(tenant).collect();
    expect(of.map((binding) => binding.principal)).toEqual([principal, principal]);
    for (const role of ["reader", "writer"] as const) {
      expect(await asRoot.roles.revoke(principal, role, tenant)).toBe(true);
      expect(await asRoot.roles.revoke(principal, role, tenant)).toBe(false);
    }
    expect((await rejectedBy(app.check(TUPLE))).code).toBe("PERMISSION_DENIED");
  });

  it("let an administrator of an organization measure it, erase and delete in it, and hand its roles on", async () => {
    const { tenant, asRoot, key, app } = await scene();
    const { organization } = tenant;
    await asRoot.roles.grant(key.principal, "administrator", { organization });
    await app.write([setEntity("user:1", "Ann"), setEntity("user:2", "Bob")]);
    expect(await app.erase({ entity: "user:1" }, { reason: "asked for" })).toMatchObject({
      ...{ erased: 1n, deleted: true },
    });
    const steps = [];
    for await (const step of app.deleteByFilter({ entityPrefix: "user:" })) steps.push(step);
    expect(steps.at(-1)).toMatchObject({ deleted: 1n });
    expect(await app.admin.getUsage(tenant)).toMatchObject({ vaults: 1n, entities: 0n });
    expect((await rejectedBy(app.admin.suspendOrganization(organization))).code).toBe(
      "PERMISSION_DENIED",
    );
    await app.roles.grant("user:bob", "reader", tenant);
    expect((await rejectedBy(app.roles.grant("user:bob", "operator"))).code).toBe(
      "PERMISSION_DENIED",
    );
  });
});

describe("root", () => {
  it("suspends and resumes, reads and changes the configuration, and reads the audit log with proofs", async () => {
    const { tenant, asRoot, key, app } = await scene();
    const { organization } = tenant;
    await asRoot.roles.grant(key.principal, "writer", tenant);
    expect((await asRoot.admin.suspendOrganization(organization)).status).toBe("suspended");
    expect((await rejectedBy(app.check(TUPLE))).code).toBe("ORGANIZATION_SUSPENDED");
    expect((await asRoot.admin.resumeOrganization(organization)).status).toBe("active");
    expect((await app.check(TUPLE)).allowed).toBe(false);
    const fields = await asRoot.admin.getConfig();
    expect(fields.map(({ name }) => name)).toContain("logLevel");
    const changes = await asRoot.admin.updateConfig({ logLevel: "warn" }, { dryRun: true });
    expect(changes).toHaveLength(1);
    const system = clientOf({ token: root, tenant: { organization: 0n, vault: 0n } });
    const audited = await system.listEntities("audit:").collect(10_000);
    expect(audited.length).toBeGreaterThan(0);
    const prove = { trustedSize: 1n };
    const { entity, proof } = await system.read(audited[0]!.key, { prove });
    expect([entity?.key, proof?.stateProof.length]).toEqual([audited[0]!.key, expect.any(Number)]);
    const stranger = clientOf({ token: key.text, tenant: { organization: 0n, vault: 0n } });
    expect((await rejectedBy(stranger.listEntities("audit:").collect())).code).toBe(
      "PERMISSION_DENIED",
    );
  });
});
