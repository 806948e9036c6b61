/** What a group's only voter sends before it is on its own disk: no entries. */
import type { Message } from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { SyncFirst } from "../../../src/cluster/sync-first.js";
import { TestCluster } from "../../cluster-support.js";
import { applied, createTuple, newVault, writeOne } from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";

const [OWN, B, C] = [1n, 2n, 3n].map((id) => nodeId(id)) as [NodeId, NodeId, NodeId];

class Scene {
  durable = 5;
  readonly seen: string[] = [];
  readonly sending = new SyncFirst(
    (message) => this.seen.push(nameOf(message)),
    () => this.durable,
  );

  /** Entries behind `index`. */
  append(to: NodeId, index: number, count: number): void {
    const payload = new Uint8Array(1);
    const entries = Array.from({ length: count }, (_, i) => ({
      ...{ index: index + 1 + i, term: 1, payload },
    }));
    const head = { from: OWN, to, term: 1, logTerm: 1, commit: 5 };
    this.sending.send({ ...head, type: "append", index, entries });
  }

  sent(): string[] {
    return this.seen.splice(0);
  }
}

function nameOf(message: Message): string {
  if (message.type !== "append") return `${message.type} to ${message.to}`;
  return `${message.index}+${message.entries.length} to ${message.to}`;
}

test("INV-GROUP-12: entries that are not durable wait, in the order of their peer; what is durable leaves, and heartbeats", () => {
  const scene = new Scene();
  scene.append(B, 5, 1);
  scene.append(B, 6, 2);
  scene.append(B, 3, 0);
  scene.append(C, 3, 2);
  scene.sending.send({ type: "heartbeat", from: OWN, to: B, term: 1, commit: 5, round: 0 });
  expect(scene.sent()).toEqual(["3+2 to 3", "heartbeat to 2"]);
  scene.durable = 6;
  scene.sending.release();
  expect(scene.sent()).toEqual(["5+1 to 2"]);
  scene.durable = 8;
  scene.sending.release();
  expect(scene.sent()).toEqual(["6+2 to 2", "3+0 to 2"]);
  scene.append(B, 7, 1);
  expect(scene.sent()).toEqual(["7+1 to 2"]);
});

test("a peer that is asked again and again while the disk is slow is asked once", () => {
  const scene = new Scene();
  scene.append(B, 5, 1);
  for (let count = 1; count < 4; count++) scene.append(B, 5, count);
  scene.append(C, 6, 0);
  scene.durable = 9;
  scene.sending.release();
  expect(scene.sent()).toEqual(["5+3 to 2", "6+0 to 3"]);
});

test("what waits when the node leads no more, or begins anew, is never sent", () => {
  const scene = new Scene();
  scene.append(B, 5, 1);
  scene.sending.clear();
  scene.durable = 9;
  scene.sending.release();
  expect(scene.sent()).toEqual([]);
});

test("INV-GROUP-12: a learner of the only voter gets an entry once it is durable there, a voter beside the sync", async () => {
  const gate = new GateDisk();
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false, gate);
  const other = await cluster.start("n2", true);
  const { address } = other;
  const { member } = await cluster.until(founder.engine.call("cluster_add", { address }));
  const vault = await cluster.until(newVault(founder.engine));
  await cluster.run(1_000);
  const last = (): number => other.engine.stats().group.lastIndex;
  const hasMore = async (doc: string): Promise<boolean> => {
    const before = last();
    gate.shut();
    const written = writeOne(founder.engine, vault, [createTuple(doc)]);
    await cluster.run(500);
    const has = last() > before;
    gate.release();
    applied(await cluster.until(written));
    await cluster.run(200);
    expect(last()).toBe(founder.engine.stats().group.lastIndex);
    return has;
  };
  expect(await hasMore("doc:1")).toBe(false);
  await cluster.until(founder.engine.call("cluster_promote", { node: member.nodeId }));
  await cluster.run(1_000);
  expect(await hasMore("doc:2")).toBe(true);
  await cluster.close();
});
