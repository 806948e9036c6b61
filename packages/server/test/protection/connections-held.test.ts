/** What a node does with connections under overload, on real sockets. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { Protection } from "../../src/protection/protection.js";
import { limitOf } from "../../src/protection/stream-limits.js";
import { call, startHarness } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";

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
});
