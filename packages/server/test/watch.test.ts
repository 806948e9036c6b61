/** Watches of a real node: from the past into the present, whatever happens meanwhile. */
import { decodeHeader } from "@authledger/proof";
import { type admin, read, type write } from "@authledger/proto";
import { type Client, type ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../src/index.js";
import { call, connect, failureOf, methodOf } from "./support/harness.js";
import { transaction } from "./support/requests.js";

const { WATCH_STATE_HISTORY, WATCH_STATE_LIVE, WATCH_STATE_LAGGING } = read.WatchState;

interface Scene {
  readonly node: RunningNode;
  readonly client: Client;
  readonly tenant: { readonly organization: bigint; readonly vault: bigint };
  write(resource: string, about?: { remove?: boolean }): Promise<bigint>;
}

async function start(): Promise<Scene> {
  const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB", shutdownGrace: 500 };
  const node = await startNode(parseNodeConfig({ ...config, data: temporaryDirectory() }), {
    version: "0.0.0-test",
    logger: pino({ level: "silent" }),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  const client = connect(node.grpcAddress);
  const named = <R>(method: string, request: object): Promise<R> =>
    call<R>(client, ["admin", method], request);
  const { organization } = await named<admin.CreateOrganizationResponse>("createOrganization", {
    name: "acme",
  });
  const made = await named<admin.CreateVaultResponse>("createVault", {
    organization: organization!.slug,
    name: "main",
  });
  const tenant = { organization: organization!.slug, vault: made.vault!.slug };
  const write = async (resource: string, { remove = false } = {}): Promise<bigint> => {
    const tuple = { resource, relation: "viewer", subject: "user:ada" };
    const value = remove ? { tuple } : { tuple, expiresAtMs: 0n };
    const $case = remove ? "deleteRelationship" : "createRelationship";
    const request = { ...tenant, transaction: transaction([{ operation: { $case, value } }]) };
    const { result } = await call<write.WriteResponse>(client, ["write", "write"], {
      ...request,
      prove: false,
    });
    return result!.height;
  };
  return { node, client, tenant, write };
}

function watchOf<R>(client: Client, name: string, request: object): ClientReadableStream<R> {
  const { path, requestSerialize, responseDeserialize } = methodOf("read", name);
  const stream = client.makeServerStreamRequest(
    path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => responseDeserialize(bytes) as R,
    requestSerialize({ heartbeatMs: 0, transactions: false, ...request } as never),
    new Metadata(),
  );
  stream.on("error", () => undefined);
  return stream;
}

async function* messagesOf<R>(stream: ClientReadableStream<R>): AsyncGenerator<R> {
  try {
    for await (const message of stream) yield message as R;
  } finally {
    stream.cancel();
  }
}

const heightOf = ({ header }: read.Block): number => decodeHeader(header).height;
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

// INV-FOLLOW-1, INV-MOVES-1
describe("a watch of blocks", () => {
  it("gives history and then what comes, without gap or duplicate, while writers go on", async () => {
    const scene = await start();
    for (let i = 0; i < 20; i++) await scene.write(`doc:${i}`);
    const request = { ...scene.tenant, fromHeight: 0n, transactions: true };
    const stream = watchOf<read.WatchBlocksResponse>(scene.client, "watchBlocks", request);
    let last = 0n;
    const writing = (async () => {
      for (let i = 0; i < 200; i++) last = await scene.write(`doc:more${i}`);
    })();
    const heights: number[] = [];
    const states = new Set<number>();
    for await (const { blocks, progress } of messagesOf(stream)) {
      heights.push(...blocks.map(heightOf));
      states.add(progress!.state);
      expect(progress!.nextHeight).toBe(BigInt(heights.length));
      expect(blocks.every(({ transactions }) => transactions.length > 0)).toBe(true);
      if (heights.length >= 221) break;
    }
    await writing;
    expect(heights).toEqual(range(0, Number(last)));
    expect(states).toContain(WATCH_STATE_LIVE);
  });

  it("without a height begins with the next block", async () => {
    const scene = await start();
    await scene.write("doc:before");
    const stream = watchOf<read.WatchBlocksResponse>(scene.client, "watchBlocks", scene.tenant);
    const messages = messagesOf(stream);
    const first = (await messages.next()).value!;
    expect([first.blocks, first.progress!.state]).toEqual([[], WATCH_STATE_LIVE]);
    const height = await scene.write("doc:after");
    const second = (await messages.next()).value!;
    expect(second.blocks.map(heightOf)).toEqual([Number(height)]);
    await messages.return(undefined);
  });

  it("of a height that is not there is refused, and so is a heartbeat out of bounds", async () => {
    const { client, tenant } = await start();
    const failed = async (request: object) => {
      const stream = watchOf<read.WatchBlocksResponse>(client, "watchBlocks", request);
      return (await failureOf(messagesOf(stream).next())).details.code;
    };
    expect(await failed({ ...tenant, fromHeight: 99n })).toBe("HEIGHT_NOT_REACHED");
    expect(await failed({ ...tenant, heartbeatMs: 5 })).toBe("INVALID_ARGUMENT");
    expect(await failed({ ...tenant, vault: 3n })).toBe("VAULT_NOT_FOUND");
  });

  // INV-FOLLOW-2
  it("of a quiet vault brings heartbeats", async () => {
    const { client, tenant } = await start();
    const request = { ...tenant, heartbeatMs: 1_000 };
    const stream = watchOf<read.WatchBlocksResponse>(client, "watchBlocks", request);
    const times: bigint[] = [];
    for await (const { blocks, progress } of messagesOf(stream)) {
      expect(blocks).toEqual([]);
      times.push(progress!.timeMs);
      if (times.length === 3) break;
    }
    expect(Number(times[2]! - times[0]!)).toBeGreaterThanOrEqual(1_900);
  });

  it("whose client does not read tells it that it lags, and then gives it everything", async () => {
    const scene = await start();
    const request = { ...scene.tenant, fromHeight: 0n, transactions: true };
    const stream = watchOf<read.WatchBlocksResponse>(scene.client, "watchBlocks", request);
    const messages = messagesOf(stream);
    const heights: number[] = [];
    const states: number[] = [];
    while (states.at(-1) !== WATCH_STATE_LIVE) {
      const { blocks, progress } = (await messages.next()).value!;
      heights.push(...blocks.map(heightOf));
      states.push(progress!.state);
    }
    // Large blocks, so that the windows on the way are full soon.
    const reason = "r".repeat(1_000);
    const operations = range(1, 60).map((i) => ({
      operation: {
        $case: "createRelationship",
        value: {
          tuple: { resource: `doc:${"x".repeat(180)}${i}`, relation: "viewer", subject: "user:a" },
          expiresAtMs: 0n,
        },
      },
    }));
    let last = 0n;
    for (let i = 0; i < 140; i++) {
      const { result } = await call<write.WriteResponse>(scene.client, ["write", "write"], {
        ...scene.tenant,
        transaction: { ...transaction(operations), reason },
        prove: false,
      });
      last = result!.height;
    }
    while (heights.length <= Number(last)) {
      const { blocks, progress } = (await messages.next()).value!;
      heights.push(...blocks.map(heightOf));
      states.push(progress!.state);
    }
    await messages.return(undefined);
    expect(heights).toEqual(range(0, Number(last)));
    expect(states).toContain(WATCH_STATE_LAGGING);
    expect(states.at(-1)).toBe(WATCH_STATE_LIVE);
  });

  it("ends with a typed error when the node stops", async () => {
    const { node, client, tenant } = await start();
    const stream = watchOf<read.WatchBlocksResponse>(client, "watchBlocks", tenant);
    const messages = messagesOf(stream);
    await messages.next();
    const failed = failureOf(messages.next());
    await node.close();
    expect((await failed).details.code).toBe("SHUTTING_DOWN");
  });
});

describe("a watch of changes", () => {
  it("gives what matches, and moves its resume point also where nothing does", async () => {
    const scene = await start();
    await scene.write("doc:1");
    for (let i = 0; i < 5; i++) await scene.write(`folder:${i}`);
    const filter = { resourceType: "doc" };
    const begin = (rest: object): AsyncGenerator<read.WatchChangesResponse> =>
      messagesOf(
        watchOf<read.WatchChangesResponse>(scene.client, "watchChanges", {
          ...scene.tenant,
          filter,
          ...rest,
        }),
      );
    const first = begin({ start: { $case: "fromHeight", value: 0n } });
    const { changes, progress, resumeToken } = (await first.next()).value!;
    expect(changes.map(({ kind, height }: read.Change) => [kind, height])).toEqual([
      [read.ChangeKind.CHANGE_KIND_CREATED, 1n],
    ]);
    expect(progress).toMatchObject({ nextHeight: 7n, tipHeight: 6n, state: WATCH_STATE_LIVE });
    await first.return(undefined);
    await scene.write("doc:1", { remove: true });
    const resumed = begin({ start: { $case: "resumeToken", value: resumeToken } });
    const next = (await resumed.next()).value!;
    expect(next.changes.map(({ kind, height }: read.Change) => [kind, height])).toEqual([
      [read.ChangeKind.CHANGE_KIND_DELETED, 7n],
    ]);
    await resumed.return(undefined);
    const other = begin({
      filter: { resourceType: "folder" },
      start: { $case: "resumeToken", value: resumeToken },
    });
    const failed = await failureOf(other.next());
    expect([failed.details.code, failed.details.context["field"]]).toEqual([
      "PAGE_TOKEN_INVALID",
      "resume_token",
    ]);
  });

  it("and a list between two heights say the same", async () => {
    const scene = await start();
    for (let i = 0; i < 30; i++) await scene.write(`doc:${i}`);
    const listed: read.Change[] = [];
    let pageToken: Uint8Array = new Uint8Array(0);
    do {
      const page = await call<read.ListChangesResponse>(scene.client, ["read", "listChanges"], {
        ...scene.tenant,
        fromHeight: 5n,
        toHeight: 20n,
        pageSize: 3,
        pageToken,
      });
      listed.push(...page.changes);
      pageToken = page.nextPageToken;
    } while (pageToken.length > 0);
    expect(listed.map(({ height }) => Number(height))).toEqual(range(5, 20));
    const watched: read.Change[] = [];
    const request = { ...scene.tenant, start: { $case: "fromHeight", value: 5n } };
    const stream = watchOf<read.WatchChangesResponse>(scene.client, "watchChanges", request);
    for await (const { changes, progress } of messagesOf(stream)) {
      watched.push(...changes);
      if (progress!.state !== WATCH_STATE_HISTORY) break;
    }
    expect(watched.filter(({ height }) => height <= 20n)).toEqual(listed);
  });
});
