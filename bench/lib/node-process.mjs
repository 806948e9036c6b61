/** A real node as a process of its own, with a vault to work in. */
import { join } from "node:path";
import { admin } from "../../packages/proto/dist/index.js";
import { callOnce } from "../load/player.mjs";
import { startServer } from "./processes.mjs";
import { repositoryRoot } from "./workspace.mjs";

const READY = /^listening grpc=(\S+):(\d+) http=\S+ pid=(\d+)/m;
/** A node that replays a long log may take this long; the benchmarks judge the time themselves. */
const READY_MS_MAX = 120_000;
/** Flags of Node for the node under test, so that what a benchmark says can be explained: --cpu-prof and the like. */
const NODE_FLAGS = (process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean);

/** @typedef {import("./requests.mjs").VaultName} VaultName */
/**
 * @typedef {import("./processes.mjs").ServerProcess & { readonly host: string, readonly port: number }} NodeProcess
 */

/**
 * @param {string} directory
 * @param {{ cache?: string }} [options]
 * @returns {Promise<NodeProcess>}
 */
export async function startNode(directory, { cache } = {}) {
  const args = [
    ...NODE_FLAGS,
    ...[join(repositoryRoot, "packages", "cli", "dist", "main.js"), "start", "--data", directory],
    ...["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"],
    ...(cache === undefined ? [] : ["--cache", cache]),
  ];
  const server = await startServer(process.execPath, args, { ready: READY, readyMs: READY_MS_MAX });
  const [, host, port, pid] = server.ready;
  if (Number(pid) !== server.pid) {
    await server.kill();
    throw new Error(`the node runs as process ${pid}, not ${server.pid}: it could not be measured`);
  }
  return { ...server, host: String(host), port: Number(port) };
}

/**
 * @param {{ host: string, port: number }} node
 * @returns {Promise<VaultName>}
 */
export async function createVault(node) {
  const organization = await createOrganization(node);
  const answer = await callOnce(node, vaultRequest(organization, "bench"));
  const { vault } = admin.CreateVaultResponse.decode(answer);
  return { organization, vault: vault?.slug ?? 0n };
}

/** Its slug. @param {{ host: string, port: number }} node */
export async function createOrganization(node) {
  const { organization } = admin.CreateOrganizationResponse.decode(
    await callOnce(node, {
      path: admin.AdminServiceService.createOrganization.path,
      message: admin.CreateOrganizationRequest.encode({ reason: "", name: "bench" }).finish(),
    }),
  );
  return organization?.slug ?? 0n;
}

/** @param {bigint} organization @param {string} name */
export function vaultRequest(organization, name) {
  return {
    path: admin.AdminServiceService.createVault.path,
    message: admin.CreateVaultRequest.encode({ reason: "", organization, name }).finish(),
  };
}
