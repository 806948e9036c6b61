/** A vault of a real node, to be audited. */
import { join } from "node:path";
import { createClient, type LedgerClient, type WriteOperation } from "@authledger/sdk";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";

export interface Scene {
  readonly data: string;
  node: RunningNode;
  client: LedgerClient;
  readonly tenant: { readonly organization: bigint; readonly vault: bigint };
  readonly anchor: string;
}

export async function open(data: string): Promise<RunningNode> {
  const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB", shutdownGrace: 500 };
  const node = await startNode(parseNodeConfig({ ...config, data }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  return node;
}

export function clientOf(node: RunningNode, tenant?: Scene["tenant"]): LedgerClient {
  const client = createClient({ endpoints: node.grpcAddress, ...(tenant && { tenant }) });
  onTestFinished(() => client.close());
  return client;
}

export async function start(): Promise<Scene> {
  const data = join(temporaryDirectory(), "data");
  const node = await open(data);
  const { admin } = clientOf(node);
  const { slug: organization } = await admin.createOrganization("acme");
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const anchor = await admin.getTrustAnchor(tenant);
  return { data, node, client: clientOf(node, tenant), tenant, anchor };
}

export const create = (i: number): WriteOperation => ({
  op: "create_tuple",
  tuple: { resource: `doc:${i}`, relation: "viewer", subject: "user:ada" },
  expiresAtMs: 0,
});

export async function write(client: LedgerClient, ...operations: WriteOperation[]): Promise<void> {
  await client.write(operations);
}
