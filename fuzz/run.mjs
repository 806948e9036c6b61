// @ts-check
/**
 * Fuzzes every decoder that meets bytes from outside. See fuzz/README.md.
 *
 *     node fuzz/run.mjs [--seconds 60] [--target name] [--seed N] [--keep] [--input file]
 *
 * The seconds are those of the whole run: targets share them. Exits with 1 when something was found.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { readCorpus, saveFinding, writeCorpus } from "./lib/corpus.mjs";
import { FuzzWorker } from "./lib/fuzz-worker.mjs";
import { SharedInput } from "./lib/shared-input.mjs";
import { targets } from "./targets/index.mjs";

/** One run that takes longer hangs. */
const RUN_MS_MAX = 20_000;
/** Bytes of JavaScript objects that a target may need, in MiB: more is a finding. */
const HEAP_MIB_MAX = 768;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string", multiple: true },
    seed: { type: "string" },
    keep: { type: "boolean", default: false },
    input: { type: "string" },
  },
});

const chosen = targets.filter(({ name }) => options.target?.includes(name) ?? true);
if (chosen.length === 0) {
  console.error(`no such target; there are ${targets.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const workers = Math.min(availableParallelism(), chosen.length);
const seconds =
  options.input === undefined ? (Number(options.seconds) * workers) / chosen.length : 0;
const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 32));
console.log(`seed ${seed} (replay with --seed ${seed}), ${seconds.toFixed(1)} s a target`);

const waiting = [...chosen];
let findings = 0;
await Promise.all(Array.from({ length: workers }, work));
console.log(`${chosen.length - findings} targets passed, ${findings} failed`);
process.exit(findings === 0 ? 0 : 1);

/** A worker does one target after another; one that had a finding, died or hung is replaced. */
async function work() {
  /** @type {FuzzWorker | undefined} */
  let worker;
  for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
    worker ??= new FuzzWorker(HEAP_MIB_MAX, RUN_MS_MAX);
    if (await fuzz(worker, target)) continue;
    await worker.end();
    worker = undefined;
  }
  await worker?.end();
}

/**
 * True when nothing was found.
 *
 * @param {FuzzWorker} worker
 * @param {import("./targets/index.mjs").Target} target
 */
async function fuzz(worker, target) {
  const shared = SharedInput.create(target.maxBytes * 2);
  const kept =
    options.input === undefined
      ? readCorpus(target.name)
      : [new Uint8Array(readFileSync(options.input))];
  const job = {
    target: target.name,
    seconds,
    seed,
    kept,
    shared: shared.buffer,
    minimize: options.keep,
  };
  const result = await worker.fuzz(shared, job);
  if (result.kind === "done") {
    const { runs, accepted, reached } = result;
    if (options.keep) writeCorpus(target.name, result.kept);
    const news = `${result.kept.length} ${options.keep ? "kept" : "new"}`;
    console.log(
      `ok       ${target.name.padEnd(22)} ${String(runs).padStart(8)} runs, ${accepted} accepted, ${reached} places reached, ${news}`,
    );
    return true;
  }
  findings++;
  const input = shared.read();
  const path = saveFinding(target.name, input);
  console.log(`FINDING  ${target.name}: ${result.why}`);
  console.log(`         input ${path} (${input.length} bytes); replay:`);
  console.log(`         node fuzz/run.mjs --target ${target.name} --input ${path}`);
  console.log(`         keep it, with its story, in fuzz/corpus/${target.name}.txt:`);
  console.log(`         ${Buffer.from(input).toString("base64").slice(0, 2_000)}`);
  return false;
}
