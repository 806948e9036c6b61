/** What a node does with connections under overload, on real sockets. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { Protection } from "../../src/protection/protection.js";
import { limitOf } from "../../src/protection/stream-limits.js";
import { call, startHarness } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";

const WAIT = { timeout: 10_000, interval: 5 };

function protectionOf(streamsPerConnection = 1_024): Protection {
  const { values } = new RuntimeConfig();
  return new Protection(() => values, { streamsPerConnection, connectionsMax: 500 });
}

interface WirePeer {
  getPeer(): string;
}

async function sessionTo(address: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://${address}`);
  onTestFinished(() => session.destroy());
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  return session;
}

describe("a connection that is held", () => {
  test("is not read, and what waited meanwhile is known to have waited", async () => {
    const protection = protectionOf();
    const seen: [string, boolean][] = [];
    const step = {
      enter: ({ wire }: { wire: { getPeer(): string } }) => {
        seen.push([wire.getPeer(), protection.connections.hasWaited(wire)]);
      },
    };
    // Calls of administration pass the guard, so the step sees them whether they waited or not.
    const h = await startHarness({ protection, steps: [step] });
    await call(h.client, ["admin", "getNodeInfo"], {});
    const [[peer] = [""]] = seen;
    protection.connections.hold({ getPeer: () => peer }, 300);
    expect(protection.connections.heldCount).toBe(1);
    const began = performance.now();
    await call(h.client, ["admin", "getNodeInfo"], {});
    expect(performance.now() - began).toBeGreaterThan(200);
    await sleep(20);
    await call(h.client, ["admin", "getNodeInfo"], {});
    expect(seen.map(([, hasWaited]) => hasWaited)).toEqual([false, true, false]);
    expect(protection.connections.heldCount).toBe(0);
  });

  test("is never that of another node: many clients are behind it", async () => {
    const protection = protectionOf();
    const peers: string[] = [];
    const step = {
      enter: ({ wire }: { wire: { getPeer(): string } }) => void peers.push(wire.getPeer()),
    };
    const h = await startHarness({ protection, steps: [step] });
    await call(h.client, ["admin", "getNodeInfo"], {});
    const node = { getPeer: () => peers[0]! };
    protection.connections.markNode(node);
    protection.connections.hold(node, 60_000);
    expect(protection.connections.heldCount).toBe(0);
    await call(h.client, ["admin", "getNodeInfo"], {}, { deadlineMs: 5_000 });
  });

  test("and a read that waited so is refused with the time to come again", async () => {
    const protection = protectionOf();
    const h = await startHarness({ protection });
    const peers: string[] = [];
    const of = {
      enter: ({ wire }: { wire: { getPeer(): string } }) => void peers.push(wire.getPeer()),
    };
    const other = await startHarness({ protection, steps: [of] });
    await call(other.client, ["admin", "getNodeInfo"], {});
    protection.connections.hold({ getPeer: () => peers[0]! }, 200);
    const refused = call(other.client, ["read", "check"], { ...other.tenant, tuple: TUPLE });
    await expect(refused).rejects.toMatchObject({ code: 8 });
    await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
  });
});

describe("a crowd", () => {
  test("INV-OVER-2: of it those are held that asked before and not in this turn; nodes and who never asked are not", async () => {
    const protection = protectionOf();
    const { connections } = protection;
    const peers: string[] = [];
    const of = {
      enter: ({ wire }: { wire: { getPeer(): string } }) => void peers.push(wire.getPeer()),
    };
    const h = await startHarness({ protection, steps: [of] });
    const clients = [h, await startHarness({ protection, steps: [of] })];
    for (const { client } of clients) await call(client, ["admin", "getNodeInfo"], {});
    const [first, second] = peers.map((peer) => ({ getPeer: () => peer })) as [WirePeer, WirePeer];
    connections.holdOthers(() => 50);
    expect(connections.heldCount).toBe(0);
    connections.noteAsked(first);
    connections.noteAsked(second);
    connections.markNode(second);
    connections.holdOthers(() => 50);
    expect(connections.heldCount).toBe(0);
    connections.endTurn();
    connections.holdOthers(() => 50);
    expect(connections.heldCount).toBe(1);
    expect([connections.hold(first, 50), connections.hold(second, 50)]).toEqual([false, false]);
  });
});

describe("calls that connections may have at once", () => {
  test("INV-OVER-3: all together stay below the total, however many connections there are", () => {
    for (const connections of [1, 2, 3, 16, 17, 100, 2_000, 4_000]) {
      for (const [isOverloaded, total] of [
        [false, 16_384],
        [true, 512],
      ] as const) {
        const limit = limitOf(connections, 1_024, isOverloaded);
        expect(limit).toBeLessThanOrEqual(1_024);
        expect(limit * connections).toBeLessThanOrEqual(Math.max(total, 2 * connections));
      }
    }
    expect(limitOf(16, 1_024, false)).toBe(1_024);
  });

  test("INV-OVER-3: clients are told over their connections, new ones and old ones", async () => {
    const protection = protectionOf();
    const h = await startHarness({ protection });
    const first = await sessionTo(h.address);
    expect(first.remoteSettings.maxConcurrentStreams).toBe(1_024);
    for (let i = 0; i < 40; i++) await sessionTo(h.address);
    await sleep(50);
    expect(first.remoteSettings.maxConcurrentStreams).toBe(256);
    protection.streamLimits.isOverloaded = true;
    await sleep(50);
    expect(first.remoteSettings.maxConcurrentStreams).toBe(8);
    const late = await sessionTo(h.address);
    await sleep(50);
    expect(late.remoteSettings.maxConcurrentStreams).toBe(8);
    protection.streamLimits.isOverloaded = false;
    await sleep(50);
    expect(late.remoteSettings.maxConcurrentStreams).toBe(256);
  });

  test("INV-OVER-6: a watch takes no place of a call, and gives none when it is over", async () => {
    const protection = protectionOf();
    const { address } = await startHarness({ protection });
    const sessions = [await sessionTo(address)];
    for (let i = 0; i < 40; i++) sessions.push(await sessionTo(address));
    protection.streamLimits.isOverloaded = true;
    await sleep(50);
    const [first] = sessions as [ClientHttp2Session];
    const { localAddress, localPort } = first.socket;
    const limit = (): number | undefined => first.remoteSettings.maxConcurrentStreams;
    expect(limit()).toBe(8);
    protection.streamLimits.count(`${localAddress}:${localPort}`, 3);
    await sleep(50);
    expect(limit()).toBe(11);
    expect(sessions[1]!.remoteSettings.maxConcurrentStreams).toBe(8);
    protection.streamLimits.count(`${localAddress}:${localPort}`, 0);
    await sleep(50);
    expect(limit()).toBe(8);
  });

  /*
   * The story: every watch that began or ended told its connection a limit. A client that opened forty at once had its connection
   * destroyed with all calls on it: the library takes ten changes that are not acknowledged.
   */
  test("INV-OVER-7: many watches that begin or end at once leave the connection whole, and its limit right", async () => {
    const protection = protectionOf();
    const { address } = await startHarness({ protection });
    const first = await sessionTo(address);
    protection.streamLimits.isOverloaded = true;
    for (let i = 0; i < 3; i++) await sessionTo(address);
    const limit = (): number | undefined => first.remoteSettings.maxConcurrentStreams;
    await vi.waitUntil(() => limit() === 128, WAIT);
    let told = 0;
    first.on("remoteSettings", () => told++);
    const peer = `${first.socket.localAddress}:${first.socket.localPort}`;
    for (let count = 1; count <= 40; count++) protection.streamLimits.count(peer, count);
    await vi.waitUntil(() => first.destroyed || limit() === 168, WAIT);
    for (let count = 39; count >= 0; count--) protection.streamLimits.count(peer, count);
    await vi.waitUntil(() => first.destroyed || limit() === 128, WAIT);
    expect([first.destroyed, told]).toEqual([false, 2]);
  });

  test("INV-OVER-7: nor does a client lose its connection that acknowledges nothing for a while", async () => {
    const protection = protectionOf();
    const { address } = await startHarness({ protection });
    protection.streamLimits.isOverloaded = true;
    const [host, port] = address.split(":");
    const socket = connectTcp(Number(port), host);
    onTestFinished(() => void socket.destroy());
    const none = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), none]));
    let frames = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      frames = Buffer.concat([frames, bytes]);
    });
    // Its settings, those of its acknowledgement, and its limit of 512.
    await vi.waitUntil(() => frames.length >= 45, WAIT);
    const peer = `${socket.localAddress}:${socket.localPort}`;
    for (let count = 1; count <= 40; count++) {
      protection.streamLimits.count(peer, count);
      await sleep(2);
    }
    const before = frames.length;
    expect(socket.destroyed || socket.readableEnded).toBe(false);
    // It acknowledges what it was told, and hears of what has changed since.
    const acknowledged = Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]);
    for (let i = 0; i < 2; i++) socket.write(acknowledged);
    await vi.waitUntil(() => socket.destroyed || frames.length > before, WAIT);
    expect(socket.destroyed || socket.readableEnded).toBe(false);
    expect(frames.readUInt32BE(frames.length - 4)).toBe(512 + 40);
  });
});
