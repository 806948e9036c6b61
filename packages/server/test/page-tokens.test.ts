/** Lists, watches and deletions that go on at another node than the one they began at, over whole nodes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { read } from "@authledger/proto";
import { createClient, createTuple, type LedgerClient } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parseNodeConfig, type RunningNode, startNode } from "../src/index.js";
import { PageTokens } from "../src/tokens.js";
import { freePort, until } from "./peer/peer-support.js";
import { call, connect, failureOf } from "./support/harness.js";

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const POSITION = Uint8Array.of(1, 2, 3);
const leads = () => new LedgerError("NOT_LEADER", "another one leads");

describe("a page token", () => {
  /** Whichever node gave it, and whenever the key of the cluster reached those who read it. */
  test("of any node is read by every one that has the shared key, and by its own without it (INV-TOKEN-1)", () => {
    const shared = { has: false };
    const late = { own: key(2), shared: () => (shared.has ? key(1) : undefined), unshared: leads };
    const [one, other] = [
      new PageTokens({ own: key(3), shared: () => key(1), unshared: leads }),
      new PageTokens(late),
    ];
    const token = one.encode("query", POSITION);
    expect(() => other.decode("query", token)).toThrow("another one leads");
    expect(() => other.encode("query", POSITION)).toThrow("another one leads");
    shared.has = true;
    expect(other.decode("query", token)).toEqual(POSITION);
    expect(one.decode("query", other.encode("query", POSITION))).toEqual(POSITION);
    expect(() => other.decode("another", token)).toThrow("page token is not one of this query");
  });

  test("of before the voters shared a key is good at its node, and what is none is refused everywhere", () => {
    const before = new PageTokens({ own: key(1), shared: () => key(3), unshared: leads });
    const old = new PageTokens({ own: key(4), shared: () => key(1), unshared: leads });
    const token = old.encode("query", POSITION);
    expect(before.decode("query", token)).toEqual(POSITION);
    const learner = new PageTokens({ own: key(5), shared: () => undefined, unshared: leads });
    for (const none of [Uint8Array.of(1), key(0)]) {
      expect(() => learner.decode("query", none)).toThrow("page token is not one of this query");
    }
    expect(learner.decode("query", new Uint8Array(0))).toBeUndefined();
  });
});

describe("in a cluster of three", () => {
  const directory = mkdtempSync(join(tmpdir(), "authledger-page-tokens-"));
  const nodes: RunningNode[] = [];
  const closed = new Set<RunningNode>();
  let tenant: { readonly organization: bigint; readonly vault: bigint };

  async function start(name: string, peer?: string): Promise<RunningNode> {
    const addresses = { http: "127.0.0.1:0", peer: "127.0.0.1:0" };
    const config = parseNodeConfig({
      ...{
        data: join(directory, name),
        name,
        cache: "16MiB",
        shutdownGrace: 100,
        logLevel: "silent",
      },
      ...{ listen: `127.0.0.1:${await freePort()}`, ...addresses, ...(peer && { join: peer }) },
    });
    const about = { version: "0.0.0-test", logger: pino({ level: "silent" }) };
    const node = await startNode(config, { ...about, onFatal: () => undefined });
    nodes.push(node);
    return node;
  }

  function clientOf(endpoints: readonly RunningNode[], discover = false): LedgerClient {
    const addresses = endpoints.map(({ grpcAddress }) => grpcAddress);
    const client = createClient({ endpoints: addresses, discover, tenant, deadlineMs: 20_000 });
    onTestFinished(() => client.close());
    return client;
  }

  const page = (node: RunningNode, pageToken: Uint8Array = new Uint8Array(0)) => {
    const request = { ...tenant, pageSize: 2, pageToken, relation: "owner" };
    return call<read.ListRelationshipsResponse>(
      connect(node.grpcAddress),
      ["read", "listRelationships"],
      request,
    );
  };

  const owners = async (client: LedgerClient): Promise<number> => {
    let count = 0;
    for await (const _ of client.list({ relation: "owner" }, { pageSize: 2 })) count++;
    return count;
  };

  beforeAll(async () => {
    const first = await start("n1");
    const others = [await start("n2", first.peerAddress), await start("n3", first.peerAddress)];
    const addresses = others.map(({ peerAddress }) => peerAddress!);
    await first.engine.call("cluster_init", { addresses });
    await until("every voter has the key", () =>
      nodes.every(({ engine }) => engine.clusterKey("test") !== undefined),
    );
    const client = createClient({ endpoints: first.grpcAddress });
    const { slug: organization } = await client.admin.createOrganization("acme");
    const { slug: vault } = await client.admin.createVault({ organization, name: "main" });
    client.close();
    tenant = { organization, vault };
    const writer = createClient({ endpoints: first.grpcAddress, tenant });
    await writer.write([1, 2, 3, 4, 5].map((i) => createTuple(`doc:${i}#owner@user:a`)));
    writer.close();
  }, 60_000);

  afterAll(async () => {
    for (const node of nodes.toReversed()) if (!closed.has(node)) await node.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /*
   * The story: every node had a key of its own for page tokens, and the second page of a list goes to whichever replica: at two of
   * three the list ended with PAGE_TOKEN_INVALID although nothing had failed.
   */
  test("a list goes on at any node", async () => {
    const [n1, n2, n3] = nodes as [RunningNode, RunningNode, RunningNode];
    const found: string[] = [];
    let token: Uint8Array = new Uint8Array(0);
    for (const node of [n1, n2, n3]) {
      const { relationships, nextPageToken } = await page(node, token);
      found.push(...relationships.map(({ tuple }) => tuple!.resource));
      token = nextPageToken;
    }
    expect(token).toHaveLength(0);
    expect(new Set(found)).toEqual(new Set([1, 2, 3, 4, 5].map((i) => `doc:${i}`)));
    for (let again = 0; again < 5; again++) expect(await owners(clientOf(nodes))).toBe(5);
  });

  /*
   * The story: the first call was passed on, and the leader answered with a token of its own; the follower read that of the second
   * call itself, so that nobody could delete more than a thousand through it.
   */
  test("a deletion of more than one transaction goes through a follower", async () => {
    const client = clientOf([nodes[2]!]);
    const tuples = Array.from({ length: 1_001 }, (_, i) => createTuple(`old:${i}#viewer@user:a`));
    await client.write(tuples.slice(1));
    await client.write(tuples.slice(0, 1));
    let last = 0n;
    let calls = 0;
    for await (const { deleted } of client.deleteByFilter({ resourceType: "old" })) {
      last = deleted;
      calls++;
    }
    expect([last, calls > 1]).toEqual([1_001n, true]);
  });

  test("a node without the key gives no token that others cannot read, and says who leads; once it votes it has it", async () => {
    const [n1] = nodes as [RunningNode];
    const { nextPageToken } = await page(n1);
    const learner = await start("n4", n1.peerAddress);
    const administrator = clientOf([n1]);
    const { nodeId } = await administrator.cluster.add(learner.peerAddress!);
    await until("it has the state", () => learner.engine.stats().appliedIndex > 0);
    const behind = (): boolean =>
      learner.engine.stats().appliedIndex < n1.engine.stats().appliedIndex;
    await until("it has caught up", () => !behind());
    for (const token of [new Uint8Array(0), nextPageToken]) {
      const { details } = await failureOf(page(learner, token));
      expect(details.code).toBe("NOT_LEADER");
      expect(details.context["clientAddress"]).toBe(n1.grpcAddress);
    }
    expect(await owners(clientOf([learner, n1]))).toBe(5);
    // What is the leader's goes there with its token, as all that only a leader does.
    const matched: bigint[] = [];
    const deletion = clientOf([learner]).deleteByFilter({ resourceType: "doc" }, { dryRun: true });
    for await (const step of deletion) matched.push(step.matched);
    expect(matched.at(-1)).toBe(5n);

    await administrator.cluster.promote(nodeId);
    await until("it has the key", () => learner.engine.clusterKey("test") !== undefined);
    const second = await page(learner, nextPageToken);
    expect(second.relationships).toHaveLength(2);
    expect((await page(n1, second.nextPageToken)).relationships).toHaveLength(1);
  });

  /* The story: a watch ended for good with every node that was lost, for no other one could read where it was. */
  test("a watch of changes outlives the leader that it was at", async () => {
    const [n1, n2, n3] = nodes as [RunningNode, RunningNode, RunningNode];
    const ended = new AbortController();
    const interruptions: string[] = [];
    const options = {
      ...{ from: 0n, heartbeatMs: 1_000, signal: ended.signal },
      onInterrupted: ({ code }: LedgerError) => interruptions.push(code),
    };
    const watch = clientOf([n1, n2, n3]).watchChanges({ relation: "owner" }, options);
    const seen: string[] = [];
    let closing: Promise<void> | undefined;
    for await (const event of watch) {
      if (event.kind === "change") seen.push(String(event.change.height));
      else if (event.state === "live") {
        closing ??= (async () => {
          closed.add(n1);
          await n1.close();
          await clientOf([n2, n3]).write([createTuple("doc:6#owner@user:a")]);
        })();
      }
      if (seen.length === 6) break;
    }
    await closing;
    expect(interruptions.length).toBeGreaterThan(0);
    expect(interruptions).not.toContain("PAGE_TOKEN_INVALID");
    expect(new Set(seen).size).toBe(2);
  });
});
