/** A node that has stopped after a failure: its answers, its health, and with which exit code. */
import type { admin } from "@authledger/proto";
import { AssertionError, ExitCode, LedgerError } from "@authledger/types";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../src/index.js";
import { call, connect, failureOf, send, startHarness } from "./support/harness.js";
import { createTuple, GOOD_CALLS, TUPLE, transaction } from "./support/requests.js";
import { wireNumber, wireText } from "./support/wire.js";

const BROKEN = new AssertionError("INV-X: a secret", { secret: 1 });

describe("a broken invariant", () => {
  it("stops the node, and every call after it is told so", async () => {
    const h = await startHarness();
    h.engine.failure = { call: "check", error: BROKEN };
    const request = { ...h.tenant, tuple: TUPLE };
    const first = await failureOf(call(h.client, ["read", "check"], request));
    expect([first.details.code, h.bugs]).toEqual(["INTERNAL", [BROKEN]]);
    h.engine.failure = undefined;
    h.engine.calls.length = 0;
    for (const { method, request: good } of GOOD_CALLS) {
      const failed = await failureOf(call(h.client, method, good(h.tenant)));
      expect([failed.status, failed.details.code]).toEqual([14, "NODE_STOPPED"]);
    }
    expect(h.engine.calls).toEqual([]);
  });

  it("while its answer is encoded stops it as well", async () => {
    const h = await startHarness();
    h.engine.failure = { call: "get_node_info", error: BROKEN };
    await failureOf(call(h.client, ["admin", "getNodeInfo"], {}));
    expect(h.bugs).toEqual([BROKEN]);
  });

  it("is something else than a mistake of a client or an error that we know", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, tuple: TUPLE };
    for (const error of [new LedgerError("INTERNAL", "known"), new TypeError("unexpected")]) {
      h.engine.failure = { call: "check", error };
      await failureOf(call(h.client, ["read", "check"], request));
    }
    h.engine.failure = undefined;
    expect(h.bugs).toEqual([]);
    expect(await call(h.client, ["read", "check"], request)).toMatchObject({ allowed: false });
  });

  // INV-NODE-2
  it("turns writes that were under way into errors, although the engine answers them", async () => {
    const h = await startHarness();
    let release = (): void => undefined;
    h.engine.hold = new Promise((resolve) => {
      release = resolve;
    });
    const request = { ...h.tenant, transaction: transaction([createTuple()]), prove: false };
    const writing = failureOf(call(h.client, ["write", "write"], request));
    await call(h.client, ["write", "write"], request, { deadlineMs: 50 }).catch(() => undefined);
    h.bugs.push(BROKEN);
    release();
    const failed = await writing;
    expect([failed.status, failed.details.code]).toEqual([14, "NODE_STOPPED"]);
    expect(failed.details.retryable).toBe(false);
  });
});

interface Stoppable {
  readonly node: RunningNode;
  readonly fatal: LedgerError[];
}

async function startStoppable(data: string): Promise<Stoppable> {
  const fatal: LedgerError[] = [];
  const loopback = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };
  const node = await startNode(parseNodeConfig({ ...loopback, data, shutdownGrace: 500 }), {
    version: "0.0.0-test",
    logger: pino({ level: "silent" }),
    onFatal: (error) => fatal.push(error),
  });
  onTestFinished(() => node.close());
  return { node, fatal };
}

describe("a node that cannot go on", () => {
  // INV-NODE-2
  it.each([
    ["a bug", LedgerError.from(BROKEN), ExitCode.BUG],
    ["a failed sync", new LedgerError("SYNC_FAILED", "EIO"), ExitCode.IO],
  ])("after %s accepts no write, is not healthy, and has its exit code", async (_, error, exit) => {
    const { node, fatal } = await startStoppable(temporaryDirectory());
    const client = connect(node.grpcAddress);
    const { organization } = await call<admin.CreateOrganizationResponse>(
      client,
      ["admin", "createOrganization"],
      { name: "acme" },
    );
    const create = { organization: organization!.slug, name: "main" };
    await call(client, ["admin", "createVault"], create);
    node.engine.fail(error);
    expect(fatal.map(({ code, row }) => [code, ExitCode[row.exit]])).toEqual([[error.code, exit]]);
    const failed = await failureOf(call(client, ["admin", "createVault"], create));
    expect(failed.details.code).toBe("NODE_STOPPED");
    expect(failed.text).not.toContain("secret");
    const health = await send(client, "/grpc.health.v1.Health/Check", wireText(1, ""));
    expect(wireNumber(health, 1)).toBe(2);
    for (const path of ["livez", "readyz"]) {
      expect((await fetch(`http://${node.httpAddress}/${path}`)).status).toBe(503);
    }
  });

  // INV-NODE-2
  it("has after a restart what it acknowledged, and nothing was acknowledged that it has not", async () => {
    const data = temporaryDirectory();
    const { node } = await startStoppable(data);
    const client = connect(node.grpcAddress);
    const acknowledged: string[] = [];
    const create = async (name: string): Promise<void> => {
      await call(client, ["admin", "createOrganization"], { name });
      acknowledged.push(name);
    };
    for (let wave = 0; wave < 4; wave++) {
      const names = Array.from({ length: 20 }, (_, i) => `o${wave}-${i}`);
      const outcomes = Promise.allSettled(names.map(create));
      // Some of this wave are in the log then, some are not.
      if (wave === 2) setTimeout(() => node.engine.fail(LedgerError.from(BROKEN)), 3);
      await outcomes;
    }
    expect(acknowledged.length).toBeLessThan(80);
    await node.close();
    const again = await startStoppable(data);
    const { organizations } = await call<admin.ListOrganizationsResponse>(
      connect(again.node.grpcAddress),
      ["admin", "listOrganizations"],
      { pageSize: 100, pageToken: new Uint8Array(0) },
    );
    const kept = organizations.map(({ name }) => name);
    expect(kept).toEqual(expect.arrayContaining(acknowledged));
  });
});
