/** Nodes that talk over real gRPC on this machine. */
import { FrameKind } from "@authledger/engine";
import { groupId, nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { SILENT_MS } from "../../src/peer/peer-limits.js";
import { CLUSTER, memberOf, startCluster, TcpProxy, TestNode, until } from "./peer-support.js";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("nodes of a cluster", () => {
  it("reach each other over one stream for each pair, and both ends send", async () => {
    const [a, b, c] = (await startCluster(1n, 2n, 3n)) as [TestNode, TestNode, TestNode];
    expect(a.say(b, "a to b")).toBe(true);
    expect(b.say(a, "b to a")).toBe(true);
    expect(c.say(a, "c to a", FrameKind.secret)).toBe(true);
    await until("all has arrived", () => a.frames.length === 2 && b.frames.length === 1);
    expect(b.frames).toMatchObject([{ from: 1n, kind: FrameKind.raft }]);
    expect(a.texts.sort()).toEqual(["b to a", "c to a"]);
    expect(b.frames[0]?.payload.constructor).toBe(Uint8Array);
    for (const { peers } of [a, b, c]) {
      expect(peers.stats().map(({ connects, losses }) => [connects, losses])).toEqual([
        [1, 0],
        [1, 0],
      ]);
    }
  });

  it("all frames of one turn leave in one batch", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const before = a.peers.stats()[0]!.batchesSent;
    await Promise.resolve().then(() => {
      for (let i = 0; i < 50; i++) a.say(b, `frame ${i}`);
    });
    a.say(b, "one more of the same turn");
    await until("all has arrived", () => b.frames.length === 51);
    expect(a.peers.stats()[0]!.batchesSent - before).toBe(1);
    expect(b.texts.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, i) => `frame ${i}`));
  });

  it("INV-PEER-3: frames arrive as they were sent, however the network cuts the bytes", async () => {
    const random = testRandom("network cuts bytes");
    const b = await TestNode.start({ id: 2n });
    const proxy = await TcpProxy.start(() => b.peers.port);
    const a = await TestNode.start({ id: 1n });
    a.knows({ ...b.member, peerAddress: proxy.address });
    b.knows(a);
    await until("they talk", () => a.reaches(b) && b.reaches(a));
    proxy.pieceBytes = () => 1 + random.int(700);
    const sent: string[] = [];
    for (let turn = 0; turn < 12; turn++) {
      for (let i = random.int(6); i >= 0; i--) {
        const payload = random.bytes(random.int(turn === 5 ? 60_000 : 400));
        sent.push(Buffer.from(payload).toString("hex"));
        a.peers.send(b.id, { kind: FrameKind.raft, group: groupId(1), payload });
      }
      await sleep(1);
    }
    await until("all has arrived", () => b.frames.length === sent.length);
    expect(b.frames.map(({ payload }) => Buffer.from(payload).toString("hex"))).toEqual(sent);
  });

  it("a node that died is reached again when it is back, and the loss is told", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const { port } = b.peers;
    await b.peers.close();
    await until("the loss is told", () => a.unreachable.includes(b.id));
    expect([a.reaches(b), a.say(b, "lost")]).toEqual([false, false]);
    const again = await TestNode.start({ id: 2n, port });
    again.knows(a);
    await until("it is back", () => a.reaches(again) && again.reaches(a));
    a.say(again, "hello again");
    await until("frames pass", () => again.texts.includes("hello again"));
    expect(a.problemWith(again)).toBeUndefined();
  });

  it("the node with the higher id finds a node that knows nobody", async () => {
    const waiting = await TestNode.start({ id: 1n, clusterId: undefined });
    const leader = await TestNode.start({ id: 9n });
    leader.knows(waiting);
    await until("they talk", () => leader.reaches(waiting) && waiting.reaches(leader));
    expect(waiting.connected).toEqual([[9n, CLUSTER, 0]]);
    expect(leader.connected).toEqual([[1n, undefined, 0]]);
    leader.say(waiting, "join us");
    waiting.say(leader, "with pleasure");
    await until("frames pass", () => waiting.frames.length + leader.frames.length === 2);
    waiting.clusterId = CLUSTER;
    waiting.knows(leader);
    await sleep(50);
    expect(leader.peers.stats()).toMatchObject([{ connects: 1, losses: 0 }]);
  });

  it("two that dial at once keep one stream", async () => {
    const [a, b] = [await TestNode.start({ id: 1n }), await TestNode.start({ id: 2n })];
    const slow = await TcpProxy.start(() => b.peers.port);
    a.knows({ ...b.member, peerAddress: slow.address });
    slow.isPaused = true;
    b.knows(a);
    await until("b has come by itself", () => b.reaches(a) && a.reaches(b));
    slow.isPaused = false;
    await sleep(100);
    a.say(b, "one");
    b.say(a, "two");
    await until("frames pass", () => a.frames.length === 1 && b.frames.length === 1);
    expect([a.reaches(b), b.reaches(a)]).toEqual([true, true]);
  });

  it("an address that changes is dialed anew", async () => {
    const [a, b] = [await TestNode.start({ id: 1n }), await TestNode.start({ id: 2n })];
    a.knows({ ...b.member, peerAddress: "127.0.0.1:1" });
    await until("the problem is known", () => a.problemWith(b) !== undefined);
    a.knows(b);
    await until("it is reached", () => a.reaches(b));
  });
});

describe("a link", () => {
  it("on which nothing is heard is given up, and dialed again when the network is back", async () => {
    const b = await TestNode.start({ id: 2n });
    const proxy = await TcpProxy.start(() => b.peers.port);
    const a = await TestNode.start({ id: 1n });
    a.knows({ ...b.member, peerAddress: proxy.address });
    await until("they talk", () => a.reaches(b));
    proxy.isPaused = true;
    await until("both gave up", () => !a.reaches(b) && !b.reaches(a), SILENT_MS + 2_000);
    expect(a.unreachable).toContain(b.id);
    expect(a.problemWith(b)).toMatch(/nothing was heard|no answer within/);
    proxy.isPaused = false;
    await until("it is back", () => a.reaches(b) && b.reaches(a));
  }, 15_000);

  it("that is idle stays, and shows when the peer was heard", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const first = a.peers.link(b.id)?.lastHeardMs ?? Number.POSITIVE_INFINITY;
    await until("it says that it is there", () => (a.peers.link(b.id)?.lastHeardMs ?? 0) > first);
    expect(a.frames).toEqual([]);
    expect(a.peers.stats()[0]).toMatchObject({ losses: 0, framesDropped: 0 });
  });

  it("INV-PEER-4: what a receiver that reads slowly may hold of this node's memory is bounded, and its loss is told", async () => {
    const b = await TestNode.start({ id: 2n });
    const proxy = await TcpProxy.start(() => b.peers.port);
    const a = await TestNode.start({ id: 1n });
    a.knows({ ...b.member, peerAddress: proxy.address });
    await until("they talk", () => a.reaches(b));
    proxy.isPaused = true;
    const payload = new Uint8Array(256 * 1024);
    let taken = 0;
    for (let i = 0; i < 200; i++) {
      if (a.peers.send(b.id, { kind: FrameKind.raft, group: groupId(1), payload })) taken++;
      if (i % 10 === 0) await sleep(1);
    }
    const bytes = a.peers.link(b.id)!.queuedBytes;
    expect(bytes).toBeGreaterThan(8 * 1024 * 1024);
    expect(bytes).toBeLessThanOrEqual(16 * 1024 * 1024);
    expect(a.peers.stats()[0]!.framesDropped).toBe(200 - taken);
    expect(taken).toBeLessThan(140);
    await until("the loss is told", () => a.unreachable.includes(b.id));
    proxy.isPaused = false;
    await until("what was taken arrives", () => b.frames.length === taken);
    expect(a.peers.link(b.id)?.queuedBytes).toBe(0);
  }, 15_000);

  it("INV-PEER-4: a heartbeat does not wait behind the chunks of a snapshot", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const chunk = {
      kind: FrameKind.snapshotChunk,
      group: groupId(1),
      payload: new Uint8Array(500_000),
    };
    expect([1, 2, 3, 4].map(() => a.peers.send(b.id, chunk))).toEqual([true, true, true, true]);
    expect(a.peers.send(b.id, chunk)).toBe(false);
    a.say(b, "digest", FrameKind.digest);
    a.say(b, "heartbeat");
    await until("all has arrived", () => b.frames.length === 6);
    expect(b.frames.map(({ kind }) => kind)).toEqual([
      FrameKind.raft,
      FrameKind.digest,
      ...new Array(4).fill(FrameKind.snapshotChunk),
    ]);
  });

  it("takes the largest entry there is, and a node nobody knows is not sent to", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    const payload = new Uint8Array(4 * 1024 * 1024 + 1_000).fill(7);
    for (let i = 0; i < 3; i++)
      a.peers.send(b.id, { kind: FrameKind.raft, group: groupId(1), payload });
    await until("it has arrived", () => b.frames.length === 3);
    expect(Buffer.compare(b.frames[2]!.payload, payload)).toBe(0);
    const nobody = nodeId(77n);
    expect(a.peers.send(nobody, { kind: FrameKind.raft, group: groupId(1), payload })).toBe(false);
    expect(a.peers.link(nobody)).toBeUndefined();
  });
});

describe("INV-PEER-5: who is refused, and hears why", () => {
  it("a node of another cluster", async () => {
    const a = await TestNode.start({ id: 1n });
    const b = await TestNode.start({ id: 2n, clusterId: "f".repeat(32) });
    a.knows(b);
    await until("both sides know", () => a.refusals.length > 0 && b.events.length > 0);
    expect(a.refusals[0]).toEqual([2n, "other-cluster"]);
    expect(a.problemWith(b)).toContain("another cluster");
    expect(b.events[0]).toMatchObject({ event: "refused", name: "n1" });
    expect([a.reaches(b), b.reaches(a)]).toEqual([false, false]);
  });

  it("another life of a node: an empty disk is a new node", async () => {
    const a = await TestNode.start({ id: 1n });
    const b = await TestNode.start({ id: 2n, life: 2 });
    a.knows({ ...b.member, incarnation: new Uint8Array(16).fill(1) });
    await until("the dialing side is refused", () => a.refusals.length > 0);
    expect(a.refusals[0]).toEqual([2n, "other-incarnation"]);
    expect(a.problemWith(b)).toContain("an empty disk is a new node");
    // The other way round: the wiped node dials under its old id.
    const c = await TestNode.start({ id: 3n });
    c.knows(memberOf({ id: 2n, life: 1, peerAddress: b.member.peerAddress }));
    b.knows(c);
    await until("the wiped node is refused", () => b.refusals.length > 0);
    expect(b.refusals[0]).toEqual([3n, "other-incarnation"]);
  });

  it("a node that was removed, at once and whenever it comes again", async () => {
    const [a, b, c] = (await startCluster(1n, 2n, 3n)) as [TestNode, TestNode, TestNode];
    a.removes(c, b);
    await until("it is told", () => c.refusals.length > 0);
    expect(c.refusals[0]).toEqual([1n, "removed"]);
    b.removes(c, a);
    await until("it is told again", () => c.refusals.some(([by]) => by === 2n));
    expect(a.say(c, "nothing")).toBe(false);
    const wiped = await TestNode.start({ id: 3n, life: 2 });
    a.knows(b, wiped);
    await until("a new life of it may be added", () => a.reaches(wiped));
  });

  it("but not a node that an older configuration does not name: only who was removed is told so", async () => {
    const [a, b, c] = (await startCluster(1n, 2n, 3n)) as [TestNode, TestNode, TestNode];
    // As a node that has just joined does: it met c first, and then applies a configuration from before c came.
    a.knows(b);
    a.say(c, "still there");
    await until("frames pass", () => c.frames.length === 1);
    a.knows(b, c);
    expect([c.refusals, a.reaches(c)]).toEqual([[], true]);
    expect(a.peers.stats()).toMatchObject([{ losses: 0 }, { losses: 0 }]);
  });

  it("another node that answers at the address", async () => {
    const a = await TestNode.start({ id: 1n });
    const b = await TestNode.start({ id: 2n });
    a.knows(memberOf({ id: 3n, peerAddress: b.member.peerAddress }));
    await until("it is refused", () => a.refusals.length > 0);
    expect(a.refusals[0]).toEqual([3n, "other-node"]);
  });

  it("a second cluster that names a node which waits", async () => {
    const waiting = await TestNode.start({ id: 5n, clusterId: undefined });
    const first = await TestNode.start({ id: 1n });
    const second = await TestNode.start({ id: 2n, clusterId: "e".repeat(32) });
    first.knows(waiting);
    await until("the first is let in", () => first.reaches(waiting));
    second.knows(waiting);
    await until("the second is refused", () => second.refusals.length > 0);
    expect(second.refusals[0]).toEqual([5n, "other-cluster"]);
  });

  it("a node of the cluster that this one has not heard of is let in (dissertation 4.1)", async () => {
    const [old, fresh] = [await TestNode.start({ id: 1n }), await TestNode.start({ id: 2n })];
    fresh.knows(old);
    await until("they talk", () => fresh.reaches(old) && old.reaches(fresh));
    old.say(fresh, "who are you?");
    await until("frames pass", () => fresh.frames.length === 1);
    old.knows(fresh);
    await sleep(50);
    expect(old.peers.stats()).toMatchObject([{ connects: 1, losses: 0 }]);
  });
});

describe("looking a node up", () => {
  it("tells who it is and which cluster it is of", async () => {
    const [a, b] = [
      await TestNode.start({ id: 1n }),
      await TestNode.start({ id: 2n, clusterId: undefined }),
    ];
    expect(await a.peers.lookup(b.member.peerAddress)).toEqual({
      member: b.member,
      clusterId: undefined,
    });
    expect(await b.peers.lookup(a.member.peerAddress)).toEqual({
      member: a.member,
      clusterId: CLUSTER,
    });
  });

  it("is UNAVAILABLE where nobody answers", async () => {
    const a = await TestNode.start({ id: 1n });
    await expect(a.peers.lookup("127.0.0.1:1")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("the end", () => {
  it("what was sent just before a node stops still arrives, and its peers hear at once that it is gone", async () => {
    const [a, b] = (await startCluster(1n, 2n)) as [TestNode, TestNode];
    a.say(b, "take over");
    await a.peers.close();
    await until("it has arrived", () => b.texts.includes("take over") && !b.reaches(a));
    expect(b.unreachable).toContain(a.id);
    await a.peers.close();
  });
});
