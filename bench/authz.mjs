/**
 * Decisions under a model: in the process, through gRPC beside the lookup of a stored tuple, and proven. The same questions
 * over three sizes of a made-up drive (lib/decision-world.mjs), with results remembered by nobody: every decision is made.
 *
 *     node bench/run.mjs authz [--small 10000] [--middle 100000] [--large 1000000] [--rounds 5] [--calls 20000] [--in-flight 64]
 *
 * The sizes are tuples beside those that are asked about.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { authorization, model as models, read, write } from "../packages/proto/dist/index.js";
import { measureProofs } from "./lib/decision-proofs.mjs";
import {
  CASES,
  COPIES,
  LISTS,
  MODEL,
  shapesCount,
  strangers,
  worldOf,
} from "./lib/decision-world.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { alternate, ratios, showSpread, spread } from "./lib/pairs.mjs";
import { micros, number, progress } from "./lib/report.mjs";
import { checkRequest, TRANSACTION_OPERATIONS } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

const IN_PROCESS = fileURLToPath(new URL("lib/decisions-in-process.mjs", import.meta.url));
const DIRECT_MICROS_MAX = 10;
const DEPTH_3_MICROS_MAX = 60;
const GRPC_RATIO_MAX = 1.3;
/** The first page of 10,000 answers may cost so many times that of 1,000. */
const FIRST_PAGE_RATIO_MAX = 1.25;
const WARM_UPS = 2;
/** The engine remembers 16,384 results. */
const DISTINCT_MAX = 40_000;

/** @typedef {import("./lib/requests.mjs").VaultName} VaultName */
/** @typedef {{ readonly host: string, readonly port: number }} Address */
/** @typedef {import("./lib/pairs.mjs").Spread} Spread */
/**
 * @typedef {{
 *   readonly checks: readonly { readonly name: string, readonly micros: Spread, readonly cost: number }[],
 *   readonly lists: readonly { readonly answers: number, readonly first: Spread, readonly whole: Spread }[],
 * }} InProcess
 */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { small, middle, large, ...options } = numbersOf(args, {
    ...{ small: 10_000, middle: 100_000, large: 1_000_000 },
    ...{ rounds: 5, calls: 20_000, "in-flight": 64 },
  });
  const sizes = [];
  for (const others of [small, middle, large]) sizes.push(await measure(others, options));
  return report(sizes, options);
}

/**
 * @param {number} others
 * @param {{ rounds: number, calls: number, "in-flight": number }} options
 */
async function measure(others, options) {
  const directory = scratchDirectory(`authz-${others}`);
  const node = await startNode(directory);
  let vault;
  let through;
  let proofs;
  try {
    vault = await createVault(node);
    progress(`${number(others)} tuples and ${number(shapesCount())} that are asked about ...`);
    await fill(node, vault, others);
    await deploy(node, vault);
    progress("through gRPC ...");
    through = await throughGrpc(node, vault, others, options);
    progress("proofs ...");
    proofs = await measureProofs(node, vault);
  } finally {
    await node.kill();
  }
  progress("in the process ...");
  return { others, through, proofs, inProcess: inProcess(directory, vault, options.rounds) };
}

/** @param {Address} node @param {VaultName} vault @param {number} others */
async function fill(node, vault, others) {
  const requests = [];
  /** @type {import("./lib/tuples.mjs").Tuple[]} */
  let batch = [];
  for (const tuple of worldOf(others)) {
    batch.push(tuple);
    if (batch.length < TRANSACTION_OPERATIONS) continue;
    requests.push(createRequest(vault, batch));
    batch = [];
  }
  if (batch.length > 0) requests.push(createRequest(vault, batch));
  allGood(await play({ ...node, requests, calls: requests.length, inFlight: 4, stallMs: 60_000 }));
}

/** @param {VaultName} name @param {readonly import("./lib/tuples.mjs").Tuple[]} tuples */
function createRequest(name, tuples) {
  const operations = tuples.map((tuple) => ({
    operation: { $case: /** @type {const} */ ("createRelationship"), value: { tuple } },
  }));
  const request = write.WriteRequest.fromPartial({
    ...name,
    transaction: { operations, clientId: "bench" },
  });
  return {
    path: write.WriteServiceService.write.path,
    message: write.WriteRequest.encode(request).finish(),
  };
}

/** @param {Address} node @param {VaultName} name */
async function deploy(node, name) {
  const request = models.DeployModelRequest.fromPartial({
    ...name,
    source: { files: [{ name: "", text: MODEL }] },
    activate: true,
  });
  await callOnce(node, {
    path: models.ModelServiceService.deployModel.path,
    message: models.DeployModelRequest.encode(request).finish(),
  });
}

/**
 * Server CPU of a decision of depth 1 beside that of the lookup of the same stored tuple.
 *
 * @param {import("./lib/node-process.mjs").NodeProcess} node
 * @param {VaultName} name
 * @param {number} others
 * @param {{ rounds: number, calls: number, "in-flight": number }} options
 */
async function throughGrpc(node, name, others, { rounds, calls, "in-flight": inFlight }) {
  // More questions than results are remembered, so that decisions are made and not looked up.
  const tuples = strangers(Math.min(others, DISTINCT_MAX));
  const lookups = tuples.map((tuple) => checkRequest(name, tuple));
  const decisions = tuples.map((tuple) => {
    const request = authorization.AuthorizationServiceCheckRequest.fromPartial({ ...name, tuple });
    return {
      path: authorization.AuthorizationServiceService.check.path,
      message: authorization.AuthorizationServiceCheckRequest.encode(request).finish(),
    };
  });
  const common = { host: node.host, port: node.port, calls, inFlight, serverPids: [node.pid] };
  const lookup = async () =>
    allGood(
      await play({
        ...common,
        requests: lookups,
        check: (message) => (read.CheckResponse.decode(message).allowed ? undefined : "denied"),
      }),
    );
  const decision = async () =>
    allGood(
      await play({
        ...common,
        requests: decisions,
        check: (message) =>
          authorization.AuthorizationServiceCheckResponse.decode(message).allowed
            ? undefined
            : "denied",
      }),
    );
  for (let i = 0; i < WARM_UPS; i++) {
    await lookup();
    await decision();
  }
  const pairs = await alternate(decision, lookup, rounds);
  const ratio = ratios(pairs, ({ serverCpuMicros }) => serverCpuMicros ?? Number.NaN);
  /** @param {"a" | "b"} side */
  const cpu = (side) =>
    spread(pairs.map((pair) => pair[side].serverCpuMicros ?? Number.NaN)).median;
  return { ratio, decisionCpu: cpu("a"), lookupCpu: cpu("b") };
}

/**
 * @param {string} directory
 * @param {VaultName} vault
 * @param {number} rounds
 * @returns {InProcess}
 */
function inProcess(directory, { organization, vault }, rounds) {
  const argument = JSON.stringify({
    ...{ directory, organization: String(organization), slug: String(vault), rounds },
  });
  const child = spawnSync(process.execPath, [IN_PROCESS, argument], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`the process ended with ${child.status}`);
  return JSON.parse(child.stdout);
}

/**
 * @param {readonly Awaited<ReturnType<typeof measure>>[]} sizes
 * @param {{ rounds: number }} options
 * @returns {import("./lib/report.mjs").Report}
 */
function report(sizes, { rounds }) {
  const largest = /** @type {(typeof sizes)[number]} */ (sizes.at(-1));
  /** @param {string} name */
  const atLargest = (name) =>
    largest.inProcess.checks.find((check) => check.name === name)?.micros.median ?? Number.NaN;
  const [, thousand, tenThousand] = largest.inProcess.lists;
  const firstPage = (tenThousand?.first.median ?? NaN) / (thousand?.first.median ?? NaN);
  return {
    title: `Decisions: ${COPIES} questions of each shape, medians of ${rounds} rounds; sizes are tuples beside them`,
    columns: ["", ...sizes.map(({ others }) => number(others)), "reads"],
    rows: [
      ...CASES.map(({ name }, i) => [
        name,
        ...sizes.map(({ inProcess }) => micros(inProcess.checks[i]?.micros.median ?? NaN)),
        number(largest.inProcess.checks[i]?.cost ?? 0),
      ]),
      ...LISTS.flatMap((answers, i) => [
        [
          `first page of ${number(answers)} objects`,
          ...sizes.map(({ inProcess }) => micros(inProcess.lists[i]?.first.median ?? NaN)),
        ],
        [
          `all ${number(answers)}`,
          ...sizes.map(({ inProcess }) => micros(inProcess.lists[i]?.whole.median ?? NaN)),
        ],
      ]),
      ["gRPC, CPU of a stored tuple", ...sizes.map(({ through }) => micros(through.lookupCpu))],
      ["gRPC, CPU of a decision", ...sizes.map(({ through }) => micros(through.decisionCpu))],
      ["gRPC, ratio", ...sizes.map(({ through }) => showSpread(through.ratio))],
      ...largest.proofs.map(({ name }, i) => [
        `proof: ${name}`,
        ...sizes.map(({ proofs }) => {
          const proof = proofs[i];
          return `${number(proof?.bytes ?? 0)} B, ${micros(proof?.verifyMicros ?? NaN)}`;
        }),
      ]),
    ],
    goals: [
      {
        name: `direct check in the process under ${DIRECT_MICROS_MAX} us at the largest size`,
        reached: atLargest("direct") < DIRECT_MICROS_MAX,
      },
      {
        name: `depth 3 in the process under ${DEPTH_3_MICROS_MAX} us at the largest size`,
        reached: atLargest("depth 3 through groups") < DEPTH_3_MICROS_MAX,
      },
      {
        name: `a decision of depth 1 through gRPC at most ${GRPC_RATIO_MAX} times a stored tuple's lookup`,
        reached: largest.through.ratio.median <= GRPC_RATIO_MAX,
      },
      {
        name: `the first page of 10,000 objects costs that of 1,000 (at most ${FIRST_PAGE_RATIO_MAX} times)`,
        reached: firstPage <= FIRST_PAGE_RATIO_MAX,
      },
    ],
    notes: [
      "In the process: through the engine's port, every decision made anew. gRPC: 40,000 distinct questions of depth 1 where there are so many. Proofs: bytes of state proof, header, history, checkpoint and values; time to verify and decide again.",
    ],
    figures: sizes,
  };
}
