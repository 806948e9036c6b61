/** Organizations, vaults and the node. */
import { admin } from "@authledger/proto";
import { limits } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { call, failureOf, startHarness } from "./support/harness.js";
import { PAGE } from "./support/requests.js";

describe("AdminService", () => {
  it("creates, gets and lists organizations", async () => {
    const h = await startHarness();
    const { organization } = await call<admin.CreateOrganizationResponse>(
      h.client,
      ["admin", "createOrganization"],
      { name: "acme" },
    );
    expect(organization).toMatchObject({ name: "acme", status: 1, createdAtMs: 5n });
    const slug = organization!.slug;
    expect(await call(h.client, ["admin", "getOrganization"], { organization: slug })).toEqual({
      organization,
    });
    const list = await call<admin.ListOrganizationsResponse>(
      h.client,
      ["admin", "listOrganizations"],
      PAGE,
    );
    expect(list.organizations.map((o) => o.slug)).toEqual([h.tenant.organization, slug]);
    expect(list.nextPageToken).toHaveLength(0);
  });

  it("creates, gets and lists vaults", async () => {
    const h = await startHarness();
    const made = await call<admin.CreateVaultResponse>(h.client, ["admin", "createVault"], {
      ...h.tenant,
      name: "main",
    });
    expect([...made.genesisHeader]).toEqual([0]);
    expect(made.vault).toMatchObject({ name: "main", status: 1, height: 0n });
    const { organization, slug: vault } = made.vault!;
    const got = await call(h.client, ["admin", "getVault"], { organization, vault });
    expect(got).toEqual({ vault: made.vault, health: admin.VaultHealth.VAULT_HEALTH_HEALTHY });
    const list = await call<admin.ListVaultsResponse>(h.client, ["admin", "listVaults"], {
      organization,
      ...PAGE,
    });
    expect(list.vaults.map(({ slug }) => slug)).toEqual([h.tenant.vault, vault]);
  });

  it("pages through organizations and vaults, each with tokens of its own", async () => {
    const h = await startHarness();
    for (const name of ["a", "b", "c"]) {
      await call(h.client, ["admin", "createOrganization"], { name });
      await call(h.client, ["admin", "createVault"], { ...h.tenant, name });
    }
    const names: string[] = [];
    let pageToken: Uint8Array = new Uint8Array(0);
    do {
      const page: admin.ListOrganizationsResponse = await call(
        h.client,
        ["admin", "listOrganizations"],
        { pageSize: 3, pageToken },
      );
      names.push(...page.organizations.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken.length > 0);
    expect(names).toEqual(["o", "a", "b", "c"]);
    const first = await call<admin.ListVaultsResponse>(h.client, ["admin", "listVaults"], {
      organization: h.tenant.organization,
      pageSize: 3,
      pageToken: PAGE.pageToken,
    });
    expect(first.vaults.map(({ name }) => name)).toEqual(["v", "a", "b"]);
    const swapped = await failureOf(
      call(h.client, ["admin", "listOrganizations"], {
        pageSize: 3,
        pageToken: first.nextPageToken,
      }),
    );
    expect(swapped.details.code).toBe("PAGE_TOKEN_INVALID");
  });

  it("refuses names that are none, and pages over the limit", async () => {
    const h = await startHarness();
    for (const name of ["", "with space", "\u00e9", "x".repeat(limits.NAME_CHARACTERS_MAX + 1)]) {
      for (const method of ["createOrganization", "createVault"]) {
        const failed = await failureOf(call(h.client, ["admin", method], { ...h.tenant, name }));
        expect(failed.details).toMatchObject({ code: "NAME_INVALID", context: { field: "name" } });
      }
    }
    const failed = await failureOf(
      call(h.client, ["admin", "listOrganizations"], {
        ...PAGE,
        pageSize: limits.LIST_PAGE_MAX + 1,
      }),
    );
    expect(failed.details).toMatchObject({ code: "LIMIT_EXCEEDED", context: { limit: "1000" } });
  });

  it("finds nothing of an unknown organization", async () => {
    const h = await startHarness();
    const unknown = { organization: 2n ** 64n - 1n, vault: 5n, name: "n", ...PAGE };
    for (const method of ["getOrganization", "createVault", "getVault", "listVaults"]) {
      const failed = await failureOf(call(h.client, ["admin", method], unknown));
      expect([failed.status, failed.details.code]).toEqual([5, "ORGANIZATION_NOT_FOUND"]);
    }
  });

  it("keeps all 64 bits of ids", async () => {
    const h = await startHarness();
    const info = await call<admin.GetNodeInfoResponse>(h.client, ["admin", "getNodeInfo"], {});
    expect(info).toEqual({
      nodeId: 0xffff_ffff_ffff_fff0n,
      evidence: [],
      apiVersionOldest: 1,
      apiVersionNewest: 1,
      clusterId: "ab".repeat(16),
      clusterOrigin: "test.example",
      version: "1.2.3",
      formatVersion: 1,
      startedAtMs: 77n,
      httpAddress: "127.0.0.1:7402",
      role: "leader",
      term: 2n,
      lastIndex: 9n,
      appliedIndex: 8n,
      flushedIndex: 7n,
      organizations: 1n,
      vaults: 1n,
      maintenance: {
        ...{ fileBytes: 40_960n, filePages: 10n, freePages: 3n, isCompacting: false },
        ...{ compactions: 2n, pagesMoved: 4n, leavesJoined: 5n, isScrubbing: true },
        ...{ scrubPasses: 6n, lastScrubEndedAtMs: 7n, divergedVaults: 1n },
        alarms: ["leaf of vault 5"],
      },
    });
  });

  it("compacts with the fill that was asked for, and refuses one that cannot be", async () => {
    const h = await startHarness();
    const compact = (fillPercent: number): Promise<admin.CompactResponse> =>
      call<admin.CompactResponse>(h.client, ["admin", "compact"], { fillPercent });
    expect(await compact(25)).toEqual({
      before: { pages: 10n, freePages: 5n, bytes: 40_960n },
      after: { pages: 5n, freePages: 0n, bytes: 20_480n },
      ...{ leavesVisited: 25n, leavesJoined: 1n, pagesMoved: 2n, valuesMoved: 3n, passes: 1n },
    });
    expect((await compact(0)).leavesVisited).toBe(40n);
    expect((await failureOf(compact(51))).details.code).toBe("INVALID_ARGUMENT");
  });

  it("tells of an integrity check: bucket 0 is not no bucket", async () => {
    const h = await startHarness();
    const check = (waitMs: number, follow = true): Promise<admin.CheckIntegrityResponse> =>
      call(h.client, ["admin", "checkIntegrity"], { waitMs, follow });
    const report = await check(12);
    expect(report).toMatchObject({ running: true, pages: 12n, leaves: 5n, divergedVaults: 1n });
    const [found] = report.differences;
    expect(found).toMatchObject({ area: "leaf", vault: 5n, bucket: 0, path: "00ff" });
    expect(found!.height).toBeUndefined();
    expect((await failureOf(check(300_001))).details.code).toBe("INVALID_ARGUMENT");
  });

  it("gives out the trust anchor of a vault", async () => {
    const h = await startHarness();
    expect(await call(h.client, ["admin", "getTrustAnchor"], h.tenant)).toEqual({
      anchor: "anchor of 1",
    });
  });
});
