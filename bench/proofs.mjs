/**
 * Proofs of a node with a million leaves (half a million tuples, each committed in both directions): bytes of the state
 * proof of one tuple that is there and of one that is not, and the time to verify them, by the project's own verifier
 * with the hashing of node:crypto. Keys are 20 to 40 bytes long. Every answer is verified.
 *
 *     node bench/run.mjs proofs [--leaves 1000000] [--proofs 10000]
 */
import { NodeHasher } from "../packages/io/dist/index.js";
import {
  decodeHeader,
  parseTrustAnchor,
  trustFromAnchor,
  tupleKey,
  vaultRef,
  verifyAnswer,
  verifyStateProof,
} from "../packages/proof/dist/index.js";
import { admin, read } from "../packages/proto/dist/index.js";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { nodeVerifier } from "./lib/node-verifier.mjs";
import { numbersOf } from "./lib/options.mjs";
import { micros, number, progress } from "./lib/report.mjs";
import { checkRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { absentTuple, randomNumbers, tuple } from "./lib/tuples.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

const BYTES_MAX = 1_000;
const VERIFY_MICROS_MAX = 100;
const LEAVES_PER_TUPLE = 2;
const hasher = new NodeHasher();

/** @typedef {import("./lib/tuples.mjs").Tuple} Tuple */
/** @typedef {{ tuple: Tuple, present: boolean, proof: NonNullable<import("../packages/proto/dist/index.js").read.CheckResponse["proof"]> }} Proven */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { leaves: 1_000_000, proofs: 10_000 });
  const tuples = Math.round(options.leaves / LEAVES_PER_TUPLE);
  const node = await startNode(scratchDirectory("proofs"));
  try {
    const vault = await createVault(node);
    progress(`importing ${number(tuples)} tuples ...`);
    await fill(node, vault, tuples);
    const trust = await trusted(node, vault);
    const random = randomNumbers(4);
    const cases = [];
    for (const present of [true, false]) {
      progress(present ? "inclusion ..." : "absence ...");
      const asked = Array.from({ length: options.proofs }, () =>
        present ? tuple(random(tuples)) : absentTuple(random(tuples)),
      );
      const proven = await ask(node, vault, asked, present);
      cases.push({ name: present ? "inclusion" : "absence", ...measure(proven, trust) });
    }
    return report(tuples * LEAVES_PER_TUPLE, cases);
  } finally {
    await node.kill();
  }
}

/**
 * @param {{ host: string, port: number }} node
 * @param {import("./lib/requests.mjs").VaultName} vault
 */
async function trusted(node, vault) {
  const answer = await callOnce(node, {
    path: admin.AdminServiceService.getTrustAnchor.path,
    message: admin.GetTrustAnchorRequest.encode(vault).finish(),
  });
  const { anchor } = admin.GetTrustAnchorResponse.decode(answer);
  return trustFromAnchor(parseTrustAnchor(hasher, anchor));
}

/**
 * @param {{ host: string, port: number }} node
 * @param {import("./lib/requests.mjs").VaultName} vault
 * @param {readonly Tuple[]} asked
 * @param {boolean} present
 * @returns {Promise<Proven[]>}
 */
async function ask({ host, port }, vault, asked, present) {
  /** @type {Proven[]} */
  const proven = [];
  const result = await play({
    host,
    port,
    requests: asked.map((one) => checkRequest(vault, one, { prove: true, trustedSize: 1n })),
    calls: asked.length,
    inFlight: 16,
    check: (message, i) => {
      const { allowed, proof } = read.CheckResponse.decode(message);
      const one = asked[i];
      if (allowed !== present || proof === undefined || one === undefined) return "wrong answer";
      proven.push({ tuple: one, present, proof });
      return undefined;
    },
  });
  allGood(result);
  return proven;
}

/**
 * Sizes, and times of both parts: the state proof under a root that is trusted already, and the whole answer with its
 * signatures and its place in the history. Twice, the first time to warm up.
 *
 * @param {readonly Proven[]} proven
 * @param {import("../packages/proof/dist/index.js").TrustState} trust
 */
function measure(proven, trust) {
  const context = {
    hasher,
    salt: trust.salt,
    vaultRef: vaultRef(hasher, trust.origin, trust.salt),
  };
  /** @type {number[]} */
  let stateMicros = [];
  /** @type {number[]} */
  let answerMicros = [];
  for (let round = 0; round < 2; round++) {
    stateMicros = proven.map(({ tuple: asked, present, proof }) => {
      const { stateRoot } = decodeHeader(proof.header);
      const start = performance.now();
      const answer = verifyStateProof(proof.stateProof, stateRoot, context).get(tupleKey(asked));
      const took = (performance.now() - start) * 1_000;
      if (answer.kind !== (present ? "present" : "absent"))
        throw new Error(`proven ${answer.kind}`);
      return took;
    });
    answerMicros = proven.map((one) => verifyWhole(one, trust));
  }
  return {
    stateProofBytes: quantiles(proven.map(({ proof }) => proof.stateProof.length)),
    stateProofMicros: quantiles(stateMicros),
    answerMicros: quantiles(answerMicros),
  };
}

/**
 * @param {Proven} proven
 * @param {import("../packages/proof/dist/index.js").TrustState} trust
 */
function verifyWhole({ tuple: asked, present, proof }, trust) {
  const rules = {
    want: /** @type {const} */ ("any"),
    nowMs: Date.now(),
    maxAgeS: 3_600,
    maxSkewS: 60,
  };
  const start = performance.now();
  const { state } = verifyAnswer(trust, proof, rules, { hasher, verifier: nodeVerifier });
  const kind = state?.get(tupleKey(asked)).kind;
  const took = (performance.now() - start) * 1_000;
  if (kind !== (present ? "present" : "absent")) throw new Error(`proven ${kind}`);
  return took;
}

/** @param {readonly number[]} values */
function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  /** @param {number} share */
  const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/**
 * @param {number} leaves
 * @param {readonly (ReturnType<typeof measure> & { name: string })[]} cases
 * @returns {import("./lib/report.mjs").Report}
 */
function report(leaves, cases) {
  return {
    title: `Proofs of single tuples with ${number(leaves)} leaves`,
    columns: [
      "proof",
      "bytes p50",
      "bytes p99",
      "max",
      "verify p50",
      "verify p99",
      "whole answer p50",
      "p99 bytes / 1,000",
    ],
    rows: cases.map(({ name, stateProofBytes, stateProofMicros, answerMicros }) => [
      name,
      number(stateProofBytes.p50),
      number(stateProofBytes.p99),
      number(stateProofBytes.max),
      micros(stateProofMicros.p50),
      micros(stateProofMicros.p99),
      micros(answerMicros.p50),
      number(stateProofBytes.p99 / BYTES_MAX, 2),
    ]),
    goals: cases.flatMap(({ name, stateProofBytes, stateProofMicros }) => [
      {
        name: `${name}: p99 under ${number(BYTES_MAX)} bytes`,
        reached: stateProofBytes.p99 < BYTES_MAX,
      },
      {
        name: `${name}: verified in under ${VERIFY_MICROS_MAX} us (median)`,
        reached: stateProofMicros.p50 < VERIFY_MICROS_MAX,
      },
    ]),
    notes: [
      "verify: the state proof alone; whole answer: signatures, consistency, inclusion in the history and the state proof.",
    ],
    figures: cases,
  };
}
