/** Three whole nodes in this process, which talk over real gRPC: they become a cluster, and go on without one of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { read, write } from "@authledger/proto";
import type { LedgerError } from "@authledger/types";
import { pino } from "pino";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { call, connect, failureOf } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";
import { createVault } from "../support/vault.js";
import { Authority, freePort, HAS_OPENSSL, until } from "./peer-support.js";

const SILENT = pino({ level: "silent" });

/** Over TLS where certificates can be made. */
const authority = HAS_OPENSSL
  ? new Authority(mkdtempSync(join(tmpdir(), "authledger-test-")))
  : undefined;
afterAll(() => {
  if (authority !== undefined) rmSync(authority.directory, { recursive: true });
});

function tlsOf(name: string): object {
  const files = authority?.issue(name, `DNS:${name}`);
  if (files === undefined) return {};
  return { peerCert: files.cert, peerKey: files.key, peerCa: files.ca };
}

interface TestNode extends RunningNode {
  /** What made it stop. */
  readonly fatal: LedgerError[];
}

async function start(name: string, rest: object = {}): Promise<TestNode> {
  const config = parseNodeConfig({
    ...{
      data: temporaryDirectory(),
      name,
      cache: "16MiB",
      http: "127.0.0.1:0",
      shutdownGrace: 100,
    },
    ...{ listen: `127.0.0.1:${await freePort()}`, peer: "127.0.0.1:0", ...tlsOf(name), ...rest },
  });
  const fatal: LedgerError[] = [];
  const onFatal = (error: LedgerError): void => void fatal.push(error);
  const node = await startNode(config, { version: "0.0.0-test", logger: SILENT, onFatal });
  onTestFinished(() => node.close());
  return { ...node, fatal };
}

describe("three nodes", () => {
  it("become a cluster over their peer ports, replicate, tell a node that it was removed, and go on", async () => {
    const first = await start("n1");
    const join = first.peerAddress!;
    const others = [await start("n2", { join }), await start("n3", { join })] as const;
    const addresses = others.map(({ peerAddress }) => peerAddress!);
    const { members } = await first.engine.call("cluster_init", { addresses });
    expect(members.map(({ role, info }) => [info.name, role]).sort()).toEqual([
      ["n1", "voter"],
      ["n2", "voter"],
      ["n3", "voter"],
    ]);
    const client = connect(first.grpcAddress);
    const tenant = await createVault(client);
    const write = { ...tenant, transaction: transaction([createTuple()]), prove: false };
    await call(client, ["write", "write"], write);
    for (const { grpcAddress } of others) {
      const question = { ...tenant, tuple: TUPLE };
      const check: read.CheckResponse = await call(
        connect(grpcAddress),
        ["read", "check"],
        question,
      );
      expect(check.allowed).toBe(true);
    }
    const metrics = await (await fetch(`http://${first.httpAddress}/metrics`)).text();
    expect(metrics).toContain('authledger_peer_connected{peer="n2"} 1');
    expect(metrics).toMatch(/authledger_peer_frames_sent_total\{peer="n3"\} [1-9]/);
    const third = members.find(({ info }) => info.name === "n3")!.info.nodeId;
    await first.engine.call("cluster_remove", { node: third });
    await until("n3 says why it stops", () => others[1].fatal.length > 0);
    expect(others[1].fatal[0]?.code).toBe("NODE_REMOVED");
    await createVault(client);
    const left = await first.engine.call("cluster_status", {});
    expect(left.members.map(({ info, link }) => [info.name, link?.isConnected]).sort()).toEqual([
      ["n1", undefined],
      ["n2", true],
    ]);
  }, 20_000);

  it("give the first answer to a write that is sent again to the next leader, and refuse another one under its key", async () => {
    const first = await start("n1");
    const join = first.peerAddress!;
    const nodes = [first, await start("n2", { join }), await start("n3", { join })] as const;
    const addresses = nodes.slice(1).map(({ peerAddress }) => peerAddress!);
    await first.engine.call("cluster_init", { addresses });
    const tenant = await createVault(connect(first.grpcAddress));
    const about = { clientId: "ada", idempotencyKey: "pay-7" };
    const write = { ...tenant, transaction: transaction([createTuple()], about), prove: false };
    const other = { resource: "doc:b", relation: "viewer", subject: "user:bob" };
    const changed = transaction([createTuple(other)], about);
    const again = (node: TestNode): Promise<write.WriteResponse> =>
      call(connect(node.grpcAddress), ["write", "write"], write);
    const answer = await again(first);
    for (const node of nodes) {
      const { nodeId, role } = await node.engine.call("cluster_status", {});
      if (role !== "leader") {
        await call(connect(first.grpcAddress), ["cluster", "transferLeadership"], { nodeId });
      }
      expect((await node.engine.call("cluster_status", {})).role).toBe("leader");
      const repeated = await again(node);
      expect(repeated.result?.transactionId).toEqual(answer.result?.transactionId);
      const refused = call(connect(node.grpcAddress), ["write", "write"], {
        ...{ ...tenant, transaction: changed, prove: false },
      });
      expect((await failureOf(refused)).details.code).toBe("IDEMPOTENCY_KEY_REUSED");
    }
  }, 30_000);
});
