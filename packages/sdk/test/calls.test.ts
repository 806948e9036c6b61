/** What calls send and what they make of the answers, without verification. */
import { admin, type common, type write } from "@authledger/proto";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import {
  anyReplica,
  atHeight,
  atLeast,
  createClient,
  createTuple,
  deleteEntity,
  deleteTuple,
  type LedgerClient,
  linearizable,
  type Relationship,
  setEntity,
  tupleMustExist,
  tupleMustNotExist,
} from "../src/index.js";
import {
  appliedWrite,
  checkResponse,
  type FakeHandlers,
  fakeLedger,
  NONE,
  refusal,
  relationship,
} from "./support/fake-ledger.js";

const TUPLE = { resource: "document:budget", relation: "viewer", subject: "user:alice" };

async function clientOf(handlers: FakeHandlers, clientId = ""): Promise<LedgerClient> {
  const { endpoint } = await fakeLedger(handlers);
  const tenant = { organization: 7n, vault: 9n };
  const client = createClient({ endpoints: endpoint, tenant, clientId });
  onTestFinished(() => client.close());
  return client;
}

describe("writes", () => {
  it("carry every kind of operation", async () => {
    let sent: write.WriteRequest | undefined;
    const client = await clientOf(
      {
        write: {
          write: (request) => {
            sent = request;
            return appliedWrite({
              statuses: [1, 2, 3, 4, 5, 7] as write.OperationStatus[],
            });
          },
        },
      },
      "importer",
    );
    const answer = await client.write({
      operations: [
        createTuple(TUPLE, { expiresAtMs: 2 ** 45 }),
        deleteTuple("document:budget#viewer@user:bob"),
        setEntity("k", "v", { condition: { kind: "version_equals", version: 5 } }),
        deleteEntity("k", { kind: "value_equals", value: Uint8Array.of(1) }),
        tupleMustExist(TUPLE),
        tupleMustNotExist(TUPLE),
      ],
      reason: "because",
      idempotencyKey: "key",
    });
    const bob = { ...TUPLE, subject: "user:bob" };
    const operations = [
      { $case: "createRelationship", value: { tuple: TUPLE, expiresAtMs: 2n ** 45n } },
      { $case: "deleteRelationship", value: { tuple: bob } },
      {
        $case: "setEntity",
        value: {
          key: "k",
          value: Buffer.from("v"),
          expiresAtMs: 0n,
          condition: { condition: { $case: "versionEquals", value: 5n } },
        },
      },
      {
        $case: "deleteEntity",
        value: {
          key: "k",
          condition: { condition: { $case: "valueEquals", value: Buffer.of(1) } },
        },
      },
      { $case: "tupleMustExist", value: TUPLE },
      { $case: "tupleMustNotExist", value: TUPLE },
    ];
    expect(sent?.transaction?.operations.map(({ operation }) => operation)).toEqual(operations);
    const { clientId, idempotencyKey, reason } = sent!.transaction!;
    expect([clientId, idempotencyKey, reason]).toEqual(["importer", "key", "because"]);
    expect(answer).toEqual({
      transactionId: new Uint8Array(16).fill(9),
      sequence: 3n,
      height: 12n,
      statuses: ["created", "already_exists", "updated", "deleted", "not_found", "satisfied"],
      replayed: false,
      idempotencyKey: "key",
      token: "BAU",
    });
  });

  it("of a batch give one outcome for each transaction, refusals as errors", async () => {
    const client = await clientOf({
      write: {
        batchWrite: ({ transactions }) => ({
          results: transactions.map((_, i) =>
            i === 0
              ? { outcome: { $case: "applied", value: appliedWrite().result! } }
              : {
                  outcome: {
                    $case: "refused",
                    value: {
                      code: "PRECONDITION_FAILED",
                      number: 3020,
                      message: "not there",
                      action: "",
                      retryable: false,
                      retryAfterMs: 0n,
                      context: { operation: "0" },
                    },
                  },
                },
          ),
          token: NONE,
        }),
      },
    });
    const operations = [createTuple(TUPLE)];
    const { outcomes } = await client.batchWrite([{ operations }, { operations }]);
    expect(outcomes[0]).toMatchObject({ kind: "applied", height: 12n });
    const second = outcomes[1]!;
    if (second.kind !== "refused") throw new Error("the second one is refused");
    expect(second.error.code).toBe("PRECONDITION_FAILED");
    expect(second.error.details).toEqual({ operation: 0 });
  });

  it("do not believe a server that answers another number of transactions, or none", async () => {
    const client = await clientOf({
      write: {
        batchWrite: () => ({ results: [], token: NONE }),
        write: () => ({ token: NONE }),
      },
    });
    const operations = [createTuple(TUPLE)];
    expect((await rejectedBy(client.batchWrite([{ operations }]))).code).toBe("CODEC_DECODE");
    expect((await rejectedBy(client.write(operations))).code).toBe("CODEC_DECODE");
  });
});

describe("reads", () => {
  it.each([
    [undefined, { $case: "linearizable", value: {} }],
    [linearizable, { $case: "linearizable", value: {} }],
    [atLeast("AQID"), { $case: "atLeast", value: Buffer.of(1, 2, 3) }],
    [anyReplica({ maxStalenessMs: 250 }), { $case: "any", value: { maxStalenessMs: 250n } }],
    [anyReplica(), { $case: "any", value: { maxStalenessMs: 0n } }],
    [atHeight(5n), { $case: "atHeight", value: 5n }],
  ])("carry the consistency %o", async (consistency, expected) => {
    let sent: unknown;
    const client = await clientOf({
      read: {
        check: (request) => {
          sent = request.consistency?.requirement;
          return checkResponse();
        },
      },
    });
    const { token, ...answer } = await client.hasTuple(TUPLE, { consistency });
    expect(sent).toEqual(expected);
    expect(answer).toEqual({ stored: true, height: 7n });
    expect(token).toBe("AQID");
  });

  it("refuse heights that cannot be", async () => {
    const client = await clientOf({});
    for (const consistency of [atHeight(-1n), atHeight(2n ** 53n)]) {
      expect((await rejectedBy(client.read("k", { consistency }))).code).toBe("INVALID_ARGUMENT");
    }
  });

  it("refuse tokens and ages that cannot be", async () => {
    const client = await clientOf({});
    for (const consistency of [atLeast(""), atLeast("no token"), atLeast("a".repeat(2_000))]) {
      expect((await rejectedBy(client.hasTuple(TUPLE, { consistency }))).code).toBe(
        "TOKEN_INVALID",
      );
    }
    const consistency = anyReplica({ maxStalenessMs: -1 });
    expect((await rejectedBy(client.read("k", { consistency }))).code).toBe("INVALID_ARGUMENT");
  });

  it("give entities with exact u64, or none", async () => {
    const entity = {
      key: "k",
      value: Buffer.from("v"),
      version: 2n ** 63n,
      expiresAtMs: 1n,
      nonce: Buffer.alloc(16),
    };
    const client = await clientOf({
      read: {
        read: ({ key }) => ({ ...(key === "k" && { entity }), height: 1n, token: NONE }),
        batchRead: ({ keys }) => ({
          results: keys.map((key) => (key === "k" ? { entity } : {})),
          height: 1n,
          token: NONE,
        }),
      },
    });
    const expected = { key: "k", value: Uint8Array.of(118), version: 2n ** 63n, expiresAtMs: 1n };
    expect((await client.read("k")).entity).toEqual(expected);
    expect((await client.read("other")).entity).toBeUndefined();
    expect((await client.batchRead(["a", "k"])).entities).toEqual([undefined, expected]);
    expect((await rejectedBy(client.read(""))).row.grpc).toBe("INVALID_ARGUMENT");
  });

  it("ask for a proof where it is wanted, and insist on it", async () => {
    const proof = {
      stateProof: Buffer.of(1),
      header: Buffer.of(2),
      historyProof: [Buffer.of(3)],
      checkpoint: "note",
      consistencyProof: [Buffer.of(4)],
      pageFrom: NONE,
      pageTo: NONE,
    };
    const client = await clientOf({
      read: {
        check: ({ prove }) => checkResponse(prove?.trustedSize === 5n ? { proof } : {}),
      },
    });
    const prove = { trustedSize: 5n };
    expect((await client.hasTuple(TUPLE, { prove })).proof).toEqual({
      stateProof: Uint8Array.of(1),
      header: Uint8Array.of(2),
      historyProof: [Uint8Array.of(3)],
      checkpoint: "note",
      consistencyProof: [Uint8Array.of(4)],
      pageFrom: NONE,
      pageTo: NONE,
    });
    const refused = await rejectedBy(client.hasTuple(TUPLE, { prove: { trustedSize: 6n } }));
    expect(refused.code).toBe("PROOF_INSUFFICIENT");
    expect((await client.hasTuple(TUPLE)).proof).toBeUndefined();
  });

  it("give blocks, tips, checkpoints and consistency proofs as bytes", async () => {
    const header = Buffer.alloc(244, 1);
    const client = await clientOf({
      read: {
        getTip: () => ({ height: 4n, header, blockHash: Buffer.alloc(32), token: NONE }),
        getBlock: ({ height, transactions }) => ({
          header: Buffer.alloc(244, Number(height)),
          blockHash: Buffer.alloc(32),
          transactions: transactions ? [Buffer.of(7)] : [],
          token: NONE,
        }),
        getCheckpoint: ({ trustedSize }) => ({
          checkpoint: `size ${trustedSize}`,
          consistencyProof: [Buffer.alloc(32)],
          token: NONE,
        }),
        getConsistencyProof: ({ fromSize, toSize }) => ({
          proof: [Buffer.of(Number(fromSize), Number(toSize))],
        }),
      },
    });
    expect(await client.getTip()).toMatchObject({ height: 4n, header: new Uint8Array(header) });
    const block = await client.getBlock(3n, { transactions: true });
    expect(block.transactions).toEqual([Uint8Array.of(7)]);
    expect(block.header[0]).toBe(3);
    expect((await client.getBlock(3n)).transactions).toEqual([]);
    const head = await client.getCheckpoint({ trustedSize: 6n });
    expect([head.checkpoint, head.isVerified]).toEqual(["size 6", false]);
    const proof = await client.getConsistencyProof({ fromSize: 1n, toSize: 2n });
    expect(proof).toEqual([Uint8Array.of(1, 2)]);
  });
});

describe("lists without proofs", () => {
  it("fetch page after page of entities and resources, each behind the one before", async () => {
    const asked: unknown[] = [];
    const value = new Uint8Array([1]);
    const entity = (key: string): common.Entity => ({
      key,
      value,
      version: 3n,
      expiresAtMs: 0n,
      nonce: NONE,
    });
    const client = await clientOf({
      read: {
        listEntities: ({ pageToken, prefix, includeExpired, consistency }) => {
          asked.push([prefix, includeExpired, consistency?.requirement?.$case]);
          const isFirst = pageToken.length === 0;
          const entities = isFirst ? [entity("b:1")] : [entity("b:2"), entity("b:3")];
          const token = new Uint8Array([7]);
          return { entities, nextPageToken: isFirst ? value : NONE, height: 4n, token };
        },
        listResources: ({ pageToken, type }) => ({
          resources: pageToken.length === 0 ? [] : [`${type}:a`],
          nextPageToken: pageToken.length === 0 ? value : NONE,
          height: 4n,
          token: value,
        }),
      },
    });
    const keys: string[] = [];
    for await (const { key } of client.listEntities("b:", { includeExpired: true })) keys.push(key);
    expect(keys).toEqual(["b:1", "b:2", "b:3"]);
    expect(asked).toEqual([
      ["b:", true, "linearizable"],
      ["b:", true, "atLeast"],
    ]);
    // An empty page is not the end.
    expect(await client.listResources("doc").collect()).toEqual(["doc:a"]);
    const tooMany = rejectedBy(client.listEntities("b:").collect(2));
    expect((await tooMany).code).toBe("LIMIT_EXCEEDED");
  });

  it("and the state of a client are not given out by a client that verifies, unless it is told to (INV-SDK-8)", async () => {
    const { endpoint } = await fakeLedger({
      read: {
        getClientState: ({ clientId }) => ({
          lastSequence: clientId === "app" ? 5n : 0n,
          lastHeight: 2n,
          lastTransactionId: clientId === "app" ? new Uint8Array(16) : NONE,
          height: 4n,
          token: NONE,
        }),
      },
    });
    const options = { endpoints: endpoint, tenant: { organization: 7n, vault: 9n } };
    const trusting = createClient(options);
    const verifying = createClient({ ...options, verify: { trustOnFirstUse: true } });
    onTestFinished(() => {
      for (const client of [trusting, verifying]) client.close();
    });
    expect(await trusting.clientState("app")).toMatchObject({ lastSequence: 5n, lastHeight: 2n });
    expect((await trusting.clientState("new")).lastTransactionId).toBeUndefined();
    for (const refused of [
      verifying.clientState("app"),
      verifying.listEntities().collect(),
      verifying.listResources("doc").collect(),
    ]) {
      expect(await rejectedBy(refused)).toMatchObject({ details: { field: "unproven" } });
    }
    const told = await verifying.clientState("app", { unproven: true });
    expect(told.lastSequence).toBe(5n);
  });
});

describe("lists", () => {
  const rows = Array.from({ length: 7 }, (_, i) => relationship(`document:d${i}`));
  /** As they are given out: the nonce of a condition is for verifiers alone. */
  const given = rows.map(({ conditionNonce: _, ...row }) => row);

  /** Pages of three; a page's token is the number of its first row. */
  function pager(seen: unknown[], fail?: (from: number) => void): FakeHandlers {
    return {
      read: {
        listRelationships: ({ pageToken, pageSize, consistency, subject, resource }) => {
          const from = pageToken[0] ?? 0;
          fail?.(from);
          seen.push([from, pageSize, consistency?.requirement?.$case, subject, resource]);
          const to = Math.min(from + 3, rows.length);
          return {
            relationships: rows.slice(from, to),
            nextPageToken: to < rows.length ? Uint8Array.of(to) : NONE,
            height: 9n,
            token: Uint8Array.of(1),
          };
        },
      },
    };
  }

  it("fetch page after page, never older than the first, only as far as they are read", async () => {
    const seen: unknown[] = [];
    const client = await clientOf(pager(seen));
    const list = client.list({ subject: "user:alice" }, { pageSize: 3 });
    expect(await list.collect()).toEqual(given);
    expect(seen).toEqual([
      [0, 3, "linearizable", "user:alice", undefined],
      [3, 3, "atLeast", "user:alice", undefined],
      [6, 3, "atLeast", "user:alice", undefined],
    ]);
    seen.length = 0;
    const first: Relationship[] = [];
    for await (const row of list) {
      first.push(row);
      if (first.length === 2) break;
    }
    expect(first).toEqual(given.slice(0, 2));
    expect(seen).toHaveLength(1);
  });

  it("give pages with their heights", async () => {
    const client = await clientOf(pager([]));
    const sizes: [number, bigint][] = [];
    for await (const page of client.list({}).pages()) {
      sizes.push([page.relationships.length, page.height]);
    }
    expect(sizes).toEqual([
      [3, 9n],
      [3, 9n],
      [1, 9n],
    ]);
  });

  it("retry a page that failed, and end at an error that stays", async () => {
    let isFirst = true;
    const client = await clientOf(
      pager([], (from) => {
        if (from === 3 && isFirst) {
          isFirst = false;
          throw refusal("NOT_READY", "starting");
        }
        if (from === 6) throw refusal("PAGE_TOKEN_INVALID", "no");
      }),
    );
    const found: Relationship[] = [];
    const run = async (): Promise<void> => {
      for await (const row of client.list({})) found.push(row);
    };
    expect((await rejectedBy(run())).code).toBe("PAGE_TOKEN_INVALID");
    expect(found).toEqual(given.slice(0, 6));
  });

  it("have limits: rows that are collected, rows of a page, a token that comes again", async () => {
    const client = await clientOf(pager([]));
    expect((await rejectedBy(client.list({}).collect(6))).code).toBe("LIMIT_EXCEEDED");
    expect(await client.list({}).collect(7)).toHaveLength(7);
    for (const pageSize of [0, 1_001, 1.5]) {
      const error = await rejectedBy(client.list({}, { pageSize }).collect());
      expect(error.details["field"]).toBe("pageSize");
    }
    const looping = await clientOf({
      read: {
        listRelationships: () => ({
          relationships: [],
          nextPageToken: Uint8Array.of(1),
          height: 1n,
          token: Uint8Array.of(1),
        }),
      },
    });
    expect((await rejectedBy(looping.list({}).collect())).code).toBe("CODEC_DECODE");
  });
});

const NO_COMPACTION = admin.CompactResponse.create();
const NO_INTEGRITY = admin.CheckIntegrityResponse.create();

describe("administration", () => {
  it("creates, gets and lists organizations and vaults, and tells of the node", async () => {
    const organization = (slug: bigint): admin.Organization => ({
      slug,
      name: `o${slug}`,
      status: admin.OrganizationStatus.ORGANIZATION_STATUS_ACTIVE,
      createdAtMs: 1n,
    });
    const vault = (slug: bigint): admin.Vault => ({
      organization: 7n,
      slug,
      name: `v${slug}`,
      status: 99 as admin.VaultStatus,
      createdAtMs: 1n,
      origin: `ledger.test/7/${slug}`,
      height: 2n ** 60n,
      retentionBlocks: 10n,
      oldestHeight: 3n,
    });
    const client = await clientOf({
      admin: {
        createOrganization: ({ name }) => ({ organization: { ...organization(1n), name } }),
        getOrganization: ({ organization: slug }) => ({ organization: organization(slug) }),
        listOrganizations: ({ pageToken }) =>
          pageToken.length === 0
            ? { organizations: [organization(1n)], nextPageToken: Uint8Array.of(1) }
            : { organizations: [organization(2n)], nextPageToken: NONE },
        createVault: ({ name }) => ({
          vault: { ...vault(1n), name },
          genesisHeader: Buffer.alloc(244),
        }),
        getVault: ({ vault: slug }) => ({
          vault: vault(slug),
          health: admin.VaultHealth.VAULT_HEALTH_DIVERGED,
        }),
        listVaults: () => ({ vaults: [vault(5n)], nextPageToken: NONE }),
        getTrustAnchor: () => ({ anchor: "anchor" }),
        compact: ({ fillPercent }) => ({ ...NO_COMPACTION, leavesVisited: BigInt(fillPercent) }),
        checkIntegrity: ({ waitMs, follow }) => ({
          ...NO_INTEGRITY,
          running: follow,
          pages: BigInt(waitMs),
        }),
      },
    });
    const { admin: calls } = client;
    expect(await calls.createOrganization("acme")).toMatchObject({ name: "acme", slug: 1n });
    expect(await calls.getOrganization("12")).toMatchObject({ slug: 12n, status: "active" });
    const slugs: bigint[] = [];
    for await (const { slug } of calls.listOrganizations()) slugs.push(slug);
    expect(slugs).toEqual([1n, 2n]);
    const created = await calls.createVault({ organization: 7n, name: "prod" });
    expect([created.name, created.genesisHeader.length]).toEqual(["prod", 244]);
    const got = await calls.getVault({ organization: 7n, vault: 8n });
    expect(got).toMatchObject({ slug: 8n, height: 2n ** 60n, status: "unknown" });
    expect(got.health).toBe("diverged");
    expect(await calls.compact()).toMatchObject({ leavesVisited: 0n });
    expect(await calls.compact({ fillPercent: 25 })).toMatchObject({ leavesVisited: 25n });
    expect(await calls.checkIntegrity()).toMatchObject({ running: false, pages: 1_000n });
    const followed = await calls.checkIntegrity({ waitMs: 5, follow: true });
    expect(followed).toMatchObject({ running: true, pages: 5n });
    for await (const { slug } of calls.listVaults(7n)) slugs.push(slug);
    expect(slugs).toEqual([1n, 2n, 5n]);
    expect(await calls.getTrustAnchor({ organization: 7n, vault: 8n })).toBe("anchor");
    expect((await rejectedBy(calls.getOrganization(0n))).code).toBe("SLUG_REQUIRED");
  });
});
