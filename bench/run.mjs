/**
 * Runs a benchmark:  node bench/run.mjs NAME [options]
 *
 * Installs and builds what it needs, runs it, prints a table with the machine and the versions, and writes the
 * figures to bench/out. A benchmark is a module of this folder that exports `run(args)`, which returns a report.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describeMachine } from "./lib/machine.mjs";
import { printReport } from "./lib/report.mjs";
import * as workspace from "./lib/workspace.mjs";

/**
 * The packages that each benchmark needs built (`cli` is the whole node), and whether it runs the peers.
 *
 * @type {ReadonlyMap<string, { readonly packages: readonly string[], readonly withPeers?: boolean }>}
 */
const BENCHMARKS = new Map([
  ["node", { packages: ["cli"] }],
  ["player", { packages: ["proto", "types"] }],
  ["cluster", { packages: ["cli"] }],
  ["failover", { packages: ["cli"] }],
  ["members", { packages: ["cli"] }],
  ["check", { packages: ["cli"] }],
  ["import", { packages: ["cli"] }],
  ["restart", { packages: ["cli"] }],
  ["memory", { packages: ["cli"] }],
  ["proofs", { packages: ["cli"] }],
  ["authz", { packages: ["cli"] }],
  ["overload", { packages: ["cli"] }],
  ["overhead", { packages: ["cli"] }],
  ["sdk", { packages: ["cli"] }],
  ["vaults", { packages: ["cli"] }],
  ["roots", { packages: ["state"], withPeers: true }],
  ["store", { packages: ["store", "wal"], withPeers: true }],
]);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}

/**
 * The exit code: 0 when all goals were reached.
 *
 * @param {readonly string[]} argv
 */
async function main([name = "", ...args]) {
  if (name === "test") return test(args);
  if (name === "types") return types();
  const benchmark = BENCHMARKS.get(name);
  if (benchmark === undefined) {
    console.error(`usage: node bench/run.mjs ${[...BENCHMARKS.keys(), "test", "types"].join("|")}`);
    return 2;
  }
  const { packages, withPeers = false } = benchmark;
  prepare(packages);
  if (withPeers) workspace.installDependencies(workspace.peersRoot);
  const machine = describeMachine({ withPeers });
  const { run } = await import(`./${name}.mjs`);
  /** @type {import("./lib/report.mjs").Report} */
  const report = await run(args);
  printReport(name, report, machine);
  return report.goals.every(({ reached }) => reached) ? 0 : 1;
}

/** @param {readonly string[]} args */
function test(args) {
  prepare(["proto", "types"]);
  const files = readdirSync(join(workspace.benchRoot, "test"));
  const tests = files
    .filter((file) => file.endsWith(".test.mjs"))
    .map((file) => join("test", file));
  const command = ["--test", "--test-reporter=spec", ...args, ...tests];
  return workspace.exitCodeOf(process.execPath, command, workspace.benchRoot);
}

function types() {
  prepare(["engine", "proto"]);
  workspace.installDependencies(workspace.peersRoot);
  const compiler = join("node_modules", ".bin", "tsc");
  return workspace.exitCodeOf(compiler, ["-p", "bench"], workspace.repositoryRoot);
}

/** @param {readonly string[]} packages */
function prepare(packages) {
  workspace.installDependencies();
  workspace.buildPackages(packages);
}
