/** Roles over a real engine: what follows from what, who may give them, and what a caller without them learns. */
import { type admin, type authorization, iam } from "@authledger/proto";
import { LedgerError, type Operation } from "@authledger/types";
import { describe, expect, test, vi } from "vitest";
import { call, failureOf } from "../support/harness.js";
import { createTuple, PAGE, TUPLE, transaction } from "../support/requests.js";
import { as, binding, ROOT, type Scope, startTenants, type Tenants } from "../support/tenants.js";

const { ROLE_READER, ROLE_WRITER, ROLE_MANAGER, ROLE_ADMINISTRATOR, ROLE_OPERATOR, ROLE_MEMBER } =
  iam.Role;
const ANN = "user:ann";

type Method = Parameters<typeof call>[1];

/** Calls that need each of the roles of a vault. */
const LADDER: readonly (readonly [Method, (t: Tenants) => object])[] = [
  [["read", "check"], (t) => ({ ...t.acme, tuple: TUPLE })],
  [
    ["write", "write"],
    (t) => ({ ...t.acme, transaction: transaction([createTuple()]), prove: false }),
  ],
  [["admin", "updateVault"], (t) => ({ ...t.acme, retentionBlocks: 10n })],
  [
    ["iam", "grantRole"],
    (t) => ({ binding: binding("user:bob", ROLE_READER, t.acme), reason: "" }),
  ],
];

/** How many calls of the ladder the caller may do. */
async function steps(t: Tenants, who: string): Promise<number> {
  const passed: boolean[] = [];
  for (const [method, request] of LADDER) {
    const asked = call(t.client, method, request(t), as(who));
    passed.push(
      await asked.then(
        () => true,
        async () => {
          const { details } = await failureOf(asked);
          expect(details.code).toBe("PERMISSION_DENIED");
          return false;
        },
      ),
    );
  }
  const count = passed.filter(Boolean).length;
  expect(passed, "a role includes those before it").toEqual(LADDER.map((_, i) => i < count));
  return count;
}

const code = async (asked: Promise<unknown>): Promise<string> =>
  (await failureOf(asked)).details.code;

describe("roles", () => {
  test("INV-ROLE-2: those of a vault follow from those of its organization and of the cluster, and from nothing of another", async () => {
    const t = await startTenants();
    const organization = { organization: t.acme.organization };
    const places: readonly (readonly [Scope, iam.Role, number])[] = [
      [t.acme, ROLE_READER, 1],
      [t.acme, ROLE_WRITER, 2],
      [t.acme, ROLE_MANAGER, 3],
      [t.acme, ROLE_ADMINISTRATOR, 4],
      [organization, ROLE_READER, 1],
      [organization, ROLE_WRITER, 2],
      [organization, ROLE_MANAGER, 3],
      [organization, ROLE_ADMINISTRATOR, 4],
      [{}, ROLE_ADMINISTRATOR, 4],
      [{}, ROLE_OPERATOR, 0],
      [t.other, ROLE_ADMINISTRATOR, 0],
      [{ organization: t.other.organization }, ROLE_ADMINISTRATOR, 0],
      [{ organization: t.other.organization, vault: t.acme.vault + 1n }, ROLE_READER, -1],
    ];
    for (const [place, role, expected] of places) {
      if (expected < 0) {
        const request = { binding: binding(ANN, role, place), reason: "" };
        const failed = await code(call(t.client, ["iam", "grantRole"], request, as(ROOT)));
        expect(failed).toBe("VAULT_NOT_FOUND");
        continue;
      }
      await t.grant(ANN, role, place);
      expect(await steps(t, ANN), `${role} of ${JSON.stringify(place, String)}`).toBe(expected);
      await t.revoke(ANN, role, place);
      expect(await steps(t, ANN)).toBe(0);
    }
  });

  test("of a group are those of its members, also through another group", async () => {
    const t = await startTenants();
    await t.grant("group:oncall", ROLE_WRITER, t.acme);
    await t.grant("group:sre", ROLE_MEMBER, { group: "oncall" });
    expect(await steps(t, ANN)).toBe(0);
    await t.grant(ANN, ROLE_MEMBER, { group: "sre" });
    expect(await steps(t, ANN)).toBe(2);
    await t.revoke("group:sre", ROLE_MEMBER, { group: "oncall" });
    expect(await steps(t, ANN)).toBe(0);
  });

  test("INV-ROLE-3: one that expires or is taken away by a write of another node counts no more when that is applied", async () => {
    const t = await startTenants();
    const brief = { ...binding(ANN, ROLE_READER, t.acme), expiresAtMs: BigInt(Date.now() + 700) };
    await call(t.client, ["iam", "grantRole"], { binding: brief, reason: "" }, as(ROOT));
    expect(await steps(t, ANN)).toBe(1);
    await expect.poll(() => steps(t, ANN), { timeout: 5_000, interval: 50 }).toBe(0);
    await t.grant(ANN, ROLE_READER, t.acme);
    expect(await steps(t, ANN)).toBe(1);
    expect(t.roles.size).toBe(1);
    // As a follower gets it: the handler of the call that changes it runs elsewhere.
    const tuple = {
      resource: `vault:${t.acme.organization}/${t.acme.vault}`,
      relation: "reader",
      subject: "principal:user%3Aann",
    };
    const operations = [{ op: "delete_tuple", tuple }] as const;
    const labels = { clientId: "", idempotencyKey: "", reason: "" };
    const transactions = [{ operations, ...labels }];
    await t.engine.call("write", { vault: 0, transactions, actor: "test", prove: false });
    await new Promise((resolve) => setImmediate(resolve));
    expect(t.roles.size).toBe(0);
    expect(await steps(t, ANN)).toBe(0);
  });

  test("INV-ROLE-3: they are kept while the system vault gets records of the audit, and forgotten with the first tuple or model", async () => {
    const t = await startTenants();
    await t.grant(ANN, ROLE_READER, t.acme);
    const applied = async (operations: readonly Operation[]): Promise<void> => {
      const labels = { clientId: "", idempotencyKey: "", reason: "" };
      const transactions = [{ operations, ...labels }];
      await t.engine.call("write", { vault: 0, transactions, actor: "test", prove: false });
      await new Promise((resolve) => setImmediate(resolve));
    };
    const set = (key: string): Operation => ({
      ...{ op: "set_entity", key, value: new Uint8Array(3), expiresAtMs: 0 },
      condition: { kind: "none" },
    });
    const tuple = { resource: "group:g", relation: "member", subject: "principal:user%3Abob" };
    const given: Operation = { op: "create_tuple", tuple, expiresAtMs: 0 };
    for (const isKept of [true, false]) {
      expect(await steps(t, ANN)).toBe(1);
      expect(t.roles.size).toBe(1);
      const other: Operation = isKept ? set("quota:global") : given;
      await applied([set("audit:1"), other, set("key:none")]);
      expect(t.roles.size).toBe(isKept ? 1 : 0);
    }
  });

  test("INV-ROLE-4: what was refused is not kept", async () => {
    const t = await startTenants();
    await t.grant(ANN, ROLE_READER, t.acme);
    await steps(t, ANN);
    await steps(t, "user:eve");
    expect(t.roles.size).toBe(1);
  });

  test("are given and taken by administrators of the place, listed as they were given, and refused where they do not exist", async () => {
    const t = await startTenants();
    const organization = { organization: t.acme.organization };
    await t.grant(ANN, ROLE_ADMINISTRATOR, organization);
    const grant = (about: iam.RoleBinding, who: string): Promise<iam.GrantRoleResponse> =>
      call(t.client, ["iam", "grantRole"], { binding: about, reason: "needed" }, as(who));
    const first = await grant(binding("user:bob", ROLE_WRITER, t.acme), ANN);
    expect(first).toMatchObject({ existed: false, binding: { version: first.height } });
    expect(await grant(binding("user:bob", ROLE_WRITER, t.acme), ANN)).toMatchObject({
      existed: true,
      binding: { version: first.height },
    });
    for (const about of [
      binding("user:bob", ROLE_READER, t.other),
      binding("user:bob", ROLE_OPERATOR),
      binding("user:bob", ROLE_MEMBER, { group: "g" }),
      binding("user:bob", ROLE_READER, { ...t.acme, group: "g" }),
    ]) {
      expect(await code(grant(about, ANN))).toBe("PERMISSION_DENIED");
    }
    for (const about of [
      binding("user:bob", ROLE_OPERATOR, t.acme),
      binding("user:bob", ROLE_READER),
      binding("root", ROLE_READER, t.acme),
      binding("anonymous", ROLE_READER, t.acme),
      binding("bob", ROLE_READER, t.acme),
      binding("user:bob", ROLE_MEMBER, { ...t.acme, group: "g" }),
      binding("user:bob", ROLE_ADMINISTRATOR, { vault: 5n }),
    ]) {
      expect(await code(grant(about, ROOT))).toBe("ROLE_INVALID");
    }
    const list = (filter: object, who = ANN): Promise<iam.ListRolesResponse> =>
      call(t.client, ["iam", "listRoles"], { ...ALL, ...filter }, as(who));
    expect((await list(t.acme)).bindings).toMatchObject([
      { principal: "user:bob", role: ROLE_WRITER, ...t.acme },
    ]);
    expect((await list(organization)).bindings.map(({ principal }) => principal)).toEqual([ANN]);
    const own = await list({ principal: "user:bob" }, "user:bob");
    expect(own.bindings).toHaveLength(1);
    expect(await code(list({ principal: ANN }, "user:bob"))).toBe("PERMISSION_DENIED");
    expect(await code(list(t.other))).toBe("PERMISSION_DENIED");
    const taken = { binding: binding("user:bob", ROLE_WRITER, t.acme), reason: "" };
    const revoke = (): Promise<iam.RevokeRoleResponse> =>
      call(t.client, ["iam", "revokeRole"], taken, as(ANN));
    expect([(await revoke()).existed, (await revoke()).existed]).toEqual([true, false]);
  });

  test("are paged", async () => {
    const t = await startTenants();
    for (const name of ["a", "b", "c"]) await t.grant(`user:${name}`, ROLE_READER, t.acme);
    const names: string[] = [];
    let pageToken = new Uint8Array(0);
    do {
      const request = { ...ALL, ...t.acme, pageSize: 2, pageToken };
      const page = await call<iam.ListRolesResponse>(
        t.client,
        ["iam", "listRoles"],
        request,
        as(ROOT),
      );
      names.push(...page.bindings.map(({ principal }) => principal));
      pageToken = new Uint8Array(page.nextPageToken);
    } while (pageToken.length > 0);
    expect(names.sort()).toEqual(["user:a", "user:b", "user:c"]);
  });
});

describe("a caller", () => {
  test("INV-ROLE-7: is refused alike whether what it names exists or not", async () => {
    const t = await startTenants();
    await t.grant(ANN, ROLE_ADMINISTRATOR, { organization: t.acme.organization });
    const refused = async (method: Method, request: object): Promise<unknown> => {
      const { status, details } = await failureOf(call(t.client, method, request, as(ANN)));
      return { status, ...details, message: "", context: Object.keys(details.context) };
    };
    const unknown = { organization: 5n, vault: 7n };
    for (const [method, rest] of [
      [["read", "check"], { tuple: TUPLE }],
      [["admin", "getOrganization"], {}],
      [["admin", "deleteOrganization"], {}],
      [["admin", "listVaults"], PAGE],
      [["admin", "getVault"], {}],
    ] as const) {
      const foreign = await refused(method, { ...t.other, ...rest });
      expect(foreign).toMatchObject({ code: "PERMISSION_DENIED" });
      expect(await refused(method, { ...unknown, ...rest })).toEqual(foreign);
    }
    const smuggled = { organization: t.acme.organization, vault: t.other.vault };
    expect(await refused(["read", "check"], { ...smuggled, tuple: TUPLE })).toEqual(
      await refused(["read", "check"], { ...smuggled, vault: 7n, tuple: TUPLE }),
    );
  });

  test("sees of the organizations those that it may read", async () => {
    const t = await startTenants();
    const list = async (who: string): Promise<bigint[]> => {
      const page = await call<admin.ListOrganizationsResponse>(
        t.client,
        ["admin", "listOrganizations"],
        PAGE,
        as(who),
      );
      return page.organizations.map(({ slug }) => slug);
    };
    expect(await list(ANN)).toEqual([]);
    const both = [t.acme.organization, t.other.organization];
    expect(await list(ROOT)).toEqual(both);
    await t.grant(ANN, ROLE_READER, { organization: t.other.organization });
    expect(await list(ANN)).toEqual([t.other.organization]);
    await t.grant("user:op", ROLE_OPERATOR);
    expect(await list("user:op")).toEqual([]);
    await t.grant("user:op", ROLE_ADMINISTRATOR);
    expect(await list("user:op")).toEqual(both);
  });

  test("INV-ROLE-8: reads the system vault with proofs as an administrator of the cluster, and writes it never", async () => {
    const t = await startTenants();
    await t.grant(ANN, ROLE_ADMINISTRATOR, { organization: t.acme.organization });
    await t.grant("user:boss", ROLE_ADMINISTRATOR);
    const system = { organization: 0n, vault: 0n, system: true };
    const tuple = {
      resource: `organization:${t.acme.organization}`,
      relation: "reader",
      subject: "principal:user%3Aann",
    };
    const prove = { prove: { trustedSize: 0n, configHash: new Uint8Array(0) } };
    const decide = (who: string): Promise<authorization.AuthorizationServiceCheckResponse> =>
      call(
        t.client,
        ["authorization", "check"],
        { ...system, tuple, prove: { ...prove, knownModel: new Uint8Array(0) } },
        as(who),
      );
    const decision = await decide("user:boss");
    expect([decision.allowed, decision.modelVersion]).toEqual([true, 1n]);
    expect(decision.proof!.proof!.checkpoint).toContain("0/0");
    expect(await code(decide(ANN))).toBe("PERMISSION_DENIED");
    const write = { ...system, transaction: transaction([createTuple()]), prove: false };
    for (const who of [ROOT, "user:boss", ANN]) {
      expect(await code(call(t.client, ["write", "write"], write, as(who)))).toBe("SLUG_REQUIRED");
      const model = { ...system, version: 0n, reason: "" };
      const asked = call(t.client, ["model", "activateModel"], model, as(who));
      expect(await code(asked)).toBe("SLUG_REQUIRED");
    }
  });
});

const ALL = { organization: 0n, vault: 0n, group: "", principal: "", ...PAGE };

/*
 * The story: the role was written, and its leader was found to be wrong before it had read it again. The refusal said that nothing had
 * happened: the call was passed on or sent once more, and said then that the role had been there already.
 */
test("a role that was written and could not be read again counts as one that may be written, not as refused", async () => {
  const t = await startTenants();
  const { engine } = t;
  const ask = engine.call.bind(engine) as (name: string, ...about: unknown[]) => Promise<never>;
  const wrong = new LedgerError("REPLICA_DIVERGED", "it is wrong");
  vi.spyOn(engine, "call").mockImplementation((name, ...about) =>
    name === "list_tuples" ? Promise.reject(wrong) : ask(name, ...about),
  );
  const request = { binding: binding(ANN, ROLE_READER, t.acme), reason: "" };
  const granted = call(t.client, ["iam", "grantRole"], request, as(ROOT));
  expect(await code(granted)).toBe("COMMIT_UNKNOWN");
  vi.restoreAllMocks();
  expect((await steps(t, ANN)) > 0).toBe(true);
});
