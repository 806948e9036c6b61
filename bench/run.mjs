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

/** The packages that each benchmark needs built; `cli` is the whole node. */
const BENCHMARKS = new Map([
  ["player", ["proto", "types"]],
  ["check", ["cli"]],
  ["import", ["cli"]],
  ["restart", ["cli"]],
  ["memory", ["cli"]],
  ["proofs", ["cli"]],
]);

const [name = "", ...args] = process.argv.slice(2);
const needed = BENCHMARKS.get(name);

if (name === "test") {
  prepare(["proto", "types"]);
  const files = readdirSync(join(workspace.benchRoot, "test"));
  const tests = files
    .filter((file) => file.endsWith(".test.mjs"))
    .map((file) => join("test", file));
  const command = ["--test", "--test-reporter=spec", ...args, ...tests];
  workspace.run(process.execPath, command, workspace.benchRoot);
} else if (name === "types") {
  prepare(["proof", "proto", "types"]);
  const compiler = join("node_modules", ".bin", "tsc");
  workspace.run(compiler, ["-p", "bench"], workspace.repositoryRoot);
} else if (needed !== undefined) {
  prepare(needed);
  const machine = describeMachine();
  const { run } = await import(`./${name}.mjs`);
  const report = await run(args);
  printReport(name, report, machine);
  const missed = report.goals.filter((/** @type {{ reached: boolean }} */ goal) => !goal.reached);
  process.exitCode = missed.length === 0 ? 0 : 1;
} else {
  console.error(`usage: node bench/run.mjs ${[...BENCHMARKS.keys(), "test", "types"].join("|")}`);
  process.exitCode = 2;
}

/** @param {readonly string[]} packages */
function prepare(packages) {
  workspace.installDependencies();
  workspace.buildPackages(packages);
}
