/**
 * What completion asks the file of contexts and the node: quickly, remembered for some seconds, and silent where nothing
 * can be had. A key press must never hang and never print.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createClient, type LedgerClient, type RoleBinding, type RolePlace } from "@authledger/sdk";
import { ContextStore } from "../contexts/context-store.js";
import { accessOptions } from "../run/access.js";
import type { CliIo } from "../run/cli-io.js";
import { type GlobalFlags, type Settings, settingsOf } from "../run/settings.js";
import type { Candidate, CompletionSources, Seen } from "./completion-sources.js";

const ANSWER_MS_MAX = 600;
const REMEMBERED_MS = 10_000;
const ROWS_MAX = 500;
const NAMES_MAX = 200;

type Env = CliIo["env"];

/** @param flags what the command line being typed says so far */
export function liveSources(
  env: Env,
  flags: Readonly<Record<string, string | true>>,
): CompletionSources {
  const store = new ContextStore(env);
  const settings = (async (): Promise<Settings> => {
    const { verify: _, ...texts } = flags;
    return settingsOf(texts as GlobalFlags, env, await store.load());
  })();
  settings.catch(() => undefined);
  const ask = async <T>(what: string, none: T, how: Ask<T>): Promise<T> => {
    try {
      return await remembered(env, what, await settings, none, how);
    } catch {
      return none;
    }
  };
  return {
    contexts: async () => {
      const { contexts } = await store.load().catch(() => ({ contexts: new Map() }));
      return [...contexts].map(
        ([value, { endpoint }]): Candidate => ({
          value,
          ...(endpoint && { description: endpoint }),
        }),
      );
    },
    organizations: () => ask("organizations", [], organizations),
    vaults: () => ask("vaults", [], vaults),
    members: () => ask("members", [], members),
    seen: () => ask<Seen>("seen", { tuples: [] }, seen),
    principals: () => ask("principals", [], principals),
    keys: () => ask("keys", [], keys),
    tiers: () => ask("tiers", [], tiers),
  };
}

type Ask<T> = (client: LedgerClient, settings: Settings) => Promise<T>;

async function organizations({ admin }: LedgerClient): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for await (const { slug, name } of admin.listOrganizations({ pageSize: NAMES_MAX })) {
    if (found.push({ value: String(slug), description: name }) === NAMES_MAX) break;
  }
  return found;
}

async function vaults({ admin }: LedgerClient, { tenant }: Settings): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const pageSize = NAMES_MAX;
  for await (const { slug, name } of admin.listVaults(tenant.organization ?? "0", { pageSize })) {
    if (found.push({ value: String(slug), description: name }) === NAMES_MAX) break;
  }
  return found;
}

async function members({ cluster }: LedgerClient): Promise<Candidate[]> {
  const { members: found, leaderId } = await cluster.status();
  return found.map(({ name, nodeId, role, peerAddress }) => ({
    value: name === "" ? String(nodeId) : name,
    description: `${nodeId === leaderId ? "leader" : role} ${peerAddress}`,
  }));
}

async function seen(client: LedgerClient): Promise<Seen> {
  const rows = await client.list({}, { pageSize: ROWS_MAX }).collect(ROWS_MAX);
  const tuples = rows.map(({ tuple: { resource, relation, subject } }) => ({
    resource: String(resource),
    relation: String(relation),
    subject: String(subject),
  }));
  const order = (tuple: Seen["tuples"][number]): string => Object.values(tuple).join(" ");
  return { tuples: tuples.sort((a, b) => (order(a) < order(b) ? -1 : 1)) };
}

async function keys(client: LedgerClient): Promise<Candidate[]> {
  const rows = await client.keys.list({ pageSize: NAMES_MAX }).collect(NAMES_MAX);
  return rows.map(({ id, name }) => ({ value: id, description: name }));
}

/** Of each place only what the caller may see. Keys first, since they have names. */
async function principals(client: LedgerClient, { tenant }: Settings): Promise<Candidate[]> {
  const { organization, vault } = tenant;
  const places: RolePlace[] = [{}];
  if (organization !== undefined) {
    places.push({ organization: BigInt(organization) });
    if (vault !== undefined) {
      places.push({ organization: BigInt(organization), vault: BigInt(vault) });
    }
  }
  const options = { pageSize: NAMES_MAX };
  const found = await Promise.all([
    client.keys
      .list(options)
      .collect(NAMES_MAX)
      .then((rows) => rows.map(({ principal, name }) => ({ value: principal, description: name })))
      .catch(() => []),
    ...places.map((place) =>
      client.roles
        .list({ ...options, ...place })
        .collect(NAMES_MAX)
        .then((rows) => rows.flatMap(namedBy))
        .catch(() => []),
    ),
  ]);
  return onceEach(found.flat());
}

function namedBy({ principal, role, group }: RoleBinding): Candidate[] {
  const holder = { value: principal, description: role };
  return group === undefined ? [holder] : [holder, { value: `group:${group}` }];
}

async function tiers({ quotas }: LedgerClient): Promise<Candidate[]> {
  const rows = await quotas.list({ pageSize: NAMES_MAX }).collect(NAMES_MAX);
  const names = rows.flatMap(({ tier, assignedTier }) => [tier, assignedTier]);
  return onceEach(names.flatMap((value) => (value === undefined ? [] : [{ value }])));
}

/** The first of each value: what comes first describes it best. */
function onceEach(candidates: readonly Candidate[]): Candidate[] {
  const first = new Map<string, Candidate>();
  for (const one of candidates) if (!first.has(one.value)) first.set(one.value, one);
  return [...first.values()];
}

/** Also that nothing could be had is remembered, so that a node that hangs is not asked at every key. */
async function remembered<T>(
  env: Env,
  what: string,
  settings: Settings,
  none: T,
  how: Ask<T>,
): Promise<T> {
  const { endpoints, tenant } = settings;
  const { organization = "0", vault = "0" } = tenant;
  const key = JSON.stringify([what, endpoints, String(organization), String(vault)]);
  const home = env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache");
  const directory = join(home, "authledger", "complete");
  const path = join(directory, createHash("sha256").update(key).digest("hex").slice(0, 24));
  const known = await recall<T>(path);
  if (known !== undefined) return known;
  const access = await accessOptions(settings.access).catch(() => undefined);
  if (access === undefined) return none;
  const client = createClient({
    endpoints,
    tenant: { organization, vault },
    deadlineMs: ANSWER_MS_MAX,
    attemptsMax: 1,
    ...access,
  });
  const value = await how(client, settings).catch(() => none);
  client.close();
  await keep(directory, path, value).catch(() => undefined);
  return value;
}

async function recall<T>(path: string): Promise<T | undefined> {
  try {
    const { at, value } = JSON.parse(await readFile(path, "utf8")) as { at: number; value: T };
    return Math.abs(Date.now() - at) < REMEMBERED_MS ? value : undefined;
  } catch {
    return undefined;
  }
}

async function keep(directory: string, path: string, value: unknown): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const scratch = `${path}.${process.pid}`;
  await writeFile(scratch, JSON.stringify({ at: Date.now(), value }), { mode: 0o600 });
  await rename(scratch, path);
}
