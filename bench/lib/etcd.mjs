/**
 * A cluster of etcd beside ours: Debian's etcd-server (`apt-get install etcd-server`), three members on loopback with
 * the settings that Debian ships, each as a process of its own.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { callOnce } from "../load/player.mjs";
import { memberIdOf, statusRequest } from "./etcd-requests.mjs";
import { freePorts } from "./ports.mjs";
import { startServer } from "./processes.mjs";

const HOST = "127.0.0.1";
const READY_MS_MAX = 30_000;
const LEADER_MS_MAX = 10_000;

/**
 * @typedef {import("./processes.mjs").ServerProcess & { readonly name: string, readonly host: string, readonly port: number }} Member
 * @typedef {{
 *   readonly members: Member[],
 *   leader(): Promise<Member>,
 *   restart(member: Member): Promise<Member>,
 *   kill(): Promise<void>,
 * }} EtcdCluster
 */

/** Its version, or an error that says how to install it. */
export function etcdVersion() {
  const { stdout, error } = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  const version = error === undefined ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
  if (version === undefined) throw new Error("etcd is not installed: apt-get install etcd-server");
  return version;
}

/**
 * @param {string} directory
 * @param {number} size
 * @returns {Promise<EtcdCluster>}
 */
export async function startEtcd(directory, size = 3) {
  const ports = await freePorts(2 * size);
  const plans = Array.from({ length: size }, (_, i) => ({
    ...{ name: `m${i + 1}`, data: join(directory, `m${i + 1}`) },
    ...{ port: ports[2 * i] ?? 0, peer: ports[2 * i + 1] ?? 0 },
  }));
  const initial = plans.map(({ name, peer }) => `${name}=http://${HOST}:${peer}`).join(",");
  /** @param {typeof plans[number]} plan @param {"new" | "existing"} state */
  const start = async ({ name, data, port, peer }, state) => {
    const args = [
      ...["--name", name, "--data-dir", data, "--logger", "zap", "--log-outputs", "stdout"],
      ...["--listen-client-urls", `http://${HOST}:${port}`],
      ...["--advertise-client-urls", `http://${HOST}:${port}`],
      ...["--listen-peer-urls", `http://${HOST}:${peer}`],
      ...["--initial-advertise-peer-urls", `http://${HOST}:${peer}`],
      ...["--initial-cluster", initial, "--initial-cluster-state", state],
    ];
    const server = await startServer("etcd", args, {
      ready: /serving client traffic insecurely/,
      readyMs: READY_MS_MAX,
    });
    return { ...server, name, host: HOST, port };
  };
  const members = await Promise.all(plans.map((plan) => start(plan, "new")));
  return {
    members,
    leader: () => leaderOf(members),
    restart: async (member) => {
      const at = members.indexOf(member);
      const plan = plans[at];
      if (plan === undefined) throw new Error(`${member.name} is no member`);
      const again = await start(plan, "existing");
      members[at] = again;
      return again;
    },
    kill: async () => {
      await Promise.all(members.map((member) => member.kill()));
    },
  };
}

/**
 * Asks everybody until one says that it is the leader itself.
 *
 * @param {readonly Member[]} members
 */
async function leaderOf(members) {
  const endAt = performance.now() + LEADER_MS_MAX;
  while (performance.now() < endAt) {
    for (const member of members) {
      const status = await callOnce(member, statusRequest()).catch(() => undefined);
      if (status === undefined) continue;
      const { self, leader } = memberIdOf(status);
      if (self !== 0n && self === leader) return member;
    }
  }
  throw new Error("etcd has no leader");
}
