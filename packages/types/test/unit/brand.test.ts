import {
  formatInternalId,
  type GroupId,
  groupId,
  height,
  type InternalIdKind,
  logIndex,
  type NodeId,
  nodeId,
  type OrganizationId,
  type OrganizationSlug,
  organizationId,
  organizationSlug,
  parseInternalId,
  parseSlug,
  term,
  type UserId,
  userId,
  type VaultId,
  type VaultSlug,
  vaultId,
  vaultSlug,
} from "@authledger/types";
import { describe, expect, expectTypeOf, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";

const KINDS: readonly InternalIdKind[] = ["org", "vault", "user", "group"];
const MAX_ID = 0xffff_ffff;
const MAX_U64 = 2n ** 64n - 1n;

describe("internal ids (L-1)", () => {
  it("print with the prefix of their kind", () => {
    expect(formatInternalId("org", organizationId(42))).toBe("org:42");
    expect(formatInternalId("vault", vaultId(7))).toBe("vault:7");
    expect(formatInternalId("user", userId(0))).toBe("user:0");
    expect(formatInternalId("group", groupId(MAX_ID))).toBe("group:4294967295");
  });

  it.each(KINDS)("%s ids parse back to the same number", (kind) => {
    for (const id of [0, 1, 9, 10, 65_536, MAX_ID]) {
      expect(parseInternalId(kind, `${kind}:${id}`)).toBe(id);
    }
  });

  it.each([
    ["another kind", "org:7"],
    ["no prefix", "7"],
    ["no number", "vault:"],
    ["a leading zero", "vault:07"],
    ["a sign", "vault:+7"],
    ["a negative number", "vault:-1"],
    ["a fraction", "vault:1.5"],
    ["an exponent", "vault:1e3"],
    ["hexadecimal", "vault:0x7"],
    ["white space", "vault: 7"],
    ["a trailing newline", "vault:7\n"],
    ["more than 32 bits", "vault:4294967296"],
    ["very many digits", `vault:${"9".repeat(400)}`],
    ["nothing", ""],
  ])("refuse to parse %s", (_what, text) => {
    expect(thrownBy(() => parseInternalId("vault", text)).code).toBe("INVALID_ARGUMENT");
  });

  it("are kept apart by the type checker", () => {
    expectTypeOf<OrganizationId>().not.toExtend<VaultId>();
    expectTypeOf<VaultId>().not.toExtend<UserId>();
    expectTypeOf<UserId>().not.toExtend<GroupId>();
    expectTypeOf<OrganizationSlug>().not.toExtend<VaultSlug>();
    expectTypeOf<NodeId>().not.toExtend<VaultSlug>();
    expectTypeOf<number>().not.toExtend<VaultId>();
    expectTypeOf(formatInternalId<"vault">)
      .parameter(1)
      .toEqualTypeOf<VaultId>();
    expectTypeOf(parseInternalId<"org">).returns.toEqualTypeOf<OrganizationId>();
  });
});

describe("checked constructors", () => {
  const internal = { organizationId, vaultId, userId, groupId };
  const counters = { height, logIndex, term };
  const wide = { nodeId, organizationSlug, vaultSlug };

  it.each(Object.entries(internal))("%s takes 0 to 2^32 - 1", (_name, make) => {
    expect([make(0), make(MAX_ID)]).toEqual([0, MAX_ID]);
    for (const bad of [-1, 0.5, MAX_ID + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(thrownBy(() => make(bad)).code).toBe("INVALID_ARGUMENT");
    }
  });

  it.each(Object.entries(counters))("%s takes 0 to 2^53 - 1", (_name, make) => {
    expect([make(0), make(Number.MAX_SAFE_INTEGER)]).toEqual([0, Number.MAX_SAFE_INTEGER]);
    for (const bad of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(thrownBy(() => make(bad)).code).toBe("INVALID_ARGUMENT");
    }
  });

  it.each(Object.entries(wide))("%s takes any unsigned 64 bits", (_name, make) => {
    expect([make(0n), make(MAX_U64)]).toEqual([0n, MAX_U64]);
    for (const bad of [-1n, MAX_U64 + 1n]) {
      expect(thrownBy(() => make(bad)).code).toBe("INVALID_ARGUMENT");
    }
  });
});

describe("parseSlug", () => {
  it.each(["0", "1", "10", "18446744073709551615"])("reads %s", (text) => {
    expect(parseSlug(text, "vault")).toBe(BigInt(text));
  });

  it.each([
    "",
    "-1",
    "01",
    "1.0",
    " 1",
    "1\n",
    "0x1",
    "1n",
    "18446744073709551616",
    "9".repeat(21),
  ])("refuses %j and names the field", (text) => {
    const error = thrownBy(() => parseSlug(text, "vault"));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.details["field"]).toBe("vault");
  });
});
