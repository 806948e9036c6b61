// @ts-check
/**
 * Real nodes under real faults. See faults/README.md.
 *
 *     node faults/run.mjs [--seconds 60] [--seed N] [--clients 8] [--keys 6] [--nemesis kill ...] [--keep]
 *
 * Exits with 1 when an acknowledged write is missing, a history is not linearizable, or the nodes disagree.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { createClient } from "../packages/sdk/dist/index.js";
import { judgeHistory } from "../packages/simulator/dist/history/judge.js";
import { formatHistory } from "../packages/simulator/dist/history/record.js";
import { HistoryRecorder } from "../packages/simulator/dist/history/recorder.js";
import { Certificates } from "./lib/certificates.mjs";
import { Client } from "./lib/clients.mjs";
import { ClusterAdmin } from "./lib/cluster-admin.mjs";
import { canHaveHosts, Hosts } from "./lib/hosts.mjs";
import { nemeses } from "./lib/nemeses.mjs";
import { Nodes } from "./lib/nodes.mjs";
import { lookForWrites } from "./lib/verdict.mjs";

const NODES = 3;
const QUIET_MS_MAX = 3_000;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    clients: { type: "string", default: "8" },
    keys: { type: "string", default: "6" },
    nemesis: { type: "string", multiple: true },
    keep: { type: "boolean", default: false },
  },
});

if (!canHaveHosts()) {
  console.error("faults: network namespaces need root and iproute2 (apt-get install iproute2)");
  process.exit(2);
}
const chosen = options.nemesis ?? Object.keys(nemeses);
for (const name of chosen) {
  if (name in nemeses) continue;
  console.error(`no such nemesis; there are ${Object.keys(nemeses).join(", ")}`);
  process.exit(2);
}
const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 32));
const directory = mkdtempSync(join(tmpdir(), "authledger-faults-"));
const startedAt = performance.now();
const say = (/** @type {string} */ text) =>
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
say(`seed ${seed}: the same faults in the same order, at other moments`);
const hosts = new Hosts(join(directory, "disks"));
process.on("exit", () => {
  for (const node of nodes.all) node.signal("SIGKILL");
  hosts.close();
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.on(signal, () => process.exit(1));
}
const nodes = new Nodes(
  hosts,
  new Certificates(join(directory, "certificates")),
  join(directory, "logs"),
);
process.exitCode = (await main()) ? 0 : 1;
await nodes.stopAll();
if (options.keep || process.exitCode !== 0) say(`kept ${directory}`);
else {
  hosts.close();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();

/** Did everything hold? */
async function main() {
  const random = seeded(seed);
  const admin = new ClusterAdmin(nodes);
  const all = Array.from({ length: NODES }, () => nodes.plan());
  const [first, ...others] = all;
  if (first === undefined) return false;
  await Promise.all(all.map((node) => node.start()));
  await admin.init(first, others);
  const tenant = await makeVault();
  say(`${NODES} nodes: ${nodes.endpoints.join(", ")}`);

  const recorder = new HistoryRecorder(() => Math.round(performance.now() * 1_000));
  const where = { endpoints: nodes.endpoints, tenant };
  const clients = Array.from(
    { length: Number(options.clients) },
    (_, i) => new Client(i, where, recorder, seeded(seed + 1 + i), Number(options.keys)),
  );
  const stop = new AbortController();
  const work = Promise.all(clients.map((client) => client.work(stop.signal)));
  const problem = await torment({ hosts, nodes, admin, random, say }).then(
    () => undefined,
    (/** @type {unknown} */ error) => error,
  );
  hosts.heal();
  if (problem === undefined) await admin.settled();
  stop.abort();
  await work;
  if (problem !== undefined) {
    console.error(problem);
    return false;
  }
  return await judge(clients, recorder, tenant);
}

/** One fault after the other for as long as was asked for. @param {import("./lib/nemeses.mjs").World} world */
async function torment(world) {
  const endAt = performance.now() + Number(options.seconds) * 1_000;
  while (performance.now() < endAt) {
    const name = /** @type {string} */ (chosen[world.random(chosen.length)]);
    await nemeses[name]?.(world);
    await new Promise((done) => setTimeout(done, world.random(QUIET_MS_MAX)));
  }
}

/** @param {readonly Client[]} clients @param {HistoryRecorder} recorder @param {import("../packages/sdk/dist/index.js").Tenant} tenant */
async function judge(clients, recorder, tenant) {
  const history = { operations: recorder.operations, writes: [], blocks: [] };
  const file = join(directory, "history.jsonl");
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, formatHistory(history));
  const { isGood, report } = judgeHistory(history);
  for (const line of report) say(line);
  const errors = new Map();
  for (const client of clients) {
    for (const [code, count] of client.errors) errors.set(code, (errors.get(code) ?? 0) + count);
  }
  say(`errors: ${[...errors].map(([code, count]) => `${code} ${count}`).join(", ") || "none"}`);
  const acknowledged = clients.flatMap((client) => client.acknowledged);
  const problems = await lookForWrites(nodes.endpoints, tenant, acknowledged);
  for (const problem of problems) say(problem);
  say(`${acknowledged.length} acknowledged writes, ${problems.length} problems`);
  return isGood && problems.length === 0;
}

async function makeVault() {
  const client = createClient({ endpoints: nodes.endpoints, deadlineMs: 10_000 });
  try {
    const { slug: organization } = await client.admin.createOrganization("faults");
    const { slug: vault } = await client.admin.createVault({ organization, name: "faults" });
    return { organization, vault };
  } finally {
    client.close();
  }
}

/** Mulberry32, by Tommy Ettinger (public domain). @param {number} start */
function seeded(start) {
  let state = start >>> 0;
  return (/** @type {number} */ below) => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
