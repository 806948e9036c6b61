/** A cluster of three that demands credentials, asked and administered through its followers only. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningNode } from "@authledger/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { freePort } from "../../server/test/peer/peer-support.js";
import { type ClientOptions, createClient, createTuple, type LedgerClient } from "../src/index.js";
import { startRealNode } from "./support/real-node.js";

/** What a node has not applied by then it never will, on the slowest machine. */
const APPLIED_MS_MAX = 10_000;
const TUPLE = "document:budget#viewer@user:anne";
const MODEL = `
model
  schema 1.1
type user
type document
  relations
    define viewer: [user]
`;

const directory = mkdtempSync(join(tmpdir(), "authledger-followers-"));
const nodes: RunningNode[] = [];
const clients: LedgerClient[] = [];
let rootKey: string;
let tenant: { readonly organization: bigint; readonly vault: bigint };

async function start(name: string, join_: string): Promise<RunningNode> {
  const [listen, peer] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const config = { listen, peer, name, join: join_, auth: true, shutdownGrace: "100ms" };
  const node = await startRealNode({ ...config, data: join(directory, name) });
  nodes.push(node);
  return node;
}

/** A client that knows one node and stays with it. */
function clientAt(node: RunningNode, options: Partial<ClientOptions> = {}): LedgerClient {
  const endpoints = node.grpcAddress;
  const client = createClient({
    ...{ endpoints, discover: false, tenant, token: rootKey, deadlineMs: 20_000 },
    ...options,
  });
  clients.push(client);
  return client;
}

const followers = (): [RunningNode, RunningNode] => [nodes[1]!, nodes[2]!];

beforeAll(async () => {
  const first = await start("n1", "");
  const join_ = first.peerAddress!;
  const others = [await start("n2", join_), await start("n3", join_)];
  const founder = createClient({ endpoints: first.grpcAddress, deadlineMs: 20_000 });
  const made = await founder.cluster.init(others.map(({ peerAddress }) => peerAddress!));
  founder.close();
  rootKey = made.rootKey!;
  const { admin } = clientAt(followers()[0]);
  const { slug: organization } = await admin.createOrganization("acme");
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  tenant = { organization, vault };
  const client = clientAt(followers()[0]);
  await client.models.deploy(MODEL, { activate: true });
  await client.write([createTuple(TUPLE)]);
}, 60_000);

afterAll(async () => {
  for (const client of clients) client.close();
  for (const node of nodes.toReversed()) await node.close();
  rmSync(directory, { recursive: true, force: true });
});

/** How a call ends: OK, or the code that it was refused with. */
async function endOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "OK";
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

/** Every node comes to this end when it has applied what was written, and stays with it. */
async function everywhere(
  wanted: string,
  ask: (client: LedgerClient) => Promise<unknown>,
  token: string,
) {
  for (const node of nodes) {
    const client = clientAt(node, { token });
    const end = async (): Promise<string> => endOf(() => ask(client));
    const sinceMs = performance.now();
    while ((await end()) !== wanted) {
      expect(performance.now() - sinceMs, `${wanted} at ${node.grpcAddress}`).toBeLessThan(
        APPLIED_MS_MAX,
      );
    }
    for (let again = 0; again < 5; again++) expect(await end()).toBe(wanted);
  }
}

const check = (client: LedgerClient) => client.check(TUPLE);

describe("through a follower", () => {
  test("a role that was given counts at every node, and at none once it was taken away (INV-ROLE-3)", async () => {
    const [here, there] = followers();
    const { principal, text } = await clientAt(here).keys.create("app");
    await everywhere("PERMISSION_DENIED", check, text);
    await clientAt(here).roles.grant(principal, "reader", tenant);
    await everywhere("OK", check, text);
    expect(await clientAt(there).roles.revoke(principal, "reader", tenant)).toBe(true);
    await everywhere("PERMISSION_DENIED", check, text);
  });

  test("a key is made that every node knows, and that none takes once it was revoked at another follower (INV-AUTHN-5)", async () => {
    const [here, there] = followers();
    const { id, principal, text } = await clientAt(here).keys.create("worker");
    // At once: a node that does not know a key asks the leader.
    for (const node of nodes) {
      const { keys } = clientAt(node, { token: text });
      expect(await keys.whoAmI()).toEqual({ principal, kind: "key" });
    }
    await clientAt(there).keys.revoke(id);
    await everywhere("UNAUTHENTICATED", (client) => client.keys.whoAmI(), text);
  });

  test("what a caller did is recorded in its own name, whether it was done or refused", async () => {
    const [here, there] = followers();
    const { principal, text } = await clientAt(here).keys.create("operator");
    await clientAt(here).roles.grant(principal, "administrator", {
      organization: tenant.organization,
    });
    const operator = clientAt(there, { token: text });
    const create = (): Promise<unknown> =>
      operator.admin.createVault({ organization: tenant.organization, name: "by-the-operator" });
    // The follower may not have applied the role yet.
    const sinceMs = performance.now();
    while ((await endOf(create)) !== "OK") {
      expect(performance.now() - sinceMs).toBeLessThan(APPLIED_MS_MAX);
    }
    const records = [];
    for await (const record of clientAt(here).auditLog({ actor: principal })) records.push(record);
    expect(records.filter(({ outcome }) => outcome === "success")).toMatchObject([
      {
        ...{ actor: principal, action: "AdminService/createVault", client: "127.0.0.1" },
        resource: { organization: String(tenant.organization), name: "by-the-operator" },
      },
    ]);
  });

  test("a decision comes with a proof that verifies against the anchor", async () => {
    const anchor = await clientAt(nodes[0]!).admin.getTrustAnchor(tenant);
    for (const node of followers()) {
      const verifying = clientAt(node, { verify: { anchor } });
      const { proof, allowed } = await verifying.check(TUPLE);
      expect([allowed, proof !== undefined]).toEqual([true, true]);
      expect((await verifying.check("document:budget#viewer@user:eve")).allowed).toBe(false);
    }
  });

  test("an organization is suspended and resumed for every node", async () => {
    const [here, there] = followers();
    const { organization } = tenant;
    await clientAt(here).admin.suspendOrganization(organization, { reason: "unpaid" });
    await everywhere("ORGANIZATION_SUSPENDED", check, rootKey);
    const write = (): Promise<unknown> =>
      clientAt(there).write([createTuple("document:x#viewer@user:b")]);
    expect((await rejectedBy(write())).code).toBe("ORGANIZATION_SUSPENDED");
    await clientAt(there).admin.resumeOrganization(organization);
    await everywhere("OK", check, rootKey);
    expect(await endOf(write)).toBe("OK");
  });
});
