/** A leader that stops gives its leadership away first. */
import type { ClusterStatus, MemberStatus } from "@authledger/engine";
import { LedgerError, nodeId } from "@authledger/types";
import type { Logger } from "pino";
import { expect, it } from "vitest";
import { handOver } from "../src/hand-over.js";
import { FakeEngine } from "./support/fake-engine.js";

function member(id: bigint, changes: Partial<MemberStatus>): MemberStatus {
  const none = new Uint8Array(0);
  const keys = { incarnation: none, cosignKey: none, sealKey: none };
  const addresses = { peerAddress: "", clientAddress: "" };
  return {
    info: { ...keys, ...addresses, nodeId: nodeId(id), name: `n${id}` },
    role: "voter",
    ...changes,
  };
}

function statusOf(changes: Partial<ClusterStatus> = {}): ClusterStatus {
  const others = [
    member(2n, { match: 5, isActive: true }),
    member(3n, { match: 9, isActive: false }),
    member(4n, { match: 7, isActive: true }),
    member(5n, { match: 8, isActive: true, role: "learner" }),
  ];
  return {
    ...{ nodeId: nodeId(1n), name: "n1", role: "leader", term: 1, isJoint: false },
    ...{ commitIndex: 9, appliedIndex: 9, lastIndex: 9, isRecovering: false },
    members: [member(1n, {}), ...others],
    ...changes,
  };
}

it("to the voter that is furthest and up; the log says to whom, or why not", async () => {
  const said: string[] = [];
  const logger = {
    info: (_: object, text: string) => said.push(text),
    warn: (_: object, text: string) => said.push(text),
  } as unknown as Logger;
  const engine = new FakeEngine();
  engine.cluster = { cluster_status: () => statusOf(), cluster_transfer: () => ({ term: 2 }) };
  await handOver(engine, logger);
  expect(engine.requests("cluster_transfer")).toEqual([{ node: 4n }]);
  engine.failure = {
    call: "cluster_transfer",
    error: new LedgerError("TRANSFER_FAILED", "not in time"),
  };
  await handOver(engine, logger);
  expect(said).toEqual(["handed the leadership over", "the leadership was not handed over"]);
  // Nobody to give it to, and nothing to give.
  for (const changes of [{ members: [member(1n, {})] }, { role: "follower" } as const]) {
    engine.calls.length = 0;
    engine.cluster = { cluster_status: () => statusOf(changes) };
    await handOver(engine, logger);
    expect(engine.requests("cluster_transfer")).toEqual([]);
  }
});
