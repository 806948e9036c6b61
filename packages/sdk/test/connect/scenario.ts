/** What a page does with its ledger; runs in a browser and in Node, with the library that it is given. */
import type { ClientOptions, LedgerClient, PinnedRoots } from "../../src/index.js";

export interface Setting {
  /** Of a node. */
  readonly endpoint: string;
  /** Of somebody who changes what the node answers. */
  readonly liar: string;
  readonly tenant: { readonly organization: string; readonly vault: string };
  readonly anchor: string;
}

export interface Tools {
  createClient(options: ClientOptions): LedgerClient;
  createTuple(tuple: string): ReturnType<typeof import("../../src/index.js").createTuple>;
  readonly pinnedRoots: PinnedRoots;
}

export interface Findings {
  readonly height: string;
  readonly verified: readonly boolean[];
  readonly watched: string;
  readonly refused: string;
  readonly lie: string;
  readonly unreachable: string;
  readonly pinned: boolean;
}

export async function scenario(tools: Tools, setting: Setting): Promise<Findings> {
  const { endpoint, liar, tenant, anchor } = setting;
  const { createClient, createTuple, pinnedRoots } = tools;
  const verify = { anchor, pinnedRoots };
  const client = createClient({ endpoints: endpoint, tenant, verify });
  const { height } = await client.write([createTuple("document:budget#viewer@user:ada")]);
  const checks = ["document:budget#viewer@user:ada", "document:budget#viewer@user:eve"];
  const verified: boolean[] = [];
  for (const tuple of checks) verified.push((await client.check(tuple)).allowed);
  let watched = "";
  for await (const event of client.watchBlocks({ from: height })) {
    if (event.kind !== "block") continue;
    watched = String(event.height);
    break;
  }
  const other = createClient({ endpoints: endpoint, tenant: { ...tenant, vault: "99" } });
  const refused = await codeOf(other.check(checks[0]!));
  const lied = createClient({ endpoints: liar, tenant, verify: { anchor } });
  const lie = await codeOf(lied.hasTuple(checks[0]!));
  const nobody = createClient({ endpoints: "127.0.0.1:9", tenant, attemptsMax: 1 });
  const unreachable = await codeOf(nobody.check(checks[0]!));
  for (const one of [client, other, lied, nobody]) one.close();
  const pinned = (await pinnedRoots.load(`${tenant.organization}-${tenant.vault}`)) !== undefined;
  return { height: String(height), verified, watched, refused, lie, unreachable, pinned };
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    return `answered ${JSON.stringify(await call)}`;
  } catch (error) {
    return String((error as { readonly code?: unknown }).code ?? error);
  }
}
