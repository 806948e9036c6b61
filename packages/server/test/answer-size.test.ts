/** Answers over the limit of a message: refused with what to do, before they are built where their parts are large. */
import type { read } from "@authledger/proto";
import { limits } from "@authledger/types";
import type { Client } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../test/support.js";
import { parseNodeConfig, startNode } from "../src/index.js";
import { call, connect, failureOf, startHarness } from "./support/harness.js";
import { transaction } from "./support/requests.js";
import { createVault } from "./support/vault.js";

const MiB = 1024 * 1024;
const PROVE = { trustedSize: 0n, configHash: new Uint8Array(0) };

interface Tenant {
  readonly organization: bigint;
  readonly vault: bigint;
}

async function startVault(): Promise<{ client: Client; tenant: Tenant }> {
  const config = parseNodeConfig({
    listen: "127.0.0.1:0",
    http: "127.0.0.1:0",
    cache: "64MiB",
    data: temporaryDirectory(),
  });
  const node = await startNode(config, {
    version: "0.0.0-test",
    logger: pino({ level: "silent" }),
    onFatal: (error) => {
      throw error;
    },
  });
  onTestFinished(() => node.close());
  const client = connect(node.grpcAddress);
  return { client, tenant: await createVault(client) };
}

async function write(client: Client, tenant: Tenant, operations: readonly object[]): Promise<void> {
  const request = { ...tenant, transaction: transaction(operations), prove: false };
  await call(client, ["write", "write"], request);
}

describe("BatchRead", () => {
  it("of more than a message holds is refused, and says how many keys fit", async () => {
    const { client, tenant } = await startVault();
    const keys = Array.from({ length: 12 }, (_, i) => `k:${i}`);
    for (const key of keys) {
      const value = { key, value: new Uint8Array(MiB).fill(7), expiresAtMs: 0n };
      await write(client, tenant, [{ operation: { $case: "setEntity", value } }]);
    }
    for (const prove of [undefined, PROVE]) {
      const ask = (asked: readonly string[]): Promise<read.BatchReadResponse> =>
        call(client, ["read", "batchRead"], { ...tenant, keys: asked, prove });
      const failed = await failureOf(ask(keys));
      expect(failed.status).toBe(3);
      expect(failed.details).toMatchObject({
        code: "LIMIT_EXCEEDED",
        context: { field: "keys", limit: String(limits.MESSAGE_BYTES_MAX), keysThatFit: "7" },
      });
      expect(failed.details.message).toContain("ask for fewer keys at once");
      expect((await ask(keys.slice(0, 7))).results).toHaveLength(7);
    }
  });
});

describe("ListRelationships", () => {
  it("with a proof that no message holds is refused, and a smaller page is answered", async () => {
    const { client, tenant } = await startVault();
    const resource = `doc:${"r".repeat(200)}`;
    const subject = (i: number): string => `user:${"s".repeat(480)}${i}`;
    for (let from = 0; from < 13_000; from += 1_000) {
      const operations = Array.from({ length: 1_000 }, (_, i) => ({
        operation: {
          $case: "createRelationship",
          value: {
            tuple: { resource, relation: "viewer", subject: subject(from + i) },
            expiresAtMs: 0n,
          },
        },
      }));
      await write(client, tenant, operations);
    }
    const list = (rest: object): Promise<read.ListRelationshipsResponse> =>
      call(client, ["read", "listRelationships"], {
        ...tenant,
        resource,
        pageToken: new Uint8Array(0),
        prove: PROVE,
        ...rest,
      });
    // Nothing matches, so the proof must show every row of the resource.
    const failed = await failureOf(list({ subject: "user:nobody", pageSize: 1_000 }));
    expect(failed.details).toMatchObject({
      code: "LIMIT_EXCEEDED",
      context: { field: "page_size" },
    });
    expect(failed.details.message).toContain("name the relation too");
    const narrow = { subject: "user:nobody", relation: "editor", pageSize: 1_000 };
    expect((await list(narrow)).relationships).toEqual([]);
    const page = await list({ pageSize: 1_000 });
    expect([page.relationships.length, page.proof!.stateProof.length > 0]).toEqual([1_000, true]);
  });
});

describe("BatchWrite", () => {
  it("whose proofs might not fit a message is refused before anything is written", async () => {
    const h = await startHarness();
    const tuple = { resource: `doc:${"r".repeat(240)}`, relation: "viewer" };
    const operations = Array.from({ length: 100 }, (_, i) => ({
      operation: {
        $case: "createRelationship",
        value: { tuple: { ...tuple, subject: `user:${"s".repeat(480)}${i}` }, expiresAtMs: 0n },
      },
    }));
    const transactions = Array.from({ length: 108 }, () => transaction(operations));
    const request = { ...h.tenant, transactions, prove: true };
    const failed = await failureOf(call(h.client, ["write", "batchWrite"], request));
    expect(failed.details).toMatchObject({
      code: "LIMIT_EXCEEDED",
      context: { field: "transactions", limit: String(limits.MESSAGE_BYTES_MAX) },
    });
    expect(h.engine.requests("write")).toEqual([]);
    await call(h.client, ["write", "batchWrite"], { ...request, prove: false });
    const fewer = { ...request, transactions: transactions.slice(0, 50) };
    await call(h.client, ["write", "batchWrite"], fewer);
    expect(h.engine.requests("write")).toHaveLength(2);
  });
});

describe("any other answer", () => {
  it("that is too large is refused with a typed error, not by the library", async () => {
    const h = await startHarness();
    const text = "x".repeat(MiB);
    h.engine.anchor = text.repeat(9);
    const failed = await failureOf(call(h.client, ["admin", "getTrustAnchor"], h.tenant));
    expect(failed.details).toMatchObject({
      code: "LIMIT_EXCEEDED",
      context: { field: "answer", limit: String(limits.MESSAGE_BYTES_MAX) },
    });
  });
});
