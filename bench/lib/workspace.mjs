/** Makes ready what a benchmark runs on: the bench's own dependencies and the built packages. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const benchRoot = fileURLToPath(new URL("..", import.meta.url));
export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));
/** The databases and tries that the product is measured against. */
export const peersRoot = fileURLToPath(new URL("../peers", import.meta.url));

/**
 * better-sqlite3 looks for a binary on a site that is not a package registry; it is compiled instead, by node-gyp
 * with the headers of this Node. The others carry their binaries.
 */
const NATIVE_FROM_SOURCE = { npm_config_build_from_source: "better-sqlite3" };

/**
 * Installs the dependencies of the benchmarks, exactly those of their lock file, when they are not there yet.
 * They are outside the workspace, so that nobody who builds the product has to fetch its peers.
 *
 * @param {string} [directory]
 */
export function installDependencies(directory = benchRoot) {
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const stampFile = join(directory, "node_modules", ".bench-stamp");
  const stamp = createHash("sha256")
    .update(readFileSync(join(directory, "pnpm-lock.yaml")))
    .update(`${manifest.packageManager} abi${process.versions.modules} ${process.arch}`)
    .digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  const options = ["--ignore-workspace", "--frozen-lockfile", "--prefer-offline"];
  run(
    "npx",
    ["--yes", "--prefer-offline", manifest.packageManager, "install", ...options],
    directory,
  );
  writeFileSync(stampFile, stamp);
}

/**
 * Builds packages of the workspace and what they need.
 *
 * @param {readonly string[]} names
 */
export function buildPackages(names) {
  run(process.execPath, [join("scripts", "bootstrap.mjs")], repositoryRoot);
  const projects = names.map((name) => join("packages", name));
  run(join("node_modules", ".bin", "tsc"), ["-b", ...projects], repositoryRoot);
}

/**
 * Runs a program with its output on standard error, which leaves standard output to results.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 */
export function exitCodeOf(command, args, cwd) {
  const env = { ...process.env, ...NATIVE_FROM_SOURCE };
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 */
function run(command, args, cwd) {
  const code = exitCodeOf(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit code ${code}`);
}
