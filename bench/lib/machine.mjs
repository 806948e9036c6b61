/** What a figure was measured on and with. A figure without this says nothing. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import { join } from "node:path";
import { benchRoot, peersRoot, repositoryRoot } from "./workspace.mjs";

/**
 * @typedef {{
 *   cpu: string, cores: number, memoryGiB: number, kernel: string, node: string, commit: string,
 *   date: string, loadAverage: number, packages: Record<string, string>,
 * }} Machine
 */

/**
 * @param {{ withPeers?: boolean }} [options]
 * @returns {Machine}
 */
export function describeMachine({ withPeers = false } = {}) {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round((os.totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    commit: commit(),
    date: new Date().toISOString(),
    loadAverage: os.loadavg()[0] ?? 0,
    packages: withPeers
      ? installed(peersRoot)
      : { ...installed(benchRoot), "@grpc/grpc-js of the node": grpcOfTheNode() },
  };
}

function commit() {
  const head = git(["rev-parse", "--short=12", "HEAD"]);
  const changed = git(["status", "--porcelain", "--untracked-files=no"]);
  return head === "" ? "unknown" : `${head}${changed === "" ? "" : " with local changes"}`;
}

/** @param {readonly string[]} args */
function git(args) {
  const { stdout } = spawnSync("git", [...args], { cwd: repositoryRoot, encoding: "utf8" });
  return (stdout ?? "").trim();
}

/** @param {string} directory */
function installed(directory) {
  const read = (/** @type {string} */ file) => JSON.parse(readFileSync(file, "utf8"));
  const { dependencies = {} } = read(join(directory, "package.json"));
  return Object.fromEntries(
    Object.keys(dependencies).map((name) => [
      name,
      read(join(directory, "node_modules", name, "package.json")).version,
    ]),
  );
}

function grpcOfTheNode() {
  const require = createRequire(join(repositoryRoot, "packages", "server", "package.json"));
  return require("@grpc/grpc-js/package.json").version;
}

/**
 * The type of the file system a directory is on: durable figures on tmpfs would mean nothing.
 *
 * @param {string} directory
 */
export function fileSystemOf(directory) {
  const { stdout } = spawnSync("stat", ["-f", "-c", "%T", directory], { encoding: "utf8" });
  return (stdout ?? "").trim() || "unknown";
}
