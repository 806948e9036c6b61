/**
 * One table over every RPC: who may not call it, what is wrong with a request, and what each of them is answered. None of these
 * calls changes anything.
 */
import { connect as connectHttp2 } from "node:http2";
import {
  admin,
  authorization,
  cluster,
  decodeErrorDetails,
  iam,
  model,
  read,
  write,
} from "@authledger/proto";
import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { METHOD_RULES } from "../src/gate/method-rules.js";
import { RANK } from "../src/iam/role-ranks.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";
import { as, binding, ROOT, startTenants, type Tenants } from "./support/tenants.js";

const SOURCE = {
  language: 1,
  files: [{ name: "", text: "model\n  schema 1.1\ntype user\n" }],
};

type Fields = Readonly<Record<string, unknown>>;

/** What a right request says beside organization and vault; by path. */
const GOOD: Readonly<Record<string, Fields>> = {
  "WriteService/Write": { transaction: transaction([createTuple()]) },
  "WriteService/BatchWrite": { transactions: [transaction([createTuple()])] },
  "WriteService/DeleteByFilter": { filter: { $case: "entityPrefix", value: "a" } },
  "WriteService/Erase": { target: { $case: "entityKey", value: "a" } },
  "ReadService/Read": { key: "a" },
  "ReadService/BatchRead": { keys: ["a"] },
  "ReadService/Check": { tuple: TUPLE },
  "ReadService/BatchCheck": { tuples: [TUPLE] },
  "ReadService/ListResources": { type: "doc" },
  "ReadService/GetClientState": { clientId: "app" },
  "ReadService/GetConsistencyProof": { fromSize: 1n, toSize: 2n },
  "ReadService/ListPolicyBundles": { epoch: 1n },
  "ReadService/ReportCheckpoint": { checkpoint: "note" },
  "AuthorizationService/Check": { tuple: TUPLE },
  "AuthorizationService/BatchCheck": { tuples: [TUPLE] },
  "AuthorizationService/Expand": { resource: "doc:a", relation: "viewer" },
  "AuthorizationService/ListObjects": { type: "doc", relation: "viewer", subject: "user:ann" },
  "AuthorizationService/ListUsers": { resource: "doc:a", relation: "viewer", filters: ["user"] },
  "AuthorizationService/ListRelations": { resource: "doc:a", subject: "user:ann" },
  "AuthorizationService/Explain": { tuple: TUPLE },
  "ModelService/ValidateModel": { source: SOURCE },
  "ModelService/DeployModel": { source: SOURCE },
  "ModelService/ActivateModel": { version: 1n },
  "ModelService/GetModel": { version: 1n },
  "ModelService/DiffModels": { to: { $case: "toVersion", value: 1n } },
  "ModelService/SetAssertions": { version: 1n },
  "ModelService/GetAssertions": { version: 1n },
  "AdminService/CreateOrganization": { name: "fresh" },
  "AdminService/CreateVault": { name: "fresh" },
  "AdminService/UpdateVault": { retentionBlocks: 10n },
  "AdminService/UpdateConfig": { values: { logLevel: "warn" } },
  "AdminService/SetQuota": { limits: { vaults: 9n } },
  "ClusterService/InitCluster": { addresses: ["127.0.0.1:1"] },
  "ClusterService/AddMember": { address: "127.0.0.1:1" },
  "ClusterService/PromoteMember": { nodeId: 5n },
  "ClusterService/RemoveMember": { nodeId: 5n },
  "ClusterService/TransferLeadership": { nodeId: 5n },
  "ClusterService/RecordAudit": {
    actor: "root",
    records: [{ key: "audit:000000000001-00000000", value: Buffer.from("{}"), expiresAtMs: 0n }],
  },
  "IamService/CreateApiKey": { name: "k" },
  "IamService/RevokeApiKey": { id: "abc" },
};

/** Fields with a limit that are in many messages, and one more than it allows. */
const OVER: Fields = {
  pageSize: 1_001,
  keys: Array.from({ length: 1_001 }, () => "a"),
  tuples: Array.from({ length: 1_001 }, () => TUPLE),
  transactions: Array.from({ length: 1_001 }, () => transaction([createTuple()])),
  reason: "r".repeat(2_000),
};

interface AnyMethod {
  readonly path: string;
  readonly requestSerialize: (request: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => object;
}

const METHODS: ReadonlyMap<string, AnyMethod> = new Map(
  [
    admin.AdminServiceService,
    authorization.AuthorizationServiceService,
    cluster.ClusterServiceService,
    iam.IamServiceService,
    model.ModelServiceService,
    read.ReadServiceService,
    write.WriteServiceService,
  ]
    .flatMap((service) => Object.values(service) as AnyMethod[])
    .map((method) => [method.path, method]),
);

type Place = { readonly organization: bigint; readonly vault: bigint };

function nameOf(path: string): string {
  return path.slice("/authledger.v1.".length);
}

function requestTo(path: string, place: Place, fields: Fields = {}): Buffer {
  const { requestDeserialize, requestSerialize } = METHODS.get(path)!;
  const empty = requestDeserialize(Buffer.alloc(0));
  const about = METHOD_RULES.get(path)!.scope === "binding" ? bindingOf(path, place) : place;
  const request = { ...empty, ...GOOD[nameOf(path)], ...fields, ...about };
  return requestSerialize(request as never);
}

function limitedField(path: string): string | undefined {
  const empty = METHODS.get(path)!.requestDeserialize(Buffer.alloc(0)) as Fields;
  const isSame = (a: unknown, b: unknown): boolean =>
    typeof a === typeof b && Array.isArray(a) === Array.isArray(b);
  return Object.keys(OVER).find((field) => isSame(empty[field], OVER[field]));
}

function hasField(path: string, field: string): boolean {
  return field in METHODS.get(path)!.requestDeserialize(Buffer.alloc(0));
}

function bindingOf(path: string, place: Place): Fields {
  if (path.endsWith("/ListRoles")) return { ...place };
  return { binding: binding("user:new", iam.Role.ROLE_READER, place) };
}

interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
}

/** A call of any kind, which must fail. */
function refusalOf(t: Tenants, path: string, bytes: Buffer, who?: string): Promise<Refusal> {
  const same = (value: Buffer): Buffer => value;
  const options = { deadline: Date.now() + 10_000 };
  const metadata = who === undefined ? as("").metadata.clone() : as(who).metadata;
  if (who === undefined) metadata.remove("test-principal");
  return new Promise((resolve, reject) => {
    const stream = t.client.makeServerStreamRequest(path, same, same, bytes, metadata, options);
    stream.on("data", () => {
      stream.cancel();
      reject(new Error(`${path} answered`));
    });
    stream.on("end", () => reject(new Error(`${path} answered`)));
    stream.on("error", ({ code, metadata: trailer }: ServiceError) => {
      const details = trailer.get("grpc-status-details-bin")[0];
      const known = details === undefined ? undefined : decodeErrorDetails(details as Buffer);
      resolve({ status: code, code: known?.code });
    });
  });
}

/** A deadline that has passed when it arrives: clients do not send such a call, so its frames are made here. */
function statusOfLate(t: Tenants, path: string, message: Buffer): Promise<string> {
  const session = connectHttp2(`http://${t.address}`);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return new Promise<string>((resolve, reject) => {
    const request = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-timeout": "1n",
      "test-principal": ROOT,
    });
    let status: unknown;
    request.on("response", (headers) => {
      status ??= headers["grpc-status"];
    });
    request.on("trailers", (trailers) => {
      status ??= trailers["grpc-status"];
    });
    request.on("end", () => resolve(String(status)));
    request.on("error", reject);
    request.resume();
    request.end(Buffer.concat([head, message]));
  }).finally(() => session.close());
}

/** Everything that a change would move. */
async function stateOf(t: Tenants): Promise<unknown> {
  const { lastIndex, appliedIndex, evidence } = await t.engine.call("get_node_info", {});
  const tip = { vault: 0, consistency: { kind: "linearizable" } } as const;
  const { blockHash } = await t.engine.call("get_tip", tip);
  return { lastIndex, appliedIndex, evidence, system: Buffer.from(blockHash).toString("hex") };
}

/** Who has the role next below the one that is needed. */
function tooLow(scope: string, rank: number): string {
  if (scope === "node") return ROOT;
  if (scope === "cluster") return rank === RANK.administrator ? "user:operator" : "user:boss";
  return ["user:nobody", "user:reader", "user:writer", "user:manager"][rank - 1]!;
}

async function people(t: Tenants): Promise<void> {
  const { ROLE_READER, ROLE_WRITER, ROLE_MANAGER, ROLE_ADMINISTRATOR, ROLE_OPERATOR } = iam.Role;
  const acme = { organization: t.acme.organization };
  await t.grant("user:reader", ROLE_READER, acme);
  await t.grant("user:writer", ROLE_WRITER, acme);
  await t.grant("user:manager", ROLE_MANAGER, acme);
  await t.grant("user:boss", ROLE_ADMINISTRATOR, acme);
  await t.grant("user:operator", ROLE_OPERATOR);
  await t.grant("user:mallory", ROLE_ADMINISTRATOR, { organization: t.other.organization });
}

const NOTHING = { organization: 0n, vault: 0n };
const GARBAGE = Buffer.from([0x0a, 0xff]);
const UNAUTHENTICATED = { status: 16, code: "UNAUTHENTICATED" };
const DENIED = { status: 7, code: "PERMISSION_DENIED" };
const TOO_LARGE = 9 * 1024 * 1024;

test("every RPC refuses who is not known, of another tenant or without the role, and what is malformed, too large, late or unknown, and nothing changes", async () => {
  const t = await startTenants();
  await people(t);
  expect([...METHODS.keys()].sort()).toEqual([...METHOD_RULES.keys()].sort());
  const before = await stateOf(t);
  const padding = Buffer.concat([Buffer.from([0xc2, 0x3e, 0x80, 0x80, 0xc0, 0x04])]);
  const huge = Buffer.concat([padding, Buffer.alloc(TOO_LARGE)]);
  const unknown = { organization: 5n, vault: 5n };
  for (const [path, { scope, rank }] of METHOD_RULES) {
    const good = requestTo(path, t.acme);
    const refused = (bytes: Buffer, who?: string): Promise<Refusal> =>
      refusalOf(t, path, bytes, who);
    expect(await refused(good), `${path} without a credential`).toEqual(UNAUTHENTICATED);
    expect(await refused(GARBAGE, ROOT), `${path} malformed`).toEqual({
      status: 3,
      code: "MALFORMED_MESSAGE",
    });
    if (scope === "vault" || scope === "organization") {
      expect(await refused(requestTo(path, NOTHING), ROOT), `${path} of nothing named`).toEqual({
        status: 3,
        code: "SLUG_REQUIRED",
      });
    }
    if (hasField(path, "system")) {
      const system = requestTo(path, NOTHING, { system: true });
      const both = requestTo(path, t.acme, { system: true });
      expect(await refused(both, ROOT), `${path} of two vaults`).toEqual({
        status: 3,
        code: "INVALID_ARGUMENT",
      });
      expect(await refused(system, "user:boss"), `${path} of the system vault`).toEqual(DENIED);
    }
    if (scope !== "known") {
      expect(await refused(good, "user:mallory"), `${path} of another tenant`).toEqual(DENIED);
      const low = tooLow(scope, rank);
      expect(await refused(good, low), `${path} by ${low}`).toEqual(DENIED);
    }
    const limited = limitedField(path);
    if (limited === undefined) {
      expect((await refused(huge, ROOT)).status, `${path} of 9 MiB`).toBe(8);
    } else {
      const over = requestTo(path, t.acme, { [limited]: OVER[limited] });
      expect(await refused(over, ROOT), `${path} over the limit of ${limited}`).toEqual({
        status: 3,
        code: "LIMIT_EXCEEDED",
      });
    }
    expect(await statusOfLate(t, path, good), `${path} late`).toBe("4");
    const isNamed = scope === "vault" || scope === "organization" || path.endsWith("/GrantRole");
    if (isNamed) {
      expect(await refused(requestTo(path, unknown), ROOT), `${path} of nothing`).toEqual({
        status: 5,
        code: "ORGANIZATION_NOT_FOUND",
      });
      const foreign = { organization: t.acme.organization, vault: t.other.vault };
      if (scope === "vault") {
        const failed = await refused(requestTo(path, foreign), ROOT);
        expect(failed, `${path} of another's vault`).toEqual({
          status: 5,
          code: "VAULT_NOT_FOUND",
        });
      }
    }
    expect(await stateOf(t), `${path} changed something`).toEqual(before);
  }
}, 30_000);
