/** The frame of streaming calls: its window, its ends, its limits, and what it measures. */
import { AssertionError, LedgerError } from "@authledger/types";
import {
  type Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
} from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { CHANNEL_OPTIONS } from "../src/channel-options.js";
import { parseRuntimeInput, RuntimeConfig } from "../src/config/runtime-config.js";
import { Connections, UNREAD_BYTES_MAX } from "../src/connections.js";
import { addFramedService } from "../src/framed-service.js";
import { DeadlineStep } from "../src/gate/deadline.js";
import { Gate } from "../src/gate/gate.js";
import { RpcMeters } from "../src/metrics.js";
import { OpenStreams, type OpenStreamsOptions } from "../src/open-streams.js";
import { Protection } from "../src/protection/protection.js";
import { type StreamHandler, transfer, WINDOW_BYTES, watch } from "../src/streaming.js";
import { connect, failureOf } from "./support/harness.js";
import { SilentClient } from "./support/silent-client.js";

const WATCH = "/test.Streams/Watch";
const TRANSFER = "/test.Streams/Transfer";
const KiB = 1024;
const MiB = 1024 * KiB;

interface Streams {
  readonly address: string;
  readonly client: Client;
  readonly open: OpenStreams;
  readonly connections: Connections;
  readonly meters: RpcMeters;
  readonly bugs: AssertionError[];
  readonly server: Server;
}

/** A server with two methods that share a handler: a watch and a transfer. */
async function startStreams(
  handler: StreamHandler<Buffer, Buffer>,
  limits: OpenStreamsOptions = {},
): Promise<Streams> {
  const server = new Server({ ...CHANNEL_OPTIONS });
  const open = new OpenStreams(limits);
  const connections = new Connections();
  const meters = new RpcMeters(() => undefined);
  const bugs: AssertionError[] = [];
  const decode = (bytes: Buffer): Buffer => {
    if (bytes[0] === 0xff) throw new Error("this is no request");
    return bytes;
  };
  const method = (path: string) => ({
    path,
    requestStream: false,
    responseStream: true,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: decode,
    responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
    responseDeserialize: (bytes: Buffer) => bytes,
  });
  const { values } = new RuntimeConfig(parseRuntimeInput({ overloadTurn: 0 }));
  const settings = { streamsPerConnection: 1_024, connectionsMax: 4_000, connections };
  const protection = new Protection(() => values, settings);
  addFramedService(
    server,
    {
      name: "Streams",
      definition: { watch: method(WATCH), transfer: method(TRANSFER) },
      requests: { watch: decode, transfer: decode },
      handlers: {},
      streams: { watch: watch(handler), transfer: transfer(handler) },
    },
    {
      meters,
      connections,
      streams: open,
      methods: new Map(),
      gate: new Gate([new DeadlineStep()]),
      overload: protection.overload,
      isStopped: () => bugs.length > 0,
      onBug: (error) => bugs.push(error),
    },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await connections.listen("127.0.0.1", 0, (s) => injector.injectConnection(s));
  onTestFinished(() => {
    listener.close();
    server.forceShutdown();
  });
  const { port } = listener.address() as { port: number };
  const address = `127.0.0.1:${port}`;
  return { address, client: connect(address), open, connections, meters, bugs, server };
}

type Stream = ClientReadableStream<Buffer>;

function begin(client: Client, path = WATCH, bytes = Buffer.of(1), deadlineMs = 20_000): Stream {
  const options = { deadline: Date.now() + deadlineMs };
  const same = (value: Buffer): Buffer => value;
  return client.makeServerStreamRequest(path, same, same, bytes, new Metadata(), options);
}

/** Messages until the end, or until as many as are wanted. */
async function collect(stream: Stream, count = Number.POSITIVE_INFINITY): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const message of stream) {
    messages.push(message as Buffer);
    if (messages.length >= count) break;
  }
  return messages;
}

async function until(what: () => boolean): Promise<void> {
  const begun = performance.now();
  while (!what()) {
    if (performance.now() - begun > 10_000) throw new Error(`never: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A handler that counts what was asked of it, and whether it has ended. */
function counting(bytes: number, count = Number.POSITIVE_INFINITY) {
  const seen = { made: 0, begun: 0, ended: 0 };
  const handler: StreamHandler<Buffer, Buffer> = async function* () {
    seen.begun++;
    try {
      for (let i = 0; i < count; i++) {
        seen.made++;
        yield Buffer.alloc(bytes, i);
        if (i % 16 === 0) await new Promise(setImmediate);
      }
    } finally {
      seen.ended++;
    }
  };
  return { seen, handler };
}

/** Says one thing and then waits until it is aborted. */
const waiting: StreamHandler<Buffer, Buffer> = async function* (_, { signal }) {
  yield Buffer.of(7);
  await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
};

describe("a stream", () => {
  it("sends every message in order and then ends well", async () => {
    const { handler, seen } = counting(1_000, 2_000);
    const { client, meters, open } = await startStreams(handler);
    const messages = await collect(begin(client, TRANSFER));
    expect(messages.map((message) => message[0])).toEqual(
      Array.from({ length: 2_000 }, (_, i) => i % 256),
    );
    await until(() => open.count === 0);
    expect(seen).toEqual({ made: 2_000, begun: 1, ended: 1 });
    expect(meters.stream("Streams/transfer")).toMatchObject({ open: 0, messages: 2_000 });
    expect(meters.method("Streams/transfer").counts[0]).toBe(1);
  });

  it("refuses a request that is not its message", async () => {
    const { client } = await startStreams(waiting);
    const failed = await failureOf(collect(begin(client, WATCH, Buffer.of(0xff))));
    expect([failed.details.code, failed.text]).toEqual([
      "MALFORMED_MESSAGE",
      expect.stringContaining("this is no request"),
    ]);
  });

  it("that fails gives what it sent before, and then the error with its details", async () => {
    const { client, open } = await startStreams(async function* () {
      yield Buffer.of(1);
      yield Buffer.of(2);
      throw new LedgerError("HEIGHT_UNAVAILABLE", "too old", { details: { oldest: 5 } });
    });
    const seen: Buffer[] = [];
    const stream = begin(client);
    stream.on("data", (message: Buffer) => seen.push(message));
    const error = await new Promise<ServiceError>((resolve) => stream.once("error", resolve));
    const failed = await failureOf(Promise.reject(error));
    expect(seen).toHaveLength(2);
    expect([failed.details.code, failed.details.context]).toEqual([
      "HEIGHT_UNAVAILABLE",
      { oldest: "5" },
    ]);
    await until(() => open.count === 0);
  });

  it("whose message is larger than a message may be ends with an error that says so", async () => {
    const { handler } = counting(9 * MiB);
    const { client } = await startStreams(handler);
    expect((await failureOf(collect(begin(client)))).details.code).toBe("LIMIT_EXCEEDED");
  });

  it("that meets a broken invariant stops the node", async () => {
    const { client, bugs } = await startStreams(async function* () {
      yield Buffer.of(1);
      throw new AssertionError("INV-X: a secret", {});
    });
    expect((await failureOf(collect(begin(client)))).details.code).toBe("INTERNAL");
    expect(bugs).toHaveLength(1);
    expect((await failureOf(collect(begin(client)))).details.code).toBe("NODE_STOPPED");
  });
});

// INV-STREAM-2, INV-CONN-2
describe("a client that does not read", () => {
  it("pauses its handler after a window of messages, and gets all of them when it reads", async () => {
    const { handler, seen } = counting(16 * KiB, 1_000);
    const { client, meters } = await startStreams(handler);
    const stream = begin(client, TRANSFER);
    // The library at the client begins to read when somebody wants the first message.
    const messages = stream[Symbol.asyncIterator]();
    await messages.next();
    let made = -1;
    while (made !== seen.made) {
      made = seen.made;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // The window here, that of HTTP/2, and what the library at the client reads ahead.
    expect(made * 16 * KiB).toBeLessThan(3 * WINDOW_BYTES);
    let got = 1;
    while ((await messages.next()).done !== true) got++;
    expect(got).toBe(1_000);
    expect(meters.stream("Streams/transfer").pausedSeconds).toBeGreaterThan(0.05);
  });

  it("on one connection holds no more than the connection may, however many streams it opens", async () => {
    const { handler, seen } = counting(MiB);
    const { address, connections } = await startStreams(handler);
    const silent = await SilentClient.open(address, 0);
    await silent.ask(WATCH, Buffer.of(1), 100);
    await until(() => seen.begun === 100 && connections.unreadBytes >= UNREAD_BYTES_MAX);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(connections.unreadBytes).toBeLessThanOrEqual(UNREAD_BYTES_MAX + MiB);
    expect(seen.made).toBeLessThanOrEqual(200);
    silent.close();
    await until(() => connections.unreadBytes === 0 && seen.ended === 100);
  });
});

// INV-STREAM-3
describe("the end of a stream", () => {
  // A client that did not read opened watches with short deadlines: each left what it waited for room with at its connection,
  // with its call and its request, until the heap was full.
  it("INV-CONN-3: ends its wait for room of its connection, also while nobody reads that", async () => {
    const { handler, seen } = counting(MiB);
    const { address, connections, open } = await startStreams(handler);
    const silent = await SilentClient.open(address, 0);
    await silent.ask(WATCH, Buffer.of(1), 100);
    await until(() => seen.begun === 100 && connections.waitingStreams > 80);
    open.stop();
    await until(() => seen.ended === 100);
    expect([connections.count, connections.waitingStreams]).toEqual([1, 0]);
    expect(connections.unreadBytes).toBeGreaterThanOrEqual(UNREAD_BYTES_MAX);
  });

  // A stream that its client cancels does not know its connection any more, by which it was to be forgotten.
  it("INV-CONN-3: by its client ends its wait for room, whatever else of the connection is not read", async () => {
    const { handler, seen } = counting(MiB);
    const { address, connections, open } = await startStreams(handler);
    const silent = await SilentClient.open(address, 0);
    await silent.ask(WATCH, Buffer.of(1), 100);
    await until(() => seen.begun === 100 && connections.waitingStreams > 80);
    // The first ones have what the connection may have, so nobody else is given room.
    silent.cancelAllBut(20);
    await until(() => seen.ended === 80 && open.count === 20);
    expect(connections.unreadBytes).toBeGreaterThanOrEqual(UNREAD_BYTES_MAX);
    expect(connections.waitingStreams).toBeLessThanOrEqual(20);
  });

  it("by its client ends its handler, also while it is paused", async () => {
    const { handler, seen } = counting(64 * KiB);
    const { client, open, connections } = await startStreams(handler);
    const stream = begin(client);
    stream.on("error", () => undefined);
    await until(() => seen.made > 3);
    stream.cancel();
    await until(() => seen.ended === 1 && open.count === 0 && connections.unreadBytes === 0);
  });

  it("by its deadline has the error's details", async () => {
    const { client, open } = await startStreams(waiting);
    const stream = begin(client, WATCH, Buffer.of(1), 300);
    // The client's own clock would end it without details a little later.
    const error = await collect(stream).catch((thrown: ServiceError) => thrown);
    expect((error as ServiceError).code).toBe(4);
    await until(() => open.count === 0);
  });

  it("at shutdown comes at once for watches, while transfers may finish", async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { client, open, server } = await startStreams(async function* () {
      yield Buffer.of(1);
      await released;
      yield Buffer.of(2);
    });
    const watched = failureOf(collect(begin(client, WATCH)));
    const transferred = collect(begin(client, TRANSFER));
    await until(() => open.count === 2);
    open.stop();
    expect((await watched).details.code).toBe("SHUTTING_DOWN");
    const refused = await failureOf(collect(begin(client, TRANSFER)));
    expect(refused.details.code).toBe("SHUTTING_DOWN");
    const shut = new Promise((resolve) => server.tryShutdown(resolve));
    release();
    expect(await transferred).toHaveLength(2);
    await shut;
  });
});

// INV-STREAM-1
describe("open streams", () => {
  it("are limited for each connection and for the node, and one that ends makes room", async () => {
    const { client, address, open } = await startStreams(waiting, {
      perConnectionMax: 2,
      perNodeMax: 3,
    });
    const streams = [begin(client), begin(client)];
    for (const stream of streams) stream.on("error", () => undefined);
    await until(() => open.count === 2);
    const refused = await failureOf(collect(begin(client)));
    expect([refused.details.code, refused.details.context["limit"]]).toEqual(["OVERLOADED", "2"]);
    const { Client: GrpcClient } = await import("@grpc/grpc-js");
    const other = new GrpcClient(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    onTestFinished(() => other.close());
    expect(await collect(begin(other), 1)).toHaveLength(1);
    const third = begin(other);
    third.on("error", () => undefined);
    await until(() => open.count === 3);
    const full = await failureOf(collect(begin(other)));
    expect([full.details.code, full.details.context["limit"]]).toEqual(["OVERLOADED", "3"]);
    streams[0]!.cancel();
    await until(() => open.count === 2);
    expect(await collect(begin(client), 1)).toHaveLength(1);
  });
});
