/** Nodes that begin together, with engines that only know how to be of a cluster. */
import type { ClusterStatus, EnginePort, MemberInfo, PeerIdentity } from "@authledger/engine";
import { LedgerError, nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../test/support.js";
import { Bootstrap } from "../src/bootstrap.js";

interface Node {
  readonly id: bigint;
  readonly address: string;
  clusterId: string | undefined;
  members: Node[];
  /** Those of its members that do not vote. */
  learners: Node[];
  isUp: boolean;
  leads: boolean;
  readonly said: string[];
  inits: number;
}

function nodeOf(id: bigint, changes: Partial<Node> = {}): Node {
  const address = `10.0.0.${id}:7401`;
  const none = { clusterId: undefined, members: [], learners: [], leads: true };
  return { id, address, isUp: true, said: [], inits: 0, ...none, ...changes };
}

function infoOf({ id, address }: Node): MemberInfo {
  const none = new Uint8Array(0);
  const keys = { incarnation: none, cosignKey: none, sealKey: none };
  return { ...keys, nodeId: nodeId(id), name: `n${id}`, peerAddress: address, clientAddress: "" };
}

function statusOf(node: Node): ClusterStatus {
  const role = node.clusterId === undefined ? "waiting" : node.leads ? "leader" : "follower";
  return {
    ...{ nodeId: nodeId(node.id), name: `n${node.id}`, role, term: 1, isJoint: false },
    ...{ commitIndex: 0, appliedIndex: 0, lastIndex: 0, isRecovering: false },
    ...(node.clusterId !== undefined && { clusterId: node.clusterId }),
    members: node.members.map((member) => ({
      info: infoOf(member),
      role: node.learners.includes(member) ? "learner" : "voter",
    })),
  };
}

/** An engine whose `cluster_init` takes in whoever is up at the addresses. */
function engineOf(node: Node, all: readonly Node[]): EnginePort {
  const call = async (name: string, request: object): Promise<unknown> => {
    if (name === "cluster_status") return statusOf(node);
    const { addresses } = request as { addresses: string[] };
    node.inits++;
    node.clusterId ??= `cluster of ${node.id}`;
    if (node.members.length === 0) node.members.push(node);
    for (const address of addresses) {
      const other = all.find((one) => one.address === address)!;
      if (!other.isUp) throw new LedgerError("UNAVAILABLE", `${address} does not answer`);
      if ((other.clusterId ?? node.clusterId) !== node.clusterId) {
        throw new LedgerError("CLUSTER_MISMATCH", `${address} is of another cluster`);
      }
      node.learners = node.learners.filter((one) => one !== other);
      if (node.members.includes(other)) continue;
      other.clusterId = node.clusterId;
      other.members = node.members;
      node.members.push(other);
    }
    return statusOf(node);
  };
  return { call, ask: call } as unknown as EnginePort;
}

/** Starts a node's bootstrap; `onSleep` runs between two looks. */
function start(
  node: Node,
  all: readonly Node[],
  expect_: number,
  onSleep: (looks: number, bootstrap: Bootstrap) => void = () => undefined,
): Promise<void> {
  let looks = 0;
  const bootstrap: Bootstrap = new Bootstrap({
    engine: engineOf(node, all),
    expect: expect_,
    discover: async () => all.map(({ address }) => address),
    lookup: async (address): Promise<PeerIdentity> => {
      const other = all.find((one) => one.address === address)!;
      if (!other.isUp) throw new LedgerError("UNAVAILABLE", "refused");
      return { member: infoOf(other), clusterId: other.clusterId };
    },
    sleep: async () => {
      onSleep(++looks, bootstrap);
      if (looks > 50) bootstrap.stop();
      await new Promise((resolve) => setImmediate(resolve));
    },
    nowMs: () => 0,
    onProgress: (text) => node.said.push(text),
  });
  return bootstrap.run();
}

describe("nodes that begin together", () => {
  it("become one cluster that the lowest of them begins, in whatever order they come (INV-CLUSTER-4)", async () => {
    const random = testRandom("bootstrap");
    for (let round = 0; round < 30; round++) {
      const count = random.int(5) + 1;
      const all = Array.from({ length: count }, (_, i) => nodeOf(BigInt(i + 1)));
      for (const node of all) node.isUp = random.int(2) === 0;
      const order = [...all].sort(() => random.int(3) - 1);
      await Promise.all(
        order.map((node) =>
          start(node, all, count, (looks) => {
            if (looks === 1 + Number(node.id)) node.isUp = true;
          }),
        ),
      );
      expect(all.map(({ clusterId }) => clusterId)).toEqual(all.map(() => "cluster of 1"));
      expect(all.slice(1).every(({ inits }) => inits === 0)).toBe(true);
      expect(all[0]!.members).toHaveLength(count);
    }
  });

  it("wait while one is missing, and say how many there are", async () => {
    const all = [nodeOf(1n), nodeOf(2n), nodeOf(3n, { isUp: false })];
    await start(all[0]!, all, 3);
    expect([all[0]!.said, all[0]!.inits]).toEqual([["2 of 3 nodes are there"], 0]);
    await start(all[1]!, [...all.slice(0, 2), nodeOf(4n), nodeOf(5n)], 3);
    expect(all[1]!.said).toEqual(["4 of 3 nodes are there"]);
  });

  it("begin nothing beside a cluster that is there: it must take them in", async () => {
    const other = nodeOf(9n, { clusterId: "old" });
    const all = [nodeOf(1n), other, nodeOf(3n)];
    await start(all[0]!, all, 3);
    expect(all[0]!.said).toEqual(["n9 is of a cluster already, which must take this node in"]);
    expect(all[0]!.inits).toBe(0);
  });

  it("are told why they wait where discovery fails, and go on when it works again", async () => {
    const all = [nodeOf(1n)];
    const said: string[] = [];
    let isBroken = true;
    const bootstrap: Bootstrap = new Bootstrap({
      engine: engineOf(all[0]!, all),
      expect: 1,
      discover: async () => {
        if (isBroken) throw new LedgerError("DISCOVERY_FAILED", "no such name");
        return [all[0]!.address];
      },
      lookup: async () => ({ member: infoOf(all[0]!), clusterId: undefined }),
      sleep: async () => {
        isBroken = false;
      },
      nowMs: () => 0,
      onProgress: (text) => said.push(text),
    });
    await bootstrap.run();
    expect(said[0]).toBe("no such name");
    expect(all[0]!.clusterId).toBe("cluster of 1");
  });

  it("go on after a crash of the one that had begun and was still alone", async () => {
    const [first, second] = [nodeOf(1n, { clusterId: "begun" }), nodeOf(2n)];
    first.members.push(first);
    await start(first, [first, second], 2);
    expect([second.clusterId, first.members.length]).toEqual(["begun", 2]);
  });

  /*
   * The power failed after the first had begun and before it had taken anybody in. It was up again before the others, found
   * nobody, and was done for good; the others waited for ever.
   */
  it("go on after such a crash also when the others come later, and when the first does not lead at once", async () => {
    const first = nodeOf(1n, { clusterId: "begun" });
    const others = [nodeOf(2n, { isUp: false }), nodeOf(3n, { isUp: false })];
    first.members.push(first);
    first.leads = false;
    await start(first, [first, ...others], 3, (looks) => {
      if (looks === 2) first.leads = true;
      for (const other of others) if (looks === 3 + Number(other.id)) other.isUp = true;
    });
    expect(first.members).toHaveLength(3);
    expect(first.said.slice(0, 2)).toEqual(["this node does not lead yet", "others are away"]);
    expect(first.said.at(-1)).toBe("the cluster has its 3 voters");
  });

  // The power failed between the first one's taking in and its promotion: the one that had begun was not alone, and was done.
  it("go on after a crash of the one that had begun and was still the only voter", async () => {
    const first = nodeOf(1n, { clusterId: "begun" });
    const second = nodeOf(2n, { clusterId: "begun" });
    const third = nodeOf(3n);
    first.members.push(first, second);
    first.learners.push(second);
    await start(first, [first, second, third], 3);
    expect([first.learners, first.members.length, third.clusterId]).toEqual([[], 3, "begun"]);
    expect(first.said.at(-1)).toBe("the cluster has its 3 voters");
  });

  // A foreign node among the addresses ended every attempt before those behind it were asked.
  it("take in none of another cluster, and the others nevertheless", async () => {
    const first = nodeOf(1n, { clusterId: "begun" });
    first.members.push(first);
    const foreign = nodeOf(2n, { clusterId: "old" });
    const late = nodeOf(4n, { isUp: false });
    await start(first, [first, foreign, nodeOf(3n), late], 3, (looks) => {
      if (looks === 3) late.isUp = true;
    });
    expect([first.members.length, foreign.clusterId, late.clusterId]).toEqual([3, "old", "begun"]);
  });

  // Three became one by removals; the one that stayed was started again beside a removed node, and made it a voter.
  it("take no node back that was removed: it is of the cluster, and no member", async () => {
    const first = nodeOf(1n, { clusterId: "begun" });
    const removed = nodeOf(2n, { clusterId: "begun" });
    const third = nodeOf(3n, { isUp: false });
    first.members.push(first);
    await start(first, [first, removed, third], 2, (looks) => {
      if (looks === 3) third.isUp = true;
    });
    expect(first.members.map(({ id }) => id)).toEqual([1n, 3n]);
  });

  it("are done at once where one was announced and has begun", async () => {
    const [first, other] = [nodeOf(1n, { clusterId: "begun" }), nodeOf(2n)];
    first.members.push(first);
    await start(first, [first, other], 1);
    expect([first.inits, first.said, other.clusterId]).toEqual([0, [], undefined]);
  });

  it("leave a member of a cluster alone that starts again, whatever it was told to expect", async () => {
    const [first, second, third] = [nodeOf(1n), nodeOf(2n), nodeOf(3n)];
    first.clusterId = "old";
    first.members.push(first, second);
    await start(first, [first, second, third], 3);
    expect([first.inits, third.clusterId]).toEqual([0, undefined]);
  });
});
