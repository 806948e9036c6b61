/** A client of a cluster that reaches nothing but a follower sees what a client of a single node sees. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningNode } from "@authledger/server";
import { afterAll, beforeAll, describe } from "vitest";
import { createClient } from "../src/index.js";
import { nodeSubject } from "./conformance/subjects.js";
import { conformance } from "./conformance/suite.js";
import { startRealNode } from "./support/real-node.js";

/** A port of loopback that is free now: an address that other nodes are told cannot be chosen later. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

describe("a cluster of three", () => {
  const directory = mkdtempSync(join(tmpdir(), "authledger-cluster-"));
  const nodes: RunningNode[] = [];

  async function start(name: string, join_: string | undefined): Promise<RunningNode> {
    const [listen, peer] = [await freeAddress(), await freeAddress()];
    const config = { listen, peer, name, data: join(directory, name) };
    const node = await startRealNode(join_ === undefined ? config : { ...config, join: join_ });
    nodes.push(node);
    return node;
  }

  beforeAll(async () => {
    const first = await start("n1", undefined);
    const { peerAddress = "" } = first;
    const others = [await start("n2", peerAddress), await start("n3", peerAddress)];
    const client = createClient({ endpoints: first.grpcAddress, deadlineMs: 20_000 });
    for (const { peerAddress: address = "" } of others) {
      const { nodeId } = await client.cluster.add(address);
      await promote(() => client.cluster.promote(nodeId));
    }
    client.close();
  }, 30_000);

  afterAll(async () => {
    for (const node of nodes.reverse()) await node.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const follower = (): string => nodes[2]!.grpcAddress;
  conformance(nodeSubject("seen from a follower", follower, { discover: false, role: "follower" }));
});

/** A learner has caught up in a moment. */
async function promote(call: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
