/** Organizations and vaults as rows, the ids of the tables, and the bytes under the group digest. */
import { readFileSync } from "node:fs";
import { toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { nextDigest } from "../../src/digest.js";
import {
  encodeOrganizationEntity,
  type Outcome,
  organizationEntityKey,
  readEntity,
  vaultEntityKey,
} from "../../src/index.js";
import { encodeOutcomes, statusesFromBytes, statusesToBytes } from "../../src/outcome.js";
import { openTables, readU32, readU48, writeU32, writeU48 } from "../../src/tables.js";
import { hasher, Ledger, newDisk, openStore } from "../state-support.js";

describe("organizations and vaults", () => {
  test("are rows that follow from the system vault's entities, under ids that stay", async () => {
    const made = await Ledger.create(testRandom("rows"), 2);
    const { state, leader } = made;
    expect(state.rows.organizationBySlug(7n)).toMatchObject({ id: 1, slug: 7n, status: "active" });
    const renamed = { name: "renamed", status: "suspended", created_ms: leader.timeMs } as const;
    const plain = encodeOrganizationEntity(renamed);
    made.write(0, [{ op: "set_entity", key: organizationEntityKey(7n), plain, expiresAtMs: 0 }]);
    expect(state.rows.organization(1)).toEqual({
      id: 1,
      slug: 7n,
      name: "renamed",
      status: "suspended",
      createdAtMs: leader.timeMs,
    });
    expect(state.rows.vaultBySlug(1, 2n)).toMatchObject({ id: 2, organizationSlug: 7n, slug: 2n });
    expect(state.rows.vaultBySlug(0, 2n)).toBeUndefined();
    const entity = readEntity(state.vault(0)!, vaultEntityKey(7n, 2n), leader.timeMs);
    expect(JSON.parse(new TextDecoder().decode(entity!.value))).toMatchObject({
      name: "v",
      origin: "test.example/7/2",
    });
  });

  test("other entities of the system vault make no rows", async () => {
    const made = await Ledger.create(testRandom("rows"), 1);
    const before = made.state.rows.organizationCount;
    for (const key of ["org:x", "org:", "org:1:2", "organization:1"]) {
      made.write(0, [{ op: "set_entity", key, plain: utf8("{}"), expiresAtMs: 0 }]);
    }
    made.write(1, [{ op: "set_entity", key: "org:9", plain: utf8("{}"), expiresAtMs: 0 }]);
    expect(made.state.rows.organizationCount).toBe(before);
  });

  test("are listed in the order of their slugs, page by page, without the system's own", async () => {
    const made = await Ledger.create(testRandom("rows"), 0);
    const { state, leader } = made;
    const slugs = [3n, 1n, 0xffff_ffff_ffff_ffffn, 256n, 2n];
    for (const slug of slugs) made.apply([leader.organization(slug), leader.vault(3n, slug)]);
    const sorted = [1n, 2n, 3n, 7n, 256n, 0xffff_ffff_ffff_ffffn];
    const paged = (
      list: (from: bigint) => { rows: readonly { slug: bigint }[]; next: bigint | undefined },
    ) => {
      const found: bigint[] = [];
      for (let from: bigint | undefined = 0n; from !== undefined; ) {
        const { rows, next } = list(from);
        found.push(...rows.map(({ slug }) => slug));
        from = next;
      }
      return found;
    };
    expect(paged((from) => state.rows.organizations(from, 2))).toEqual(sorted);
    expect(paged((from) => state.rows.organizations(from, 6))).toEqual(sorted);
    const { id } = state.rows.organizationBySlug(3n)!;
    expect(paged((from) => state.rows.vaults(id, from, 2))).toEqual(
      sorted.filter((slug) => slug !== 7n),
    );
    expect(state.rows.vaults(99, 0n, 2)).toEqual({ rows: [], next: undefined });
  });
});

describe("tables", () => {
  test("have the ids, names and keys of the document, none twice", async () => {
    const text = readFileSync(new URL("../../../../docs/format/entry.md", import.meta.url), "utf8");
    const tables = Object.values(
      openTables(await openStore(await newDisk(), testRandom("tables"))),
    );
    expect(new Set(tables.map(({ id }) => id)).size).toBe(tables.length);
    const listed = [
      ...text.slice(text.indexOf("## Tables")).matchAll(/^\| (\d+) +\| ([a-z_]+) +\|/gm),
    ].map(([, id, name]) => `${id} ${name}`);
    expect(tables.map(({ id, name }) => `${id} ${name}`)).toEqual(listed);
  });

  test("have keys that sort as their numbers do", () => {
    const bytes = new Uint8Array(10);
    for (const value of [0, 1, 0xff, 0x1_0000, 0xffff_ffff]) {
      writeU32(bytes, 1, value);
      expect(readU32(bytes, 1)).toBe(value);
      writeU48(bytes, 3, value * 0x1_0000);
      expect([readU48(bytes, 3), bytes[9]]).toEqual([value * 0x1_0000, 0]);
    }
    writeU48(bytes, 0, 0x0102_0304_0506);
    expect(toHex(bytes.subarray(0, 6))).toBe("010203040506");
  });
});

describe("the group digest", () => {
  const outcomes: readonly Outcome[] = [
    {
      kind: "applied",
      vault: 9,
      replayed: true,
      transaction: {
        transactionId: new Uint8Array(16).fill(0x11),
        sequence: 5,
        height: 7,
        index: 2,
        statuses: ["created", "satisfied"],
      },
    },
    { kind: "refused", code: "VAULT_NOT_FOUND", message: "not in the bytes", details: {} },
    { kind: "vault_created", vault: 3 },
    { kind: "initialized" },
  ];

  test("covers every result by the bytes of the document", () => {
    const applied = `01 00000009 ${"11".repeat(16)} 0000000000000005 0000000000000007 00000002 01 00000002 0107`;
    const refused = `02 000f ${toHex(utf8("VAULT_NOT_FOUND"))}`;
    const hex = `00000004 ${applied} ${refused} 03 00000003 04`.replaceAll(" ", "");
    expect(toHex(encodeOutcomes(outcomes))).toBe(hex);
    expect(toHex(encodeOutcomes([]))).toBe("00000000");
  });

  test("chains index, term, blocks and results behind the digest before", () => {
    const [previous, block, results] = [1, 2, 3].map((n) => new Uint8Array(32).fill(n)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const input = `${toHex(utf8("LVD1"))}${"01".repeat(32)}000000000000000a000000000000000b${"02".repeat(32)}${toHex(hasher.sha256(results))}`;
    const expected = hasher.sha256(Uint8Array.from(Buffer.from(input, "hex")));
    expect(nextDigest(hasher, previous, 10, 11, [block], results)).toEqual(expected);
  });

  test("keeps statuses as one byte each, and knows no other", () => {
    const statuses = [
      "created",
      "already_exists",
      "updated",
      "deleted",
      "not_found",
      "expired",
      "satisfied",
    ] as const;
    expect([...statusesToBytes(statuses)]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(statusesFromBytes(statusesToBytes(statuses))).toEqual(statuses);
    expect(() => statusesFromBytes(Uint8Array.of(8))).toThrow("stored statuses are known");
  });
});
