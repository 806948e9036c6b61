/** Quotas of organizations on whole nodes: which one holds, what each of the four refuses, here, on followers, after a restart. */
import { setTimeout as sleep } from "node:timers/promises";
import type { admin } from "@authledger/proto";
import { GrpcStatus, LedgerError } from "@authledger/types";
import type { Client } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { ClusterConfig } from "../../src/config/cluster-config.js";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { QUOTAS_MAX, Quotas } from "../../src/quota/quotas.js";
import { SystemChange } from "../../src/system/system-change.js";
import type { SystemMoves } from "../../src/system/system-moves.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { freePort } from "../peer/peer-support.js";
import { call, connect, failureOf } from "../support/harness.js";
import { createTuple, PAGE, TUPLE, transaction } from "../support/requests.js";

interface Node {
  readonly running: RunningNode;
  readonly client: Client;
}

async function start(rest: object = {}): Promise<Node> {
  const config = parseNodeConfig({
    ...{ data: temporaryDirectory(), cache: "16MiB", http: "127.0.0.1:0", shutdownGrace: "50ms" },
    ...{ listen: `127.0.0.1:${await freePort()}`, logLevel: "silent", ...rest },
  });
  const logger = pino({ level: "silent" });
  const running = await startNode(config, { version: "0", logger, onFatal: () => undefined });
  onTestFinished(() => running.close());
  return { running, client: connect(running.grpcAddress) };
}

interface Tenant {
  readonly organization: bigint;
  readonly vault: bigint;
}

async function createOrganization(client: Client): Promise<bigint> {
  const made = await call<admin.CreateOrganizationResponse>(
    ...([client, ["admin", "createOrganization"], { name: "acme" }] as const),
  );
  return made.organization!.slug;
}

async function createVault(client: Client, organization: bigint): Promise<Tenant> {
  const request = { organization, name: "v" };
  const { vault } = await call<admin.CreateVaultResponse>(
    ...([client, ["admin", "createVault"], request] as const),
  );
  return { organization, vault: vault!.slug };
}

type Limits = Partial<Record<"vaults" | "bytes" | "reads" | "writes", bigint>>;
type Owner = { readonly organization?: bigint; readonly tier?: string };

function setQuota(
  client: Client,
  owner: Owner,
  limits: Limits,
  assignedTier = "",
): Promise<admin.SetQuotaResponse> {
  const request = { organization: 0n, tier: "", ...owner, limits, assignedTier, reason: "a test" };
  return call(client, ["admin", "setQuota"], request);
}

function deleteQuota(client: Client, owner: Owner): Promise<admin.DeleteQuotaResponse> {
  const request = { organization: 0n, tier: "", ...owner, reason: "" };
  return call(client, ["admin", "deleteQuota"], request);
}

/** `name=limit source` of each. */
async function effective(client: Client, organization: bigint): Promise<readonly string[]> {
  const request = { organization, tier: "" };
  const answer = await call<admin.GetQuotaResponse>(client, ["admin", "getQuota"], request);
  return answer.effective.map(({ quota, limit, source }) => `${quota}=${limit} ${source}`);
}

function write(client: Client, tenant: Tenant, subject: string): Promise<unknown> {
  const operations = [createTuple({ ...TUPLE, subject })];
  const request = { ...tenant, transaction: transaction(operations), prove: false };
  return call(client, ["write", "write"], request);
}

function check(client: Client, tenant: Tenant): Promise<unknown> {
  return call(client, ["read", "check"], { ...tenant, tuple: TUPLE });
}

describe("quotas", () => {
  it("INV-QUOTA-1: each limit is the organization's, else its tier's, else that of all, else the configuration's", async () => {
    const { client } = await start({ rateOrganizationReads: 70 });
    const organization = await createOrganization(client);
    expect(await effective(client, organization)).toEqual([
      "vaults=0 configuration",
      "bytes=0 configuration",
      "reads=70 configuration",
      "writes=0 configuration",
    ]);
    await setQuota(client, {}, { vaults: 1n, bytes: 2n, reads: 3n });
    await setQuota(client, { tier: "gold" }, { vaults: 10n, bytes: 20n });
    await setQuota(client, { organization }, { vaults: 0n }, "gold");
    expect(await effective(client, organization)).toEqual([
      "vaults=0 organization",
      "bytes=20 tier:gold",
      "reads=3 global",
      "writes=0 configuration",
    ]);
    expect((await deleteQuota(client, { tier: "gold" })).existed).toBe(true);
    expect((await deleteQuota(client, { tier: "gold" })).existed).toBe(false);
    expect((await effective(client, organization))[1]).toBe("bytes=2 global");
    const { quotas } = await call<admin.ListQuotasResponse>(
      ...([client, ["admin", "listQuotas"], { ...PAGE, pageSize: 10 }] as const),
    );
    expect(quotas.map((quota) => [quota.organization, quota.tier, quota.assignedTier])).toEqual([
      [0n, "", ""],
      [organization, "", "gold"],
    ]);
  });

  it("of vaults refuses one more, says which, where it was set and what to do, and is lifted at once", async () => {
    const { client } = await start();
    const organization = await createOrganization(client);
    await setQuota(client, {}, { vaults: 1n });
    const { vault } = await createVault(client, organization);
    const refused = await failureOf(createVault(client, organization));
    expect(refused.status).toBe(GrpcStatus.RESOURCE_EXHAUSTED);
    expect(refused.details).toMatchObject({
      code: "QUOTA_EXCEEDED",
      retryable: false,
      context: { quota: "vaults", limit: "1", actual: "1", source: "global" },
    });
    expect(refused.details.action).toContain("authledger quota set");
    await setQuota(client, { organization }, { vaults: 2n });
    await createVault(client, organization);
    expect((await failureOf(createVault(client, organization))).details.context["source"]).toBe(
      "organization",
    );
    await call(client, ["admin", "deleteVault"], { organization, vault });
    await createVault(client, organization);
  });

  it("INV-QUOTA-3: of bytes refuses what stores more and changes nothing, lets deletions pass, and is lifted at once", async () => {
    const { client } = await start();
    const tenant = await createVault(client, await createOrganization(client));
    const { organization } = tenant;
    await write(client, tenant, "user:a");
    const usage = async (): Promise<admin.Usage> =>
      (await call<admin.GetUsageResponse>(client, ["admin", "getUsage"], tenant)).usage!;
    const before = await usage();
    const bytes = before.liveBytes + before.historyBytes;
    await setQuota(client, { organization }, { bytes });
    const refused = await failureOf(write(client, tenant, "user:b"));
    expect(refused.details).toMatchObject({
      code: "QUOTA_EXCEEDED",
      context: { quota: "bytes", limit: String(bytes), source: "organization" },
    });
    expect(await usage()).toEqual(before);
    const tuple = { ...TUPLE, subject: "user:a" };
    const remove = { operation: { $case: "deleteRelationship", value: { tuple } } };
    const request = { ...tenant, transaction: transaction([remove]), prove: false };
    await call(client, ["write", "write"], request);
    await setQuota(client, { organization }, { bytes: bytes * 4n });
    await write(client, tenant, "user:b");
  });

  it("of reads and of writes go before the configured rate, apart from each other and from other organizations", async () => {
    const { client } = await start({ rateOrganizationReads: 1_000_000, rateBurst: "1s" });
    const tenant = await createVault(client, await createOrganization(client));
    const other = await createVault(client, await createOrganization(client));
    const { organization } = tenant;
    await setQuota(client, { organization }, { reads: 1n, writes: 1n });
    await check(client, tenant);
    const read = (await failureOf(check(client, tenant))).details;
    expect([read.code, read.context["tier"], read.context["limit"]]).toEqual([
      "RATE_LIMITED",
      "organization",
      "1",
    ]);
    await write(client, tenant, "user:a");
    const written = (await failureOf(write(client, tenant, "user:b"))).details;
    expect([written.code, written.context["kind"]]).toEqual(["RATE_LIMITED", "write"]);
    for (let i = 0; i < 5; i++) await check(client, other);
    await deleteQuota(client, { organization });
    for (let i = 0; i < 5; i++) await check(client, tenant);
    await write(client, tenant, "user:b");
  });

  it("hold again after a restart", async () => {
    const data = temporaryDirectory();
    const first = await start({ data });
    const tenant = await createVault(first.client, await createOrganization(first.client));
    await setQuota(first.client, { tier: "small" }, { vaults: 1n, reads: 1n });
    await setQuota(first.client, { organization: tenant.organization }, {}, "small");
    await first.running.close();
    const { client } = await start({ data, rateBurst: "1s" });
    await check(client, tenant);
    expect((await failureOf(check(client, tenant))).details.code).toBe("RATE_LIMITED");
    const refused = (await failureOf(createVault(client, tenant.organization))).details;
    expect([refused.code, refused.context["source"]]).toEqual(["QUOTA_EXCEEDED", "tier:small"]);
  });

  it.each([
    [
      "of an organization that is not there",
      { organization: 9n },
      {},
      "",
      "ORGANIZATION_NOT_FOUND",
    ],
    ["of two owners", { organization: 9n, tier: "gold" }, {}, "", "INVALID_ARGUMENT"],
    ["of a tier without a right name", { tier: "a b" }, {}, "", "NAME_INVALID"],
    ["that put a tier in a tier", { tier: "gold" }, {}, "silver", "INVALID_ARGUMENT"],
    ["of too high a rate", {}, { reads: 1_000_000_001n }, "", "LIMIT_EXCEEDED"],
    ["beyond exact numbers", {}, { bytes: 2n ** 60n }, "", "INVALID_ARGUMENT"],
  ])("%s are refused", async (_, owner, limits, tier, code) => {
    const { client } = await start();
    const request = setQuota(client, owner as Owner, limits as Limits, tier);
    expect((await failureOf(request)).details.code).toBe(code);
  });

  it("refuse a tier that was never set, by its name", async () => {
    const { client } = await start();
    const organization = await createOrganization(client);
    const refused = await failureOf(setQuota(client, { organization }, {}, "silver"));
    expect(refused.text).toContain('there is no tier "silver"');
  });

  it("INV-QUOTA-2: are bounded in number; one that is there is still set", async () => {
    const { running } = await start();
    const system = new SystemVault(running.engine);
    const quotas = new Quotas({ system, onProblem: () => undefined });
    for (let from = 0; from < QUOTAS_MAX; from += 1_000) {
      const operations = Array.from({ length: 1_000 }, (_, i) => ({
        ...({ op: "set_entity", key: `quota:tier:t${from + i}`, expiresAtMs: 0 } as const),
        ...{ value: new TextEncoder().encode("{}"), condition: { kind: "none" } as const },
      }));
      await system.write(operations, { actor: "test" });
    }
    const about = { actor: "test" };
    const more = quotas.set({ organization: 0n, tier: "more" }, { vaults: 1 }, about);
    expect((await rejectedBy(more)).code).toBe("LIMIT_EXCEEDED");
    await quotas.set({ organization: 0n, tier: "t1" }, { vaults: 1 }, about);
    expect(quotas.record({ organization: 0n, tier: "t1" })).toEqual({ vaults: 1 });
  });
});

// Each node of a new cluster logged an error with its stack, and a warning, before anybody had begun the cluster.
it("a node that waits for its cluster has no problem with quotas and configuration; another failure is told once", async () => {
  for (const [code, told] of [
    ["NODE_WAITING", 0],
    ["IO_READ_FAILED", 1],
  ] as const) {
    const fail = () => Promise.reject(new LedgerError(code, "of the test"));
    const system = { height: fail, list: fail } as unknown as SystemVault;
    const problems: unknown[][] = [[], []];
    const quotas = new Quotas({ system, onProblem: (problem) => problems[0]!.push(problem) });
    const cluster = new ClusterConfig({
      ...{ system, config: new RuntimeConfig(), onChange: () => undefined },
      onProblem: (problem) => problems[1]!.push(problem),
    });
    for (let i = 0; i < 2; i++) await Promise.all([quotas.look(), cluster.look()]);
    expect([code, ...problems.map(({ length }) => length)]).toEqual([code, told, told]);
  }
});

// A state that was wrong is replaced by the right one at the same height. What had been read of the wrong one was kept.
it("quotas and configuration of a replaced state are read again, also at the same height", async () => {
  let listed = 0;
  const system = {
    height: async () => 7,
    list: async (prefix: string) => {
      const isRight = listed++ >= 2;
      const [key, text] =
        prefix === "config:"
          ? ["config:scrubHours", isRight ? "5" : "3"]
          : ["quota:tier:gold", `{"vaults":${isRight ? 5 : 3}}`];
      const value = new TextEncoder().encode(text);
      return { entities: [{ key, value, expiresAtMs: 0, height: 7 }] };
    },
  } as unknown as SystemVault;
  const listeners: ((change: SystemChange) => void)[] = [];
  const moves = { onMove: (listener: (change: SystemChange) => void) => listeners.push(listener) };
  const config = new RuntimeConfig();
  const quotas = new Quotas({ system, onProblem: (problem) => expect.fail(problem.message) });
  const cluster = new ClusterConfig({
    ...{ system, config, onChange: () => undefined },
    onProblem: (problem) => expect.fail(problem),
  });
  cluster.hear(moves);
  await quotas.start(moves as unknown as SystemMoves);
  const seen = async () => {
    await quotas.look();
    await cluster.look();
    const { vaults } = quotas.record({ organization: 0n, tier: "gold" }) ?? {};
    return [vaults, config.values.scrubHours];
  };
  expect(await seen()).toEqual([3, 3]);
  for (const listener of listeners) listener(SystemChange.anything);
  expect(await seen()).toEqual([5, 5]);
});

describe("quotas on a cluster", () => {
  it("that were set through a follower hold on every node, and are lifted there at run time", async () => {
    const peer = "127.0.0.1:0";
    const first = await start({ name: "n1", peer, rateBurst: "1s" });
    const join = first.running.peerAddress!;
    const others = [
      await start({ name: "n2", peer, join, rateBurst: "1s" }),
      await start({ name: "n3", peer, join, rateBurst: "1s" }),
    ] as const;
    const addresses = others.map(({ running }) => running.peerAddress!);
    await first.running.engine.call("cluster_init", { addresses });
    const tenant = await createVault(first.client, await createOrganization(first.client));
    const { organization } = tenant;
    const follower = others[0].client;
    await setQuota(follower, { organization }, { vaults: 1n, bytes: 1n, reads: 1n });
    for (const { client } of [first, ...others]) {
      await until(
        async () => (await effective(client, organization))[0] === "vaults=1 organization",
      );
      expect((await failureOf(createVault(client, organization))).details.code).toBe(
        "QUOTA_EXCEEDED",
      );
      expect((await failureOf(write(client, tenant, "user:a"))).details.code).toBe(
        "QUOTA_EXCEEDED",
      );
      // Behind the quota's arrival a second check within a second is one too many.
      await until(async () => (await codeOfCheck(client, tenant)) === "RATE_LIMITED");
    }
    await deleteQuota(follower, { organization });
    await write(follower, tenant, "user:a");
    await until(async () => (await codeOfCheck(others[1].client, tenant)) === "OK");
    for (let i = 0; i < 5; i++) expect(await codeOfCheck(others[1].client, tenant)).toBe("OK");
  }, 30_000);
});

async function codeOfCheck(client: Client, tenant: Tenant): Promise<string> {
  try {
    await check(client, tenant);
    return "OK";
  } catch (error) {
    return (await failureOf(Promise.reject(error))).details.code;
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 5_000;
  while (!(await holds())) {
    expect(performance.now()).toBeLessThan(untilMs);
    await sleep(5);
  }
}
