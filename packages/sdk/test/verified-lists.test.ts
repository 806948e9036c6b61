/** Lists that a client verifies: whole, of one height and one time, from pages that meet. */
import { formatTrustAnchor } from "@authledger/proof";
import type { common } from "@authledger/proto";
import type { Tuple } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { NONE, refusal } from "./support/fake-ledger.js";
import {
  BUDGET,
  clientOf,
  create,
  honest,
  type Lies,
  now,
  reasonOf,
  vaultWith,
  verifying,
  viewer,
} from "./support/honest-vault.js";

describe("a verified list", () => {
  const all = ["alice", "bob", "carol", "dave", "eve"].map((user) => viewer(user));
  const byUser = (rows: readonly { tuple: Tuple }[]): string[] =>
    rows.map(({ tuple }) => tuple.subject).sort();

  it("is whole: by resource, by subject with its twins, by both, and of one tuple", async () => {
    const vault = vaultWith(...all, viewer("alice", "document:plan"));
    const client = await verifying(vault);
    const rows = await client.list({ resource: BUDGET }).collect();
    expect(byUser(rows)).toEqual(byUser(all.map((tuple) => ({ tuple }))));
    const hers = await client.list({ subject: "user:alice" }).collect();
    expect(hers.map(({ tuple }) => tuple.resource).sort()).toEqual([BUDGET, "document:plan"]);
    const both = await client.list({ resource: BUDGET, subject: "user:bob" }).collect();
    expect(both).toEqual([{ tuple: viewer("bob"), version: 1n, expiresAtMs: 0n }]);
    const one = await client.list(viewer("carol")).collect();
    expect(one).toEqual([{ tuple: viewer("carol"), version: 1n, expiresAtMs: 0n }]);
    expect(await client.list({ resource: "document:none" }).collect()).toEqual([]);
  });

  it("is joined from pages that meet (INV-SDK-5)", async () => {
    const vault = vaultWith(...all);
    const lies: Lies = { pageSize: 2 };
    const client = await verifying(vault, lies);
    const rows = await client.list({ resource: BUDGET }).collect();
    expect(byUser(rows)).toEqual(byUser(all.map((tuple) => ({ tuple }))));
    const pages: number[] = [];
    for await (const { relationships } of client.list({ resource: BUDGET }).pages()) {
      pages.push(relationships.length);
    }
    expect(pages).toEqual([2, 2, 1]);
    const gaps: ((proof: common.Proof) => void)[] = [
      (proof) => {
        if (proof.pageFrom.length > 0) proof.pageFrom = Uint8Array.from(proof.pageTo);
      },
      (proof) => {
        proof.pageTo = NONE;
      },
      (proof) => {
        if (proof.pageFrom.length === 0) proof.pageFrom = new Uint8Array(48).fill(255);
      },
    ];
    for (const change of gaps) {
      lies.change = change;
      const error = await rejectedBy(client.list({ resource: BUDGET }).collect());
      expect(error.row.exit).toBe("VERIFICATION_FAILED");
    }
  });

  it("is of the height and the time of its first page, whatever is written meanwhile", async () => {
    const vault = vaultWith(...all);
    now(vault);
    const { size } = vault;
    const first = honest(vault, { pageSize: 3, size });
    const client = await clientOf(
      {
        ...first,
        read: {
          ...first.read,
          listRelationships: (request, call) => {
            if (request.pageToken.length > 0) vault.seal([create(viewer("new"))]);
            return first.read!.listRelationships!(request, call);
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor), maxSkewS: 60 },
    );
    expect(await client.list({ resource: BUDGET }).collect()).toHaveLength(all.length);
  });

  it("whose next page is of another height is refused", async () => {
    const vault = vaultWith(...all);
    now(vault);
    const server = honest(vault, { pageSize: 3 });
    const client = await clientOf(
      {
        ...server,
        read: {
          ...server.read,
          listRelationships: (request, call) => {
            if (request.pageToken.length > 0) vault.seal([create(viewer("new"))]);
            return server.read!.listRelationships!(request, call);
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor), maxSkewS: 60 },
    );
    const error = await rejectedBy(client.list({ resource: BUDGET }).collect());
    expect(reasonOf(error)).toEqual(["PROOF_INVALID", "height"]);
  });

  it("whose height is removed between two pages is begun again by collect, and says so to an iterator", async () => {
    const vault = vaultWith(...all);
    now(vault);
    const server = honest(vault, { pageSize: 3 });
    let removals = 2;
    const client = await clientOf(
      {
        ...server,
        read: {
          ...server.read,
          listRelationships: (request, call) => {
            if (request.pageToken.length > 0 && removals-- > 0) {
              throw refusal("HEIGHT_UNAVAILABLE", "gone");
            }
            return server.read!.listRelationships!(request, call);
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor), maxSkewS: 60 },
    );
    expect(await client.list({ resource: BUDGET }).collect()).toHaveLength(all.length);
    removals = 1;
    const run = async (): Promise<void> => {
      for await (const _ of client.list({ resource: BUDGET }));
    };
    expect((await rejectedBy(run())).code).toBe("HEIGHT_UNAVAILABLE");
    removals = Number.POSITIVE_INFINITY;
    const endless = await rejectedBy(client.list({ resource: BUDGET }).collect());
    expect(endless.code).toBe("HEIGHT_UNAVAILABLE");
  });

  it("without a resource or a subject cannot be had", async () => {
    const client = await verifying(vaultWith());
    const error = await rejectedBy(client.list({ relation: "viewer" }).collect());
    expect(error.code).toBe("INVALID_ARGUMENT");
  });
});
