/**
 * Runs everything that must hold before a change is taken, each stage with its name and seconds. All stages
 * run even when one fails. The last line is `N passed, N failed`: the tests as vitest counts them, and each
 * other stage as one. The exit code is 0 only when nothing failed.
 *
 * Uses Node built-ins only, since its first stage is what installs everything else.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A stage that takes longer hangs. */
const STAGE_MS_MAX = 20 * 60_000;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const scratch = mkdtempSync(join(tmpdir(), "authledger-check-"));
const testReport = join(scratch, "tests.json");

const stages = [
  { name: "install", command: ["node", "scripts/bootstrap.mjs"] },
  { name: "format and lint", command: [bin("biome"), "ci", "--colors=off", "."] },
  { name: "types of the packages", command: [bin("tsc"), "-b"] },
  { name: "types of the tests", command: [bin("tsc"), "-p", "tsconfig.test.json"] },
  { name: "types of the fuzzer", command: [bin("tsc"), "-p", "fuzz"] },
  { name: "types of the faults", command: [bin("tsc"), "-p", "faults"] },
  {
    name: "layers",
    command: [bin("depcruise"), "packages", "--config", ".dependency-cruiser.mjs"],
  },
  { name: "unused code", command: [bin("knip"), "--no-progress", "--no-config-hints"] },
  { name: "generated documents", command: ["node", "scripts/docs.mjs", "--check"] },
  { name: "generated code", command: ["node", "scripts/generate.mjs", "--check"] },
  {
    name: "tests",
    command: [
      ...["npm", "test", "--silent", "--", "--reporter=default", "--reporter=json"],
      `--outputFile.json=${testReport}`,
    ],
    count: countTests,
  },
  {
    name: "simulation of whole nodes",
    command: [
      ...["node", "packages/simulator/dist/cluster/main.js", "--from", String(firstSeed())],
      ...["--seeds", "10", "--seconds", "40", "--shrink-runs", "20"],
    ],
  },
  {
    name: "simulation of the core",
    command: [
      ...["node", "packages/simulator/dist/main.js", "--from", String(firstSeed())],
      ...["--seeds", "2500", "--seconds", "240", "--explore", "20"],
    ],
  },
  // One seed: whether a change is taken must not hang on luck. Campaigns with fresh ones: npm run fuzz.
  { name: "fuzzing", command: ["node", "fuzz/run.mjs", "--seconds", "60", "--seed", "1"] },
  {
    name: "fuzzing of every call",
    command: ["node", "fuzz/rpc/run.mjs", "--seconds", "15", "--seed", "1"],
  },
];

const results = stages.map(run);
rmSync(scratch, { recursive: true, force: true });
report(results);

/**
 * The seed of the random tests, and where the simulations begin: seeds that no commit had before, and that every run over this
 * commit has again. A finding is one of the change that is checked, and is there when the check is run once more.
 */
function firstSeed() {
  const about = { cwd: root, encoding: /** @type {const} */ ("utf8") };
  const tree = spawnSync("git", ["rev-parse", "HEAD^{tree}"], about).stdout ?? "";
  return 1 + (Number.parseInt(tree.slice(0, 12), 16) % 2 ** 31 || 0);
}

/** @param {string} name */
function bin(name) {
  return join("node_modules", ".bin", name);
}

function run({ name, command, count }) {
  console.log(`\n== ${name}: ${command.join(" ")}`);
  const start = performance.now();
  const [program, ...args] = command;
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    env: { CHECK_SEED: String(firstSeed()), ...process.env, ...conformanceData() },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: STAGE_MS_MAX,
  });
  const seconds = (performance.now() - start) / 1000;
  const ok = status === 0;
  const { passed, failed } = count ? count(ok) : { passed: Number(ok), failed: Number(!ok) };
  console.log(
    `== ${name}: ${ok ? "ok" : `FAILED${error ? ` (${error.message})` : ""}`}, ${seconds.toFixed(1)} s`,
  );
  return { name, ok, seconds, passed, failed };
}

/** Public test data lies beside the checkout on machines that have it; the tests that need it skip elsewhere. */
function conformanceData() {
  const beside = join(root, "..", "shared", "data");
  if (process.env["CONFORMANCE_DATA"] || !existsSync(beside)) return {};
  return { CONFORMANCE_DATA: beside };
}

/**
 * The tests that passed and failed. A run that ended badly without a failed test (a file that does not load, an
 * error nobody caught, a build that broke) counts as one failure.
 *
 * @param {boolean} ok how the command ended
 */
function countTests(ok) {
  if (!existsSync(testReport)) return { passed: 0, failed: 1 };
  const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(
    readFileSync(testReport, "utf8"),
  );
  return { passed, failed: ok ? failed : Math.max(1, failed) };
}

function report(all) {
  const sum = (pick) => all.reduce((total, result) => total + pick(result), 0);
  console.log("\n== seconds by stage");
  for (const { name, ok, seconds } of all) {
    console.log(`${seconds.toFixed(1).padStart(7)}  ${name}${ok ? "" : "  FAILED"}`);
  }
  console.log(
    `${sum(({ seconds }) => seconds)
      .toFixed(1)
      .padStart(7)}  together`,
  );
  process.exitCode = all.every(({ ok }) => ok) ? 0 : 1;
  console.log(`${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`);
}
