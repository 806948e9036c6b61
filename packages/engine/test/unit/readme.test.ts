/** The example of the README, line by line, on a real disk. */
import { readFileSync } from "node:fs";
import { parseTrustAnchor, trustFromAnchor, verifyAnswer } from "@authledger/proof";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { openNodeEngine } from "../../src/index.js";
import { clientDeps } from "../engine-support.js";

test("the example of the README is this one, and says what is so", async () => {
  const directory = temporaryDirectory();
  const exit = (): void => undefined;
  // The example begins here.
  await using engine = await openNodeEngine({ directory, cacheBytes: 256 << 20 }, exit);
  const actor = "user:ada";
  const { organization } = await engine.call("create_organization", { name: "acme", actor });
  const names = { organization: organization.slug, name: "docs", actor };
  const created = await engine.call("create_vault", names);
  const slugs = { organization: organization.slug, vault: created.vault.slug };
  const { vault } = await engine.call("resolve_vault", slugs);

  const tuple = { resource: "doc:1", relation: "viewer", subject: "user:bob" };
  const operations = [{ op: "create_tuple", tuple, expiresAtMs: 0 }] as const;
  const transactions = [{ operations, clientId: "", idempotencyKey: "", reason: "" }];
  const { outcomes, at } = await engine.call("write", { vault, transactions, actor, prove: false });

  const prove = { trustedSize: 1, configHash: new Uint8Array(0) };
  const consistency = { kind: "linearizable" } as const;
  const asked = { vault, consistency, tuples: [tuple], prove };
  const { allowed, proof } = await engine.call("check", asked);
  // It ends here.
  expect(outcomes[0]).toMatchObject({ kind: "applied", height: at.height });
  expect(allowed).toEqual([true]);
  const { anchor } = await engine.call("get_trust_anchor", { vault });
  const trust = trustFromAnchor(parseTrustAnchor(clientDeps.hasher, anchor));
  const wanted = { want: "current" as const, nowMs: Date.now(), maxAgeS: 10, maxSkewS: 2 };
  expect(verifyAnswer(trust, proof!, wanted, clientDeps).kind).toBe("current");
  const source = readFileSync(new URL(import.meta.url), "utf8");
  for (const line of exampleLines()) expect(source).toContain(line);
});

/** Statements of the example, without comments and without what differs: the import and the directory. */
function exampleLines(): string[] {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readme)!;
  return example!
    .split("\n")
    .map((line) => line.replace(/ *\/\/.*/, "").replace('directory: "data"', "directory"))
    .filter((line) => line !== "" && !line.startsWith("import"));
}
