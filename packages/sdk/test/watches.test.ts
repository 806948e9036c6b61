/** Watches over real connections: they outlive nodes, silence and tampering, or say what happened. */
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { blockHash } from "@authledger/proof";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { LedgerError } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../test/support.js";
import {
  type ClientOptions,
  createClient,
  type Interceptor,
  type LedgerClient,
  nodeCrypto,
} from "../src/index.js";

async function open(data: string, listen = "127.0.0.1:0"): Promise<RunningNode> {
  const config = { listen, http: "127.0.0.1:0", cache: "16MiB", shutdownGrace: 200, data };
  const node = await startNode(parseNodeConfig(config), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  return node;
}

interface Scene {
  readonly data: string;
  readonly node: RunningNode;
  readonly client: LedgerClient;
  clientOf(options: Partial<ClientOptions>): LedgerClient;
  readonly anchor: string;
}

async function start(): Promise<Scene> {
  const data = join(temporaryDirectory(), "data");
  const node = await open(data);
  const first = createClient({ endpoints: node.grpcAddress });
  onTestFinished(() => first.close());
  const { slug: organization } = await first.admin.createOrganization("acme");
  const { slug: vault } = await first.admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const anchor = await first.admin.getTrustAnchor(tenant);
  const clientOf = (options: Partial<ClientOptions>): LedgerClient => {
    const client = createClient({ endpoints: node.grpcAddress, tenant, ...options });
    onTestFinished(() => client.close());
    return client;
  };
  return { data, node, client: clientOf({}), clientOf, anchor };
}

const write = (client: LedgerClient, i: number): Promise<unknown> =>
  client.write([
    {
      op: "create_tuple",
      tuple: { resource: `doc:${i}`, relation: "viewer", subject: "user:ada" },
      expiresAtMs: 0,
    },
  ]);

/** A proxy in front of a node whose bytes a test may hold back. */
async function proxy(
  target: string,
): Promise<{ address: string; isSilent: boolean; count: number }> {
  const [host, port] = target.split(":");
  const state = { address: "", isSilent: false, count: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    state.count++;
    const far = connect(Number(port), host);
    const isDead = (): boolean => state.isSilent && state.count === 1;
    near.on("data", (bytes) => isDead() || far.write(bytes));
    far.on("data", (bytes) => isDead() || near.write(bytes));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => (socket === near ? far : near).destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  state.address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  return state;
}

const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, i) => BigInt(i));

// INV-SDK-9
describe("a watch of blocks", () => {
  it("goes on behind the last block when the node was away, without gap or duplicate", async () => {
    const scene = await start();
    const client = scene.clientOf({ attemptsMax: 1_000, breaker: false });
    for (let i = 0; i < 5; i++) await write(client, i);
    const lost: string[] = [];
    const heights: bigint[] = [];
    const watching = (async () => {
      const onInterrupted = ({ code }: LedgerError): void => void lost.push(code);
      for await (const event of client.watchBlocks({ from: 0n, onInterrupted })) {
        if (event.kind === "block") heights.push(event.height);
        if (heights.length === 12) return;
      }
    })();
    while (heights.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    await scene.node.close();
    await open(scene.data, scene.node.grpcAddress);
    for (let i = 5; i < 11; i++) await write(client, i);
    await watching;
    expect(heights).toEqual(upTo(12));
    expect(lost[0]).toBe("SHUTTING_DOWN");
  });

  it("replaces a connection that is silent", async () => {
    const scene = await start();
    const between = await proxy(scene.node.grpcAddress);
    const client = scene.clientOf({ endpoints: between.address });
    const heights: bigint[] = [];
    const options = { from: 0n, heartbeatMs: 1_000 };
    for await (const event of client.watchBlocks({
      ...options,
      onInterrupted: () => {
        // The library keeps the dead connection until it is told otherwise; a proxy drops it at last.
        between.isSilent = false;
      },
    })) {
      if (event.kind === "block") heights.push(event.height);
      if (heights.length === 1 && !between.isSilent && event.kind === "progress") {
        between.isSilent = true;
        await write(scene.client, 1);
      }
      if (heights.length === 2) break;
    }
    expect(heights).toEqual(upTo(2));
  }, 15_000);

  it("shows, when it verifies, that its blocks are the signed history, from wherever it begins", async () => {
    const scene = await start();
    for (let i = 0; i < 9; i++) await write(scene.client, i);
    for (const from of [0n, 1n, 6n]) {
      const client = scene.clientOf({ verify: { anchor: scene.anchor } });
      const hashes: Uint8Array[] = [];
      for await (const event of client.watchBlocks({ from, transactions: true })) {
        if (event.kind === "progress") break;
        expect(event.isVerified).toBe(true);
        expect(event.transactions).toHaveLength(1);
        expect(event.blockHash).toEqual(blockHash(nodeCrypto.hasher, event.header));
        hashes.push(event.blockHash);
      }
      expect(hashes).toHaveLength(10 - Number(from));
      const range = await client.getBlockRange(from, { limit: 3 });
      expect([range.isVerified, range.blocks.length, range.nextHeight]).toEqual([
        true,
        3,
        from + 3n,
      ]);
    }
  });

  // The questions beside the stream were asked outside what resumes it: a leader that was away for longer than a call
  // waits ended a watch that verifies, and no other.
  it("that verifies goes on when a question to its history had no answer", async () => {
    const scene = await start();
    for (let i = 0; i < 4; i++) await write(scene.client, i);
    // Before the first answer, and behind it.
    let refusals = 2;
    const interceptor: Interceptor = {
      unary: (next) => async (call) => {
        const isAsked = /GetBlockRange|GetCheckpoint/.test(call.method);
        if (isAsked && refusals-- > 0) throw new LedgerError("NO_LEADER", "an election");
        return next(call);
      },
    };
    const client = scene.clientOf({
      verify: { anchor: scene.anchor },
      interceptors: [interceptor],
    });
    const heights: bigint[] = [];
    const lost: string[] = [];
    const onInterrupted = ({ code }: LedgerError): void => void lost.push(code);
    for await (const event of client.watchBlocks({ from: 0n, onInterrupted })) {
      if (event.kind === "progress") continue;
      expect(event.isVerified).toBe(true);
      heights.push(event.height);
      if (heights.length === 5) {
        refusals = 3;
        await write(scene.client, 9);
      }
      if (heights.length === 6) break;
    }
    expect(heights).toEqual(upTo(6));
    expect(lost).toEqual(Array(5).fill("NO_LEADER"));
  });

  it("ends when its caller gives up, with an error that says so, or when nobody wants more", async () => {
    const { client } = await start();
    const controller = new AbortController();
    const next = client.watchBlocks({ signal: controller.signal })[Symbol.asyncIterator]();
    await next.next();
    setTimeout(() => controller.abort(), 20);
    expect((await rejectedBy(next.next())).code).toBe("CANCELLED");
  });

  it("that cannot begin says why", async () => {
    const { client, clientOf } = await start();
    const first = (watch: AsyncIterable<unknown>): Promise<unknown> =>
      watch[Symbol.asyncIterator]().next();
    expect((await rejectedBy(first(client.watchBlocks({ from: 99n })))).code).toBe(
      "HEIGHT_NOT_REACHED",
    );
    const nowhere = clientOf({ endpoints: "127.0.0.1:1", deadlineMs: 300 });
    expect((await rejectedBy(first(nowhere.watchBlocks()))).code).toBe("UNAVAILABLE");
  }, 15_000);
});

describe("changes", () => {
  it("are the same listed and watched, and a block proof of each block that made them holds", async () => {
    const scene = await start();
    for (let i = 0; i < 5; i++) await write(scene.client, i);
    const filter = { resourceType: "doc", subject: "user:ada" };
    const listed = [];
    for await (const change of scene.client.listChanges(filter, { pageSize: 2 }))
      listed.push(change);
    expect(listed.map(({ height, change }) => [height, change])).toEqual(
      [1n, 2n, 3n, 4n, 5n].map((height) => [height, "created"]),
    );
    const watched = [];
    for await (const event of scene.client.watchChanges(filter, { from: 0n })) {
      if (event.kind === "progress") break;
      watched.push(event.change);
    }
    expect(watched).toEqual(listed);
    const client = scene.clientOf({ verify: { anchor: scene.anchor } });
    for (const height of upTo(6)) {
      const { executed } = await client.getBlockProof(height);
      expect(executed!.changes.length).toBeGreaterThan(1);
    }
  });
});
