/** Records of calls that ran on nodes that do not lead: how they get into the system vault. */
import { cluster } from "@authledger/proto";
import { type ErrorCode, LedgerError, type Operation } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { recordAudit } from "../../src/audit/audit-intake.js";
import { AuditRelay } from "../../src/audit/audit-relay.js";
import type { Forwarding, RefusedCall } from "../../src/forwarding.js";
import { ForeignError } from "../../src/grpc-error.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { freePort, until } from "../peer/peer-support.js";
import { call, connect, failureOf } from "../support/harness.js";

const KEY = "audit:000000000001-0000000a";
const VALUE = new TextEncoder().encode("{}");
const OPERATION: Operation = {
  ...{ op: "set_entity", key: KEY, value: VALUE, expiresAtMs: 7 },
  condition: { kind: "must_not_exist" },
};

async function start(name: string, rest: object = {}): Promise<RunningNode> {
  const config = parseNodeConfig({
    ...{
      data: temporaryDirectory(),
      name,
      cache: "16MiB",
      logLevel: "silent",
      http: "127.0.0.1:0",
    },
    ...{ listen: `127.0.0.1:${await freePort()}`, peer: "127.0.0.1:0", shutdownGrace: 100 },
    ...rest,
  });
  const node = await startNode(config, {
    version: "0.0.0-test",
    logger: pino({ level: "silent" }),
    onFatal: (error) => {
      throw error;
    },
  });
  onTestFinished(() => node.close());
  return node;
}

/** A relay whose way to the leader answers with these, one after the other. */
function relayWith(answers: readonly (Error | undefined)[], code: ErrorCode = "NOT_LEADER") {
  const sent: cluster.RecordAuditRequest[] = [];
  const refusal = new LedgerError(code, "another node leads");
  const pass: Forwarding["pass"] = async ({ encode, principal }: RefusedCall) => {
    expect(principal).toEqual({ kind: "node", name: "node:5" });
    sent.push(cluster.RecordAuditRequest.decode(encode()));
    const answer = answers[sent.length - 1];
    if (answer !== undefined) throw answer;
    return { bytes: Buffer.alloc(0), leader: "a:1" };
  };
  const system = { write: () => Promise.reject(refusal) };
  return { relay: new AuditRelay(system, { forwarding: { pass }, node: 5n }), sent };
}

function foreign(code: string): ForeignError {
  return new ForeignError(code, { code: 9, details: "", metadata: new Metadata() });
}

describe("a node that does not lead", () => {
  test("INV-TRAIL-4: has the leader write the records of the calls that it executed, and nobody else can have it write one", async () => {
    const first = await start("n1");
    const join = first.peerAddress!;
    const others = [await start("n2", { join }), await start("n3", { join })] as const;
    const addresses = others.map(({ peerAddress }) => peerAddress!);
    await first.engine.call("cluster_init", { addresses });
    const applied = (): number[] => [first, ...others].map((n) => n.engine.stats().appliedIndex);
    await until("all are as far", () => new Set(applied()).size === 1);
    // It vouches for itself once it has the log seed, which it gets as a voter.
    await until("it can vouch", () => others[0].engine.clusterKey("test") !== undefined);
    const follower = connect(others[0].grpcAddress);
    await call(follower, ["admin", "compact"], { fillPercent: 0 }, { deadlineMs: 10_000 });
    await until("all are as far again", () => new Set(applied()).size === 1);
    const { entities } = await new SystemVault(first.engine).list("audit:");
    const records = entities.map(({ value }) => JSON.parse(new TextDecoder().decode(value)));
    expect(records).toMatchObject([
      { action: "AdminService/compact", outcome: "success", actor: "anonymous", node: "n2" },
    ]);
    const metrics = await (await fetch(`http://${others[0].httpAddress}/metrics`)).text();
    expect(metrics).toMatch(/authledger_audit_records_total\{outcome="written"\} 1/);
    const forged = { actor: "root", records: [{ key: KEY, value: VALUE, expiresAtMs: 0n }] };
    for (const { grpcAddress } of [first, others[0]]) {
      const forging = failureOf(call(connect(grpcAddress), ["cluster", "recordAudit"], forged));
      expect((await forging).details.code).toBe("UNAUTHENTICATED");
    }
  }, 20_000);

  test("INV-TRAIL-4: sends records again whose fate nobody knows, under the same keys, and takes keys that are there for written", async () => {
    const unknown = new LedgerError("COMMIT_UNKNOWN", "the connection broke");
    const { relay, sent } = relayWith([unknown, foreign("PRECONDITION_FAILED")]);
    await relay.write([OPERATION], { actor: "key:a" });
    expect(sent.map(({ actor, records }) => [actor, records[0]?.key])).toEqual([
      ["key:a", KEY],
      ["key:a", KEY],
    ]);
    expect(sent[0]?.records[0]?.expiresAtMs).toBe(7n);
  });

  // A leader executed a call, and was found to be wrong before the record was written: only the file of that node had it.
  test("INV-TRAIL-4: has the next leader write the records of a call that it executed before it was found to be wrong", async () => {
    const { relay, sent } = relayWith([undefined], "REPLICA_DIVERGED");
    await relay.write([OPERATION], { actor: "key:a" });
    expect(sent.map(({ actor, records }) => [actor, records[0]?.key])).toEqual([["key:a", KEY]]);
  });

  // A full disk of the leader says that the records may be there, as a connection that breaks does.
  test.each(["DISK_FULL", "DEADLINE_EXCEEDED", "NODE_STOPPED"])(
    "INV-TRAIL-4: sends records again where the leader says %s, as where it says nothing",
    async (code) => {
      const { relay, sent } = relayWith([foreign(code), foreign("PRECONDITION_FAILED")]);
      await relay.write([OPERATION], { actor: "key:a" });
      expect(sent.map(({ records }) => records[0]?.key)).toEqual([KEY, KEY]);
    },
  );

  test("gives up after three times, and at once where the leader refuses", async () => {
    const unknown = new LedgerError("COMMIT_UNKNOWN", "the connection broke");
    const lost = relayWith([unknown, unknown, unknown]);
    expect(await rejectedBy(lost.relay.write([OPERATION], { actor: "a" }))).toBe(unknown);
    const refused = relayWith([foreign("PRECONDITION_FAILED")]);
    const failing = refused.relay.write([OPERATION], { actor: "a" });
    await expect(failing).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
    expect([lost.sent.length, refused.sent.length]).toEqual([3, 1]);
  });
});

test("the leader writes nothing for other nodes but records of the audit log, and no more than a transaction holds", async () => {
  const system = { write: () => Promise.reject(new Error("written")) };
  const record = { key: KEY, value: Buffer.from(VALUE), expiresAtMs: 0n };
  const codeOf = async (request: cluster.RecordAuditRequest): Promise<string | undefined> =>
    ((await rejectedBy(recordAudit(system, request, undefined))) as Partial<LedgerError>).code;
  const codes = await Promise.all(
    [
      { actor: "", records: [record] },
      { actor: "a", records: [] },
      { actor: "a", records: [{ ...record, key: "key:abc" }] },
      { actor: "a", records: [{ ...record, value: Buffer.alloc(16_385) }] },
      { actor: "a", records: Array.from({ length: 65 }, () => record) },
    ].map(codeOf),
  );
  const invalid = "INVALID_ARGUMENT";
  expect(codes).toEqual([invalid, invalid, invalid, "LIMIT_EXCEEDED", "LIMIT_EXCEEDED"]);
});
