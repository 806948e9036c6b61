/** Clients that ask and do not read: memory stays bounded, others are served, and who stalls is cut off. */
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { read, write } from "@authledger/proto";
import { describe, expect, it, onTestFinished } from "vitest";
import { Connections, UNREAD_BYTES_MAX } from "../src/connections.js";
import { freePort } from "./peer/peer-support.js";
import { call, type Harness, methodOf, startHarness } from "./support/harness.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";
import { SilentClient } from "./support/silent-client.js";

const MiB = 1024 * 1024;
const RESOURCE_EXHAUSTED = 8;

/** A harness with an entity of 1 MiB, and the bytes of a request for it. */
async function withLargeEntity(
  connections = new Connections(),
): Promise<{ h: Harness; path: string; message: Uint8Array }> {
  const h = await startHarness({ connections });
  const set = { key: "big", value: new Uint8Array(MiB), expiresAtMs: 0n };
  const operations = [{ operation: { $case: "setEntity", value: set } }];
  const request = { ...h.tenant, transaction: transaction(operations), prove: false };
  await call(h.client, ["write", "write"], request);
  const message = read.ReadRequest.encode(
    read.ReadRequest.fromPartial({ ...h.tenant, key: "big" }),
  ).finish();
  return { h, path: methodOf("read", "read").path, message };
}

/** Waits until something holds. */
async function until(what: () => boolean): Promise<void> {
  const begin = performance.now();
  while (!what()) {
    if (performance.now() - begin > 10_000) throw new Error(`never: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function answers(h: Harness, method: string, code: number): number {
  const [, meter] = [...h.meters.entries()].find(([name]) => name === method)!;
  return meter.counts[code]!;
}

// INV-CONN-1
describe("a client that never reads", () => {
  it.each([
    ["its window", 0],
    ["its socket, with all the window there is", undefined],
  ])("%s is refused more than it may leave unread, and others are served", async (_, window) => {
    const { h, path, message } = await withLargeEntity();
    const silent = await SilentClient.open(h.address, window);
    const before = process.memoryUsage().arrayBuffers;
    const asked = 400;
    for (let i = 0; i < asked; i++) await silent.ask(path, message);
    const done = (): number =>
      answers(h, "ReadService/read", 0) + answers(h, "ReadService/read", RESOURCE_EXHAUSTED);
    await until(() => done() >= asked);
    const given = answers(h, "ReadService/read", 0);
    expect(given * MiB).toBeGreaterThanOrEqual(UNREAD_BYTES_MAX);
    expect(given * MiB).toBeLessThanOrEqual(2 * UNREAD_BYTES_MAX + 4 * MiB);
    expect(h.connections.unreadBytes).toBeLessThanOrEqual(UNREAD_BYTES_MAX + 9 * MiB);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * MiB);
    expect(h.logged.at(-1)).toMatchObject({
      code: "OVERLOADED",
      details: { limit: UNREAD_BYTES_MAX },
    });
    const other = await call<read.ReadResponse>(h.client, ["read", "read"], {
      ...h.tenant,
      key: "big",
    });
    expect(other.entity?.value).toHaveLength(MiB);
    silent.close();
    await until(() => h.connections.unreadBytes === 0);
  });

  // A batch was let in, two answers of the largest size came in between and were not read, and the batch, which was done by then,
  // was answered OVERLOADED: refused before anything happened. Who has no idempotency keys sends such a call again.
  it("is never told that a write was refused which was executed (INV-CONN-1)", async () => {
    const { h, path, message } = await withLargeEntity();
    const silent = await SilentClient.open(h.address, 0);
    // As many as a frame has room for.
    const transactions = Array.from({ length: 350 }, () => transaction([createTuple()]));
    const batch = write.BatchWriteRequest.fromPartial({ ...h.tenant, transactions } as object);
    let goOn = (): void => undefined;
    h.engine.hold = new Promise((resolve) => {
      goOn = resolve;
    });
    const writes = h.engine.requests("write").length;
    await silent.ask(
      methodOf("write", "batchWrite").path,
      write.BatchWriteRequest.encode(batch).finish(),
    );
    await until(() => h.engine.requests("write").length > writes);
    h.engine.hold = undefined;
    for (let i = 0; i < 20; i++) await silent.ask(path, message);
    await until(() => answers(h, "ReadService/read", RESOURCE_EXHAUSTED) > 0);
    const unread = h.connections.unreadBytes;
    goOn();
    const done = (code: number): number => answers(h, "WriteService/batchWrite", code);
    await until(() => done(0) + done(RESOURCE_EXHAUSTED) > 0);
    expect([done(0), done(RESOURCE_EXHAUSTED)]).toEqual([1, 0]);
    expect(h.connections.unreadBytes).toBeGreaterThan(unread + 4_096);
  });

  it("and asks on and on for small answers is not read from any more", async () => {
    const h = await startHarness();
    const silent = await SilentClient.open(h.address);
    const { path } = methodOf("read", "check");
    const message = read.CheckRequest.encode(
      read.CheckRequest.fromPartial({ ...h.tenant, tuple: TUPLE }),
    ).finish();
    let isTaken = true;
    for (let i = 0; i < 400 && isTaken; i++) {
      const taken = silent.ask(path, message, 500).then(() => true);
      const stuck = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1_000));
      isTaken = (await Promise.race([taken, stuck])) && !silent.isClosed;
    }
    // The buffers of the system are full on both sides, and the server holds no more than they do.
    expect(isTaken).toBe(false);
    expect(answers(h, "ReadService/check", 0)).toBeLessThan(200_000);
    expect(await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE })).toBeDefined();
  });

  it("for too long is cut off", async () => {
    const { h, path, message } = await withLargeEntity(new Connections({ stallMs: 200 }));
    const silent = await SilentClient.open(h.address, 0);
    await silent.ask(path, message);
    await until(() => h.connections.unreadBytes > MiB);
    await until(() => h.connections.unreadBytes === 0);
    await until(() => h.connections.count === 1);
  });

  it("is the first to be cut off when all together leave too much unread", async () => {
    const { h, path, message } = await withLargeEntity(
      new Connections({ unreadTotalMax: 5 * MiB }),
    );
    const first = await SilentClient.open(h.address, 0);
    const second = await SilentClient.open(h.address, 0);
    for (let i = 0; i < 2; i++) await first.ask(path, message);
    await until(() => h.connections.unreadBytes > 2 * MiB);
    for (let i = 0; i < 3; i++) await second.ask(path, message);
    await until(() => h.connections.unreadBytes > 3 * MiB && h.connections.count === 2);
    expect(h.connections.unreadBytes).toBeLessThan(4 * MiB);
  });
});

// Its bytes stayed in the total of the node until a restart, and in the end every large answer cut a healthy connection off.
it("INV-CONN-3: what a connection had not read is counted no more when it has closed, whenever its calls end", async () => {
  const connections = new Connections();
  const server = await connections.listen("127.0.0.1", 0, () => undefined);
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  await until(() => connections.count === 1);
  let end = (): void => undefined;
  const answered = {
    getPeer: () => `127.0.0.1:${socket.localPort}`,
    cancelled: false,
    once: (_: "cancelled", ended: () => void) => {
      end = ended;
    },
  };
  connections.answering(answered, MiB);
  const taken = connections.sending(answered, MiB);
  connections.answering({ ...answered, cancelled: true }, MiB);
  expect(connections.unreadBytes).toBe(2 * MiB);
  socket.destroy();
  await until(() => connections.count === 0);
  expect(connections.unreadBytes).toBe(0);
  end();
  taken();
  expect(connections.unreadBytes).toBe(0);
});

// One port of a client may lead to both ports of a node at once. The later connection took the place of the first one, and when
// it closed, nothing held the first one back any more.
it("INV-CONN-4: of two connections with one port of their client the first is served and counted, and the second is closed", async () => {
  const connections = new Connections();
  const [first, second] = await Promise.all(
    [0, 1].map(async () => {
      const taken: Socket[] = [];
      const server = await connections.listen("127.0.0.1", 0, (socket) => taken.push(socket));
      onTestFinished(() => void server.close());
      return { taken, port: (server.address() as AddressInfo).port };
    }),
  );
  const localPort = await freePort();
  const dial = (port: number): Socket => {
    const socket = connect({ port, host: "127.0.0.1", localPort });
    onTestFinished(() => void socket.destroy());
    return socket.on("error", () => undefined);
  };
  const one = dial(first!.port);
  await until(() => first!.taken.length === 1);
  const other = dial(second!.port);
  await once(other, "connect");
  await until(() => other.closed || second!.taken.length > 0);
  expect([second!.taken.length, connections.count]).toEqual([0, 1]);
  const asked = {
    getPeer: () => `127.0.0.1:${localPort}`,
    cancelled: false,
    once: () => undefined,
  };
  connections.answering(asked, MiB);
  expect(connections.unreadBytes).toBe(MiB);
  one.destroy();
  await until(() => connections.count === 0);
  expect(connections.unreadBytes).toBe(0);
});

describe("a client that reads", () => {
  it("gets as many large answers as it asks for", async () => {
    const { h } = await withLargeEntity();
    for (let round = 0; round < 4; round++) {
      const reads = Array.from({ length: 10 }, () =>
        call<read.ReadResponse>(h.client, ["read", "read"], { ...h.tenant, key: "big" }),
      );
      for (const answer of await Promise.all(reads)) {
        expect(answer.entity?.value).toHaveLength(MiB);
      }
    }
    await until(() => h.connections.unreadBytes === 0);
  });
});
