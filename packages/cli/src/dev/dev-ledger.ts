/**
 * A ledger for development under one directory, found again at the next start:
 *
 *     node/ ...     the data of the nodes            node.log ... what they said since their start (dev-nodes.ts)
 *     ledger.json   organization, vault, and whatever the command remembers
 *     anchor.json   the vault's trust anchor         pins/        roots that were verified against it
 *     env           for the shell: `. DIR/env`
 */
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createClient, type Tenant } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { type DevNodes, startDevNodes } from "./dev-nodes.js";

/** What is remembered from start to start. */
export interface LedgerFile {
  readonly organization: string;
  readonly vault: string;
  /** Of the quickstart. */
  readonly imported?: unknown;
}

export interface DevLedger {
  readonly directory: string;
  readonly node: DevNodes;
  readonly tenant: Tenant;
  /** Nothing was here before. */
  readonly isNew: boolean;
  readonly file: LedgerFile;
  readonly anchorFile: string;
  readonly pins: string;
  readonly envFile: string;
}

/** What a ledger is opened with. */
export interface DevLedgerOptions {
  /** Of the organization and the vault that a new ledger begins with. */
  readonly name: string;
  /** Undefined: as many as there are, else one. */
  readonly nodes?: number | undefined;
  /** Of the first node's gRPC. */
  readonly port?: number | undefined;
  /** Origins of web pages that may call; default none. */
  readonly pages?: readonly string[];
  /** Tells the person about ports that are taken. */
  readonly say: (text: string) => void;
}

export async function openDevLedger(path: string, options: DevLedgerOptions): Promise<DevLedger> {
  const { name, nodes: count, port, pages = [], say } = options;
  const directory = resolve(path);
  const node = await startDevNodes({ directory, count, port, pages, say });
  try {
    return await setUp(directory, node, name);
  } catch (error) {
    await node.stop();
    throw error;
  }
}

/** Replaces what is remembered. */
export async function remember(directory: string, file: LedgerFile): Promise<void> {
  const path = join(directory, "ledger.json");
  await writeFile(`${path}.new`, `${JSON.stringify(file, undefined, 2)}\n`);
  await rename(`${path}.new`, path);
}

async function setUp(directory: string, node: DevNodes, name: string): Promise<DevLedger> {
  const client = createClient({ endpoints: node.endpoints });
  try {
    const known = await recall(directory);
    const file = known ?? (await create(client, name));
    if (known === undefined) await remember(directory, file);
    const tenant = { organization: file.organization, vault: file.vault };
    await client.admin.getVault(tenant);
    const anchorFile = join(directory, "anchor.json");
    // Kept from the first start on: an anchor that is fetched anew each time would accept any history.
    if (!existsSync(anchorFile)) {
      await writeFile(anchorFile, `${(await client.admin.getTrustAnchor(tenant)).trim()}\n`);
    }
    const isNew = known === undefined;
    const pins = join(directory, "pins");
    const envFile = join(directory, "env");
    const ledger = { directory, node, tenant, isNew, file, anchorFile, pins, envFile };
    await writeFile(envFile, environmentOf(ledger));
    return ledger;
  } finally {
    client.close();
  }
}

async function create(
  { admin }: ReturnType<typeof createClient>,
  name: string,
): Promise<LedgerFile> {
  const organization = (await admin.createOrganization(name)).slug;
  const { slug } = await admin.createVault({ organization, name });
  return { organization: String(organization), vault: String(slug) };
}

async function recall(directory: string): Promise<LedgerFile | undefined> {
  const path = join(directory, "ledger.json");
  if (!existsSync(path)) return undefined;
  try {
    const file = JSON.parse(await readFile(path, "utf8")) as LedgerFile;
    if (typeof file.organization === "string" && typeof file.vault === "string") return file;
  } catch {
    // told below
  }
  throw new LedgerError("DATA_DIR_INVALID", `${path} does not name an organization and a vault`, {
    details: { file: path },
  });
}

function environmentOf({ node, tenant, anchorFile, pins }: DevLedger): string {
  const variables = {
    AUTHLEDGER_ENDPOINT: node.endpoints.join(","),
    AUTHLEDGER_ORG: tenant.organization,
    AUTHLEDGER_VAULT: tenant.vault,
    AUTHLEDGER_ANCHOR: anchorFile,
    AUTHLEDGER_PINS: pins,
  };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${String(value).replaceAll("'", "'\\''")}'\n`)
    .join("");
}
