/** Roles by the command line against a real node. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { liveSources } from "../../src/completion/live-sources.js";
import { cliHere, startNode } from "./processes.js";

test("roles are given, listed and taken away, of a vault, an organization, the cluster and a group", async () => {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const home = { XDG_CONFIG_HOME: directory, XDG_STATE_HOME: directory };
  const first = { env: { ...home, AUTHLEDGER_ENDPOINT: node.grpc } };
  const org = (await cliHere(["org", "create", "acme", "-o", "name"], first)).out.trim();
  const env = { ...first.env, AUTHLEDGER_ORG: org };
  const made = await cliHere(["vault", "create", "main", "-o", "name"], { env });
  const all = { env: { ...env, AUTHLEDGER_VAULT: made.out.trim() } };
  const role = (line: string) => cliHere(["role", ...line.split(" "), "-o", "json"], all);
  for (const line of [
    "grant user:ann writer --expires 2040-01-01T00:00:00Z",
    "grant user:ann reader --on organization",
    "grant group:sre operator --on cluster",
    "grant user:ann member --on group:sre",
  ]) {
    const { end, err } = await role(line);
    expect([line, end, err]).toEqual([line, 0, ""]);
  }
  const listed = (await role("list user:ann")).out.trim().split("\n");
  expect(listed.map((row) => JSON.parse(row).role).sort()).toEqual(["member", "reader", "writer"]);
  // What completion offers is what the node knows.
  const completing = { ...all.env, XDG_CACHE_HOME: join(directory, "cache"), HOME: directory };
  await cliHere(["quota", "set", "--tier", "gold", "--vaults", "5"], all);
  await cliHere(["quota", "set", "--in-tier", "gold"], all);
  const sources = liveSources(completing, {});
  const offered = (await sources.principals()).map(({ value }) => value).sort();
  expect(offered).toEqual(["group:sre", "user:ann"]);
  expect((await sources.tiers()).map(({ value }) => value).sort()).toEqual(["gold"]);
  expect(
    await liveSources({ ...completing, AUTHLEDGER_ENDPOINT: "127.0.0.1:1" }, {}).tiers(),
  ).toEqual([]);
  expect((await role("revoke user:ann writer")).err).toContain("user:ann is writer no more");
  expect((await role("list")).out).toBe("");
  const wrong = await role("grant user:ann operator");
  expect([wrong.end, wrong.err.includes("ROLE_INVALID")]).toEqual([2, true]);
  expect((await role("grant user:ann king")).err).toContain("is no role");
});
