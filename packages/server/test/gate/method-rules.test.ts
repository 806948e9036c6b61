/** The table of what calls need. */
import { readFileSync } from "node:fs";
import { admin, authorization, cluster, iam, model, read, write } from "@authledger/proto";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { METHOD_RULES, requireRules } from "../../src/gate/method-rules.js";
import { RANK, rankName } from "../../src/iam/role-ranks.js";

const PLACES: Readonly<Record<string, string>> = {
  cluster: "the cluster",
  organization: "the organization",
  vault: "the vault",
  "organization or cluster": "the organization",
};

const SERVICES: readonly object[] = [
  admin.AdminServiceService,
  authorization.AuthorizationServiceService,
  cluster.ClusterServiceService,
  iam.IamServiceService,
  model.ModelServiceService,
  read.ReadServiceService,
  write.WriteServiceService,
];

describe("the table of what calls need", () => {
  test("INV-ROLE-6: has one row for every method, and a service with another one is not served", () => {
    const paths = SERVICES.flatMap((service) =>
      Object.values(service).map(({ path }: { path: string }) => path),
    );
    expect([...METHOD_RULES.keys()].sort()).toEqual(paths.sort());
    for (const service of SERVICES) requireRules(service);
    const fresh = { sing: { path: "/authledger.v1.ReadService/Sing" } };
    expect(thrownBy(() => requireRules(fresh)).message).toContain("ReadService/Sing");
  });

  test("is what the documentation shows", () => {
    const text = readFileSync(
      new URL("../../../../docs/operations.md", import.meta.url),
      "utf8",
    ).replace(/ +/g, " ");
    for (const [path, { scope, rank }] of METHOD_RULES) {
      const [service, method] = path.slice("/authledger.v1.".length).split("/");
      const place = scope === "binding" ? "what the role is of" : scope;
      const role = rankName(rank, scope === "cluster");
      const byRole = `${role} of ${PLACES[place] ?? place}`;
      const needs = { known: "any credential", node: "a node of the cluster" }[scope as string];
      expect(text).toContain(`| ${service} | ${method} | ${needs ?? byRole} |`);
    }
  });

  test("lets nobody without a role near what is stored, and no reader change it", () => {
    for (const [path, { scope, rank, isWrite }] of METHOD_RULES) {
      if (scope === "vault" || scope === "organization" || scope === "binding") {
        expect(rank, path).toBeGreaterThanOrEqual(isWrite ? RANK.writer : RANK.reader);
      }
    }
  });
});
