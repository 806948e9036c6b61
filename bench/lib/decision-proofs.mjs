/**
 * Proven decisions of a running node: what travels, and what it costs a client that trusts nobody to verify it and to decide
 * again. Every answer is verified, from the bytes of the response on; the model's body is known after the first one, as it is
 * to every client that asks twice.
 */
import { ModelCache, verifyDecision } from "../../packages/authz/dist/index.js";
import { NodeHasher } from "../../packages/io/dist/index.js";
import {
  parseTrustAnchor,
  trustFromAnchor,
  verifyAnswer,
} from "../../packages/proof/dist/index.js";
import { admin, authorization } from "../../packages/proto/dist/index.js";
import { callOnce } from "../load/player.mjs";
import { CASES } from "./decision-world.mjs";
import { nodeVerifier } from "./node-verifier.mjs";
import { spread } from "./pairs.mjs";

const { check: CHECK, listObjects: OBJECTS } = authorization.AuthorizationServiceService;
const PROOFS = 64;
/** Rows of the page of a list that is proven. */
const PAGE = 100;
const LISTED = [10, 10_000];
const NOTHING = new Uint8Array(0);
/** Verifiers of files: whatever the time. */
const WANTED = /** @type {const} */ ({ want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 });
const deps = { hasher: new NodeHasher(), verifier: nodeVerifier };

/** @typedef {import("./requests.mjs").VaultName} VaultName */
/** @typedef {{ readonly host: string, readonly port: number }} Address */
/** @typedef {import("../../packages/authz/dist/index.js").DecisionQuestion} DecisionQuestion */
/** @typedef {{ readonly name: string, readonly bytes: number, readonly verifyMicros: number }} MeasuredProof */

/**
 * Medians: bytes of everything but the model's body, and the time to verify and decide again.
 *
 * @param {Address} node
 * @param {VaultName} name
 * @returns {Promise<MeasuredProof[]>}
 */
export async function measureProofs(node, name) {
  const trust = await trusted(node, name);
  const models = new ModelCache();
  const measured = [];
  for (const shape of CASES) {
    /** @type {Shown[]} */
    const shown = [];
    for (const asked of shape.questions.slice(0, PROOFS)) {
      const { object, relation, subject } = asked;
      const request = authorization.AuthorizationServiceCheckRequest.fromPartial({
        ...{ ...name, tuple: { resource: object, relation, subject } },
        prove: { prove: { trustedSize: 1n }, knownModel: NOTHING },
      });
      const bytes = await callOnce(node, {
        path: CHECK.path,
        message: authorization.AuthorizationServiceCheckRequest.encode(request).finish(),
      });
      const { allowed, proof } = authorization.AuthorizationServiceCheckResponse.decode(bytes);
      if (allowed !== shape.allowed) throw new Error(`${shape.name}: wrong`);
      const question = { kind: /** @type {const} */ ("check"), checks: [asked] };
      shown.push({ proof, question, answer: { kind: "check", allowed: [allowed] } });
    }
    measured.push({ name: shape.name, ...verifyAll(trust, models, shown) });
  }
  for (const answers of LISTED) {
    const shown = [await provenPage(node, name, `user:lister${answers}`)];
    const label = `page of ${PAGE} of ${answers.toLocaleString("en-US")} objects`;
    measured.push({ name: label, ...verifyAll(trust, models, shown) });
  }
  return measured;
}

/**
 * @typedef {{
 *   readonly proof: import("../../packages/proto/dist/index.js").authorization.DecisionProof | undefined,
 *   readonly question: DecisionQuestion,
 *   readonly answer: any,
 * }} Shown
 */

/** The first page of a list of objects. @param {Address} node @param {VaultName} name @param {string} subject @returns {Promise<Shown>} */
async function provenPage(node, name, subject) {
  const asked = { type: "document", relation: "owner", subject };
  const request = authorization.ListObjectsRequest.fromPartial({
    ...{ ...name, ...asked, pageSize: PAGE },
    prove: { prove: { trustedSize: 1n }, knownModel: NOTHING },
  });
  const bytes = await callOnce(node, {
    path: OBJECTS.path,
    message: authorization.ListObjectsRequest.encode(request).finish(),
  });
  const { resources, complete, nextPageToken, proof } =
    authorization.ListObjectsResponse.decode(bytes);
  const next = nextPageToken.length === 0 ? {} : { next: nextPageToken };
  const answer = { kind: "list_objects", objects: resources, complete, ...next };
  return { proof, question: { kind: "list_objects", ...asked, limit: PAGE }, answer };
}

/**
 * @param {ReturnType<typeof trustFromAnchor>} trust
 * @param {ModelCache} models
 * @param {readonly Shown[]} all
 */
function verifyAll(trust, models, all) {
  const bytes = [];
  const micros = [];
  // Twice: the first time compiles the code and, once, the model.
  for (const shown of [...all, ...all, ...all]) {
    const { proof: sent, question, answer } = shown;
    const proof = sent?.proof;
    if (sent === undefined || proof === undefined) throw new Error("no proof");
    const started = performance.now();
    const { state, timeMs } = verifyAnswer(trust, proof, WANTED, deps);
    if (state === undefined) throw new Error("no state");
    verifyDecision({ state, timeMs }, { ...sent, answer }, question, {
      hasher: deps.hasher,
      models,
    });
    micros.push((performance.now() - started) * 1_000);
    const parts = [proof.stateProof, proof.header, ...proof.historyProof];
    const values = [sent.activeModel, ...sent.tupleValues];
    const lengths = [...parts, ...proof.consistencyProof, ...values].map(({ length }) => length);
    bytes.push(lengths.reduce((sum, length) => sum + length, proof.checkpoint.length));
  }
  const warm = micros.slice(all.length);
  return { bytes: spread(bytes).median, verifyMicros: spread(warm).median };
}

/** @param {Address} node @param {VaultName} name */
async function trusted(node, name) {
  const answer = await callOnce(node, {
    path: admin.AdminServiceService.getTrustAnchor.path,
    message: admin.GetTrustAnchorRequest.encode(name).finish(),
  });
  const { anchor } = admin.GetTrustAnchorResponse.decode(answer);
  return trustFromAnchor(parseTrustAnchor(deps.hasher, anchor));
}
