/** The audit log over a real node: what administration leaves in the system vault and in the node's file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { iam } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { AuditLog } from "../../src/audit/audit-log.js";
import { type AuditRecord, auditKey, resourceOf } from "../../src/audit/audit-record.js";
import { AuditedCalls } from "../../src/audit/audited-calls.js";
import { parseNodeConfig, startNode } from "../../src/index.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { call, connect, errorOf, startHarness } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";
import { createVault } from "../support/vault.js";

const SILENT = pino({ level: "silent" });

async function startWithFile() {
  const data = temporaryDirectory();
  const auditLog = join(data, "audit.jsonl");
  const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB", data, auditLog };
  const node = await startNode(parseNodeConfig(config), {
    version: "0.0.0-test",
    logger: SILENT,
    onFatal: (error) => {
      throw error;
    },
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= node.close());
  onTestFinished(close);
  const records = async (): Promise<AuditRecord[]> => {
    const { entities } = await new SystemVault(node.engine).list("audit:");
    return entities.map(({ value }) => JSON.parse(new TextDecoder().decode(value)));
  };
  return { node, client: connect(node.grpcAddress), auditLog, close, records };
}

/** A log over a vault that is a list of transactions. */
function logOver(write: SystemVault["write"], logger = SILENT) {
  const deps = {
    system: { write },
    file: undefined,
    logger,
    nowMs: () => 1_000,
  };
  const log = new AuditLog({ ...deps, retentionMs: () => 60_000, suffix: () => "00000000" });
  onTestFinished(() => log.close());
  return log;
}

const RECORD: AuditRecord = {
  ...{ timeMs: 1, actor: "key:a", action: "AdminService/createVault", resource: {} },
  ...{ outcome: "refused", code: "PERMISSION_DENIED", requestId: "r", client: "::1", node: "n" },
};

describe("the audit log", () => {
  test("INV-TRAIL-1: a record that nobody could write is an error of the log, and a word of it where the engine has ended", async () => {
    const lines: { level: number; audit?: AuditRecord; code?: string }[] = [];
    const logger = pino({ level: "debug" }, { write: (line) => void lines.push(JSON.parse(line)) });
    let code: "DISK_FULL" | "NODE_STOPPED" | "SHUTTING_DOWN" = "DISK_FULL";
    const log = logOver(() => Promise.reject(new LedgerError(code, "no")), logger);
    const levels = { debug: 20, info: 30, warn: 40, error: 50 };
    for (const [next, added, summed] of [
      ["DISK_FULL", levels.error, levels.warn],
      ["NODE_STOPPED", levels.info, levels.debug],
      ["SHUTTING_DOWN", levels.info, levels.debug],
    ] as const) {
      code = next;
      lines.length = 0;
      await log.add(RECORD);
      log.refuse(RECORD);
      await log.summarize();
      expect(lines.map(({ level }) => level)).toEqual([added, summed]);
      expect(lines[0]!.audit).toEqual(RECORD);
    }
    expect(log.unwritten).toBe(3);
  });

  test("INV-TRAIL-1: when administration is answered its record is in the system vault and in the file: who, what, how it ended", async () => {
    const { client, records, auditLog, close } = await startWithFile();
    const metadata = new Metadata();
    metadata.set("x-request-id", "req-1");
    await call(client, ["admin", "createOrganization"], { name: "acme" }, { metadata });
    await errorOf(call(client, ["admin", "createVault"], { organization: 99n, name: "v" }));
    await call(client, ["admin", "listOrganizations"], {
      pageSize: 0,
      pageToken: new Uint8Array(),
    });
    const written = await records();
    expect(written).toMatchObject([
      {
        ...{ actor: "anonymous", action: "AdminService/createOrganization", outcome: "success" },
        ...{
          resource: { name: "acme" },
          requestId: "req-1",
          client: "127.0.0.1",
          node: expect.any(String),
        },
      },
      {
        ...{ action: "AdminService/createVault", outcome: "failure" },
        ...{ code: "ORGANIZATION_NOT_FOUND", resource: { organization: "99", name: "v" } },
      },
    ]);
    await close();
    const lines = readFileSync(auditLog, "utf8").trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(
      written.map(({ action }) => action),
    );
  });

  test("INV-TRAIL-1: quotas, configuration and erasures are recorded with who did it, whether it went well or not, and name no person", async () => {
    const { client, records } = await startWithFile();
    const { organization, vault } = await createVault(client);
    const before = (await records()).length;
    const reason = "request 11";
    const set = { organization, tier: "", limits: { vaults: 5n }, assignedTier: "", reason };
    await call(client, ["admin", "setQuota"], set);
    await call(client, ["admin", "deleteQuota"], { organization, tier: "", reason });
    const update = { values: { scrubHours: "48" }, dryRun: false, reason };
    await call(client, ["admin", "updateConfig"], update);
    await errorOf(
      call(client, ["admin", "updateConfig"], { ...update, values: { scrubHours: "many" } }),
    );
    const person = { $case: "entityKey", value: "person:ann" };
    const erase = { organization, vault, target: person, keepCurrent: false, reason };
    await call(client, ["write", "erase"], erase);
    await errorOf(call(client, ["write", "erase"], { ...erase, vault: vault + 1n }));
    const written = (await records()).slice(before);
    const owner = { organization: String(organization) };
    expect(written.map(({ action, outcome, code }) => [action, outcome, code])).toEqual([
      ["AdminService/setQuota", "success", undefined],
      ["AdminService/deleteQuota", "success", undefined],
      ["AdminService/updateConfig", "success", undefined],
      ["AdminService/updateConfig", "failure", "CONFIG_INVALID"],
      ["WriteService/erase", "success", undefined],
      ["WriteService/erase", "failure", "VAULT_NOT_FOUND"],
    ]);
    expect(new Set(written.map(({ actor }) => actor))).toEqual(new Set(["anonymous"]));
    expect(written[1]!.resource).toEqual(owner);
    expect(written[2]!.resource).toEqual({ dryRun: "false", fields: "scrubHours" });
    expect(written[4]!.resource).toEqual({ ...owner, vault: String(vault) });
    expect(JSON.stringify(written)).not.toMatch(/person|request 11/);
  });

  test("a role that is given is recorded with who was given which, and where", () => {
    const binding = { principal: "user:ann", role: iam.Role.ROLE_WRITER, organization: 7n };
    const request = iam.GrantRoleRequest.fromPartial({ binding, reason: "asked for by Bob" });
    const given = { principal: "user:ann", role: "writer", organization: "7" };
    expect(resourceOf(request)).toEqual(given);
    expect(resourceOf(iam.RevokeRoleRequest.fromPartial(request))).toEqual(given);
    const group = { principal: "user:ann", role: iam.Role.ROLE_MEMBER, group: "staff" };
    expect(resourceOf(iam.GrantRoleRequest.fromPartial({ binding: group }))).toEqual({
      ...{ principal: "user:ann", role: "member", group: "staff" },
    });
  });

  test("a record is an entity of the system vault that its block proves", async () => {
    const { node, client } = await startWithFile();
    await call(client, ["admin", "createOrganization"], { name: "acme" });
    const [entity] = (await new SystemVault(node.engine).list("audit:")).entities;
    const { proof } = await node.engine.call("read_entities", {
      ...{ vault: 0, keys: [entity!.key], consistency: { kind: "linearizable" } },
      prove: { trustedSize: 0, configHash: new Uint8Array() },
    });
    expect(proof!.stateProof.length).toBeGreaterThan(0);
    expect(entity!.expiresAtMs).toBeGreaterThan(Date.now() + 364 * 86_400_000);
  });

  test("INV-TRAIL-2: who is not let in is in the next summary, whatever was called, and what cannot be written then in the one after", async () => {
    const written: unknown[] = [];
    let isDown = true;
    const log = logOver(async (operations) => {
      if (isDown) throw new LedgerError("NO_LEADER", "nobody leads");
      written.push(...operations);
      return { height: 1, statuses: [] };
    });
    const denies = {
      enter: () => {
        throw new LedgerError("ORGANIZATION_NOT_FOUND", "never seen");
      },
    };
    const h = await startHarness({ steps: [denies], observers: [new AuditedCalls(log, "n")] });
    await errorOf(call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE }));
    expect(log.refused).toBe(0);
    for (let i = 0; i < 3; i++) log.refuse({ ...RECORD, timeMs: i });
    await log.summarize();
    expect(written).toEqual([]);
    isDown = false;
    await log.summarize();
    expect(written).toHaveLength(1);
    const [first] = written as {
      key: string;
      value: Uint8Array;
      expiresAtMs: number;
    }[];
    const { key, value, expiresAtMs } = first!;
    expect([key, expiresAtMs]).toEqual([auditKey(0, "00000000"), 61_000]);
    expect(JSON.parse(new TextDecoder().decode(value))).toMatchObject({ count: 3, untilMs: 2 });
    await log.summarize();
    expect(written).toHaveLength(1);
  });

  /*
   * The leader wrote a summary and lost its place before it heard of the commit: the counts went into the next summary as well, under
   * other keys, and each refusal stood in the ledger twice.
   */
  test.each(["COMMIT_UNKNOWN", "DEADLINE_EXCEEDED", "DISK_FULL"] as const)(
    "INV-TRAIL-2: a summary that was written although its writer heard %s is not written again",
    async (code) => {
      const ledger = new Map<string, AuditRecord>();
      let isHeard = false;
      const log = logOver(async (operations) => {
        const sent = operations as readonly { key: string; value: Uint8Array }[];
        if (sent.some(({ key }) => ledger.has(key)))
          throw new LedgerError("PRECONDITION_FAILED", "it is there");
        for (const { key, value } of sent)
          ledger.set(key, JSON.parse(new TextDecoder().decode(value)));
        if (!isHeard) throw new LedgerError(code, "nobody knows");
        return { height: 1, statuses: [] };
      });
      for (let i = 0; i < 70; i++) log.refuse({ ...RECORD, timeMs: i, actor: `key:${i}` });
      await log.summarize();
      for (let i = 0; i < 70; i++) log.refuse({ ...RECORD, timeMs: 100 + i, actor: `key:${i}` });
      isHeard = true;
      await log.summarize();
      await log.summarize();
      const counts = [...ledger.values()].map(({ count }) => count!);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(140);
      expect([log.written, log.lost]).toEqual([ledger.size, 0]);
    },
  );

  test("INV-TRAIL-1: a record that nobody can write is counted, and its call is answered", async () => {
    const log = logOver(async () => {
      throw new LedgerError("DISK_FULL", "full");
    });
    await log.add({ ...RECORD, outcome: "success" });
    expect([log.written, log.unwritten]).toEqual([0, 1]);
  });

  test("keys ascend with time", () => {
    const times = [0, 1, 15, 16, 255, 1_700_000_000_000, 2 ** 47];
    const keys = times.map((time) => auditKey(time, "ffffffff"));
    expect([...keys].sort()).toEqual(keys);
  });
});
