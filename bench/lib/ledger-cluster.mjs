/** A cluster of real nodes on loopback, each as a process of its own, with a vault to work in. */
import { join } from "node:path";
import { cluster } from "../../packages/proto/dist/index.js";
import { callOnce } from "../load/player.mjs";
import { freePorts } from "./ports.mjs";
import { startServer } from "./processes.mjs";
import { repositoryRoot } from "./workspace.mjs";

const HOST = "127.0.0.1";
const MAIN = join(repositoryRoot, "packages", "cli", "dist", "main.js");
const READY_MS_MAX = 120_000;
const SETTLED_MS_MAX = 60_000;
const NODE_FLAGS = (process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean);

/**
 * @typedef {{ readonly name: string, readonly data: string, readonly port: number, readonly peer: number }} Plan
 * @typedef {import("./processes.mjs").ServerProcess & Plan & { readonly host: string, readonly http: string }} LedgerNode
 * @typedef {{
 *   readonly nodes: LedgerNode[],
 *   status(): Promise<import("../../packages/proto/dist/index.js").cluster.GetClusterStatusResponse>,
 *   leader(): Promise<LedgerNode>,
 *   restart(node: LedgerNode): Promise<LedgerNode>,
 *   add(name: string): Promise<LedgerNode>,
 *   promote(node: LedgerNode): Promise<void>,
 *   transferTo(node: LedgerNode): Promise<void>,
 *   kill(): Promise<void>,
 * }} LedgerCluster `add`: starts a node and makes it a learner
 */

/**
 * @param {string} directory
 * @param {{ size?: number, args?: readonly string[] }} [options] `args`: for every node
 * @returns {Promise<LedgerCluster>}
 */
export async function startLedgerCluster(directory, { size = 3, args = [] } = {}) {
  const ports = await freePorts(2 * size);
  const plans = Array.from({ length: size }, (_, i) =>
    planOf(directory, `n${i + 1}`, ports[2 * i] ?? 0, ports[2 * i + 1] ?? 0),
  );
  const all = plans.map(({ peer }) => `${HOST}:${peer}`);
  const nodes = await Promise.all(plans.map((plan) => start(plan, all, args)));
  const self = {
    nodes,
    status: () => statusOf(nodes),
    leader: () => leaderOf(nodes),
    restart: async (/** @type {LedgerNode} */ node) => {
      const at = nodes.indexOf(node);
      const again = await start(node, all, args);
      nodes[at] = again;
      return again;
    },
    add: async (/** @type {string} */ name) => {
      const [port = 0, peer = 0] = await freePorts(2);
      const node = await start(planOf(directory, name, port, peer), all, args);
      nodes.push(node);
      const request = cluster.AddMemberRequest.encode({ address: `${HOST}:${peer}` }).finish();
      await callOnce(await leaderOf(nodes), { path: path("addMember"), message: request });
      return node;
    },
    promote: async (/** @type {LedgerNode} */ node) => {
      const nodeId = await idOf(node);
      const message = cluster.PromoteMemberRequest.encode({ nodeId }).finish();
      await callOnce(await leaderOf(nodes), { path: path("promoteMember"), message });
    },
    transferTo: async (/** @type {LedgerNode} */ node) => {
      const nodeId = await idOf(node);
      const message = cluster.TransferLeadershipRequest.encode({ nodeId }).finish();
      await callOnce(await leaderOf(nodes), { path: path("transferLeadership"), message });
    },
    kill: async () => {
      await Promise.all(nodes.map((node) => node.kill()));
    },
  };
  const [first] = nodes;
  if (first === undefined) throw new RangeError("a cluster has nodes");
  const message = cluster.InitClusterRequest.encode({ addresses: all.slice(1) }).finish();
  await callOnce(first, { path: path("initCluster"), message });
  await settled(nodes, size);
  return self;
}

/** @param {string} directory @param {string} name @param {number} port @param {number} peer @returns {Plan} */
function planOf(directory, name, port, peer) {
  return { name, data: join(directory, name), port, peer };
}

/** @param {Plan} plan @param {readonly string[]} all @param {readonly string[]} more @returns {Promise<LedgerNode>} */
async function start({ name, data, port, peer }, all, more) {
  const others = all.filter((address) => address !== `${HOST}:${peer}`);
  const args = [
    ...NODE_FLAGS,
    ...[MAIN, "start", "--data", data, "--name", name, "--listen", `${HOST}:${port}`],
    ...["--http", `${HOST}:0`, "--peer", `${HOST}:${peer}`, "--join", others.join(",")],
    ...more,
  ];
  const ready = /^listening grpc=\S+ http=(\S+).* pid=(\d+)/m;
  const server = await startServer(process.execPath, args, { ready, readyMs: READY_MS_MAX });
  return { ...server, name, data, port, peer, host: HOST, http: String(server.ready[1]) };
}

/**
 * A figure of a node's metrics; with labels, the sum of all.
 *
 * @param {LedgerNode} node
 * @param {string} name
 */
export async function metricOf({ http }, name) {
  const text = await (await fetch(`http://${http}/metrics`)).text();
  const values = text
    .split("\n")
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .map((line) => Number(line.slice(line.lastIndexOf(" "))));
  if (values.length === 0) throw new Error(`there is no metric ${name}`);
  return values.reduce((sum, value) => sum + value, 0);
}

/** The longest that each node's event loop was held, in milliseconds. @param {LedgerCluster} cluster */
export async function worstDelays({ nodes }) {
  const delays = await Promise.all(
    nodes.map(async (node) => {
      const seconds = await metricOf(node, "authledger_event_loop_delay_max_seconds");
      return [node.name, seconds * 1_000];
    }),
  );
  return /** @type {Record<string, number>} */ (Object.fromEntries(delays));
}

/** @param {Readonly<Record<string, number>>} delays */
export function heldText(delays) {
  return Object.entries(delays)
    .map(([name, ms]) => `${name} ${Math.round(ms)} ms`)
    .join(", ");
}

/** @param {keyof typeof cluster.ClusterServiceService} call */
function path(call) {
  return cluster.ClusterServiceService[call].path;
}

/** What a node says of the cluster. @param {LedgerNode} node */
async function ask(node) {
  const message = cluster.GetClusterStatusRequest.encode({ atLeader: false }).finish();
  return cluster.GetClusterStatusResponse.decode(
    await callOnce(node, { path: path("getClusterStatus"), message }),
  );
}

/** @param {LedgerNode} node */
async function idOf(node) {
  return (await ask(node)).nodeId;
}

/** The leader's answer. @param {readonly LedgerNode[]} nodes */
async function statusOf(nodes) {
  return await ask(await leaderOf(nodes));
}

/** Who says that it leads itself, in the highest term. @param {readonly LedgerNode[]} nodes */
async function leaderOf(nodes) {
  const endAt = performance.now() + SETTLED_MS_MAX;
  while (performance.now() < endAt) {
    const answers = await Promise.all(
      nodes.map(async (node) => ({ node, status: await ask(node).catch(() => undefined) })),
    );
    const leaders = answers
      .filter(({ status }) => status?.role === cluster.NodeRole.NODE_ROLE_LEADER)
      .sort((a, b) => Number((b.status?.term ?? 0n) - (a.status?.term ?? 0n)));
    if (leaders[0] !== undefined) return leaders[0].node;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("the cluster has no leader");
}

/** Until everybody votes. @param {readonly LedgerNode[]} nodes @param {number} size */
async function settled(nodes, size) {
  const endAt = performance.now() + SETTLED_MS_MAX;
  while (performance.now() < endAt) {
    const { members, isJoint } = await statusOf(nodes);
    const voters = members.filter(({ role }) => role === cluster.MemberRole.MEMBER_ROLE_VOTER);
    if (voters.length === size && !isJoint) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error("not all nodes became voters");
}
