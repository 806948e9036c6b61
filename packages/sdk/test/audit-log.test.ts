/** The audit log as a client reads it from a real node. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningNode } from "@authledger/server";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { type AuditLogOptions, type ClientOptions, createClient } from "../src/index.js";
import { startRealNode } from "./support/real-node.js";

const SYSTEM = { organization: 0n, vault: 0n };

let node: RunningNode;
let data: string;
let startMs: bigint;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), "authledger-audit-"));
  startMs = BigInt(Date.now());
  node = await startRealNode({ data });
  const { admin } = clientOf({}, false);
  const { slug: organization } = await admin.createOrganization("acme", { requestId: "req-1" });
  await admin.createVault({ organization, name: "main" });
  await rejectedBy(admin.createVault({ organization: 99n, name: "other" }));
});

afterAll(async () => {
  await node.close();
  rmSync(data, { recursive: true, force: true });
});

function clientOf(options: Partial<ClientOptions>, isClosedByTest = true) {
  const client = createClient({ endpoints: node.grpcAddress, ...options });
  if (isClosedByTest) onTestFinished(() => client.close());
  return client;
}

async function actionsOf(options: AuditLogOptions, client = clientOf({})): Promise<string[]> {
  const actions: string[] = [];
  for await (const { action } of client.auditLog(options)) actions.push(action);
  return actions;
}

describe("the audit log", () => {
  it("is read oldest first whatever the client's own vault is", async () => {
    const records = [];
    for await (const record of clientOf({}).auditLog()) records.push(record);
    expect(records).toMatchObject([
      {
        ...{ actor: "anonymous", outcome: "success", requestId: "req-1", isProven: false },
        ...{ resource: { name: "acme" }, client: "127.0.0.1" },
      },
      { action: "AdminService/createVault", outcome: "success" },
      { outcome: "failure", code: "ORGANIZATION_NOT_FOUND", resource: { organization: "99" } },
    ]);
    expect(records.every(({ timeMs }) => timeMs >= startMs)).toBe(true);
    const other = clientOf({ tenant: { organization: "7", vault: "9" } });
    expect(await actionsOf({ pageSize: 1 }, other)).toEqual(records.map(({ action }) => action));
  });

  it("is narrowed by time, actor, action and outcome", async () => {
    const all = await actionsOf({});
    const endMs = BigInt(Date.now() + 1);
    expect(await actionsOf({ sinceMs: startMs, untilMs: endMs })).toEqual(all);
    expect(await actionsOf({ untilMs: startMs })).toEqual([]);
    expect(await actionsOf({ sinceMs: endMs })).toEqual([]);
    expect(await actionsOf({ outcome: "failure" })).toEqual(["AdminService/createVault"]);
    expect(await actionsOf({ action: "AdminService/createO" })).toEqual(all.slice(0, 1));
    expect(await actionsOf({ actor: "key:nobody" })).toEqual([]);
    const error = await rejectedBy(actionsOf({ sinceMs: -1n, untilMs: 5n }));
    expect(error.code).toBe("INVALID_ARGUMENT");
  });

  it("is computed from proofs where the client verifies, and not read where nothing is trusted (INV-SDK-17)", async () => {
    const anchor = await clientOf({}).admin.getTrustAnchor(SYSTEM);
    const own = clientOf({ tenant: SYSTEM, verify: { anchor } });
    const tenant = { organization: "7", vault: "9" };
    const other = clientOf({ tenant, verify: { anchor: "of the other vault" } });
    for (const records of [own.auditLog(), other.auditLog({ anchor })]) {
      const proven = [];
      for await (const { isProven } of records) proven.push(isProven);
      expect(proven).toEqual([true, true, true]);
    }
    const nothing = clientOf({ tenant, verify: { anchor: "of the other vault" } });
    expect((await rejectedBy(actionsOf({}, nothing))).code).toBe("TRUST_ANCHOR_MISSING");
  });
});
