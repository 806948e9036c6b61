/** Organizations, vaults and the node. */
import { utf8 } from "@authledger/types";
import { expect } from "vitest";
import { atHeight, setEntity } from "../../src/index.js";
import { type Behaviour, collected, expectRefusal } from "./behaviour.js";

export const admin: readonly Behaviour[] = [
  {
    title: "an organization is found by the slug that it was given",
    run: async ({ client }) => {
      const { admin: ledger } = client();
      const made = await ledger.createOrganization("acme");
      expect(made).toMatchObject({ name: "acme", status: "active" });
      expect(await ledger.getOrganization(made.slug)).toEqual(made);
      expect(await ledger.getOrganization(String(made.slug))).toEqual(made);
      const again = await ledger.createOrganization("acme");
      expect(again.slug > made.slug).toBe(true);
      const all = await collected(ledger.listOrganizations({ pageSize: 1 }));
      const slugs = all.map(({ slug }) => slug);
      expect(slugs).toContain(made.slug);
      expect(slugs).toEqual([...slugs].sort((a, b) => (a < b ? -1 : 1)));
    },
  },
  {
    title: "a vault begins at height 0 with its genesis, and is listed in its organization alone",
    run: async ({ client }) => {
      const { admin: ledger } = client();
      const { slug: organization } = await ledger.createOrganization("acme");
      const first = await ledger.createVault({ organization, name: "main" });
      const second = await ledger.createVault({ organization, name: "main" });
      const { genesisHeader, ...vault } = first;
      expect(genesisHeader).toHaveLength(244);
      expect(vault).toMatchObject({ organization, name: "main", status: "active", height: 0n });
      expect(vault.origin).toContain(`/${organization}/${vault.slug}`);
      expect(await ledger.getVault({ organization, vault: vault.slug })).toEqual({
        ...vault,
        health: "healthy",
      });
      const listed = await collected(ledger.listVaults(organization, { pageSize: 1 }));
      expect(listed.map(({ slug }) => slug)).toEqual([first.slug, second.slug]);
      expect(await ledger.listVaults(organization).toArray({ limit: 1 })).toEqual(
        listed.slice(0, 1),
      );
      expect(await collected(ledger.listVaults(organization).pages())).toEqual([listed]);
    },
  },
  {
    title: "a deleted vault is closed and in no list, and its organization can go after it",
    run: async ({ client }) => {
      const { admin: ledger } = client();
      const { slug: organization } = await ledger.createOrganization("acme");
      const { slug: vault } = await ledger.createVault({ organization, name: "main" });
      await expectRefusal(ledger.deleteOrganization(organization), "ORGANIZATION_NOT_EMPTY");
      expect((await ledger.deleteVault({ organization, vault })).status).toMatch(/^delet/);
      await expectRefusal(ledger.getTrustAnchor({ organization, vault }), "VAULT_DELETED");
      expect((await ledger.getVault({ organization, vault })).status).toMatch(/^delet/);
      expect(await collected(ledger.listVaults(organization))).toEqual([]);
      // Again: no error.
      expect((await ledger.deleteVault({ organization, vault })).slug).toBe(vault);
      expect((await ledger.deleteOrganization(organization)).status).toMatch(/^delet/);
      const slugs = (await collected(ledger.listOrganizations())).map(({ slug }) => slug);
      expect(slugs).not.toContain(organization);
      const late = ledger.createVault({ organization, name: "late" });
      await expectRefusal(late, "ORGANIZATION_NOT_ACTIVE");
    },
  },
  {
    title:
      "a vault that keeps its newest blocks only says which heights it has, and has them no more later",
    run: async ({ client, tenant }) => {
      const ledger = client();
      for (let i = 0; i < 5; i++) await ledger.write([setEntity("k", String(i))]);
      const kept = await ledger.admin.updateVault(tenant, { retentionBlocks: 2n });
      expect(kept).toMatchObject({ retentionBlocks: 2n });
      await ledger.write([setEntity("k", "5")]);
      await ledger.write([setEntity("k", "6")]);
      const { height } = await ledger.getTip();
      const then = await ledger.read("k", { consistency: atHeight(height - 1n) });
      expect(then.entity?.value).toEqual(utf8("5"));
      const gone = ledger.read("k", { consistency: atHeight(0n) });
      await expectRefusal(gone, "HEIGHT_UNAVAILABLE");
      await expectRefusal(ledger.getBlock(0n, { transactions: true }), "HEIGHT_UNAVAILABLE");
      expect((await ledger.getBlock(0n)).header).toHaveLength(244);
      const all = await ledger.admin.updateVault(tenant, { name: "kept", retentionBlocks: 0n });
      expect(all).toMatchObject({ name: "kept", retentionBlocks: 0n });
      expect(all.oldestHeight).toBeGreaterThan(0n);
    },
  },
  {
    title: "names and slugs that are none, or not there, are refused",
    run: async ({ client, tenant }) => {
      const { admin: ledger } = client();
      await expectRefusal(ledger.createOrganization("a b"), "NAME_INVALID", { field: "name" });
      await expectRefusal(ledger.createVault({ ...tenant, name: "" }), "NAME_INVALID");
      await expectRefusal(
        ledger.createVault({ organization: 12n, name: "a" }),
        "ORGANIZATION_NOT_FOUND",
      );
      await expectRefusal(ledger.getOrganization(12n), "ORGANIZATION_NOT_FOUND", {
        organization: "12",
      });
      await expectRefusal(ledger.getVault({ ...tenant, vault: 12n }), "VAULT_NOT_FOUND");
      await expectRefusal(ledger.getTrustAnchor({ ...tenant, vault: 12n }), "VAULT_NOT_FOUND");
      await expectRefusal(collected(ledger.listVaults(12n)), "ORGANIZATION_NOT_FOUND");
      await expectRefusal(ledger.getOrganization("0"), "SLUG_REQUIRED");
    },
  },
  {
    title: "the node tells who it is and how far it has come",
    run: async ({ client, role }) => {
      const info = await client().admin.getNodeInfo();
      expect(info.role).toBe(role);
      expect(info.organizations).toBeGreaterThan(1n);
      expect(info.appliedIndex).toBeGreaterThan(0n);
      expect(info.clusterOrigin.length).toBeGreaterThan(0);
    },
  },
];
