/**
 * Proven decisions over a state in memory: bytes of the state proof, of the values beside it and of the model's body, and the
 * time to prove and to verify. Everything is verified.
 *
 *     node bench/run.mjs decisions [--tuples 100000] [--rounds 200]
 */
import {
  ACTIVE_MODEL_KEY,
  compileModel,
  decide,
  decodeModelBody,
  EvidenceRecorder,
  encodeActiveModel,
  encodeModelBody,
  ModelCache,
  modelBodyKey,
  verifyDecision,
} from "../packages/authz/dist/index.js";
import { parseOpenFga } from "../packages/authz/dist/language/index.js";
import { NodeHasher } from "../packages/io/dist/index.js";
import {
  BuiltTrie,
  commitToValue,
  decodeStateProof,
  encodeRecord,
  encodeStateProof,
  ledgerRecordKey,
  PathHasher,
  tupleBySubjectKey,
  tupleKey,
  vaultRef,
} from "../packages/proof/dist/index.js";
import { numbersOf } from "./lib/options.mjs";
import { micros, number, progress } from "./lib/report.mjs";

const hasher = new NodeHasher();
const salt = new Uint8Array(32).fill(7);
const reference = vaultRef(hasher, "ledger.bench/decisions", salt);
const paths = new PathHasher(hasher, salt);
const NONCE = new Uint8Array(16);
const TIME_MS = 1_700_000_000_000;

const MODEL = `
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type document
  relations
    define blocked: [user]
    define viewer: [user, group#member]
    define reader: viewer but not blocked
`;

/** @typedef {{ object: string, relation: string, subject: string }} Named */

/** Groups in groups: the last one has the user. @param {string} name @param {number} depth @returns {Named[]} */
function chain(name, depth) {
  const tuples = [
    { object: `document:${name}`, relation: "viewer", subject: `group:${name}1#member` },
  ];
  for (let i = 1; i < depth - 1; i++) {
    const subject = `group:${name}${i + 1}#member`;
    tuples.push({ object: `group:${name}${i}`, relation: "member", subject });
  }
  const last = `group:${name}${depth - 1}`;
  return [...tuples, { object: last, relation: "member", subject: "user:anne" }];
}

/** @param {number} count @returns {Named[]} */
function allTuples(count) {
  const members = Array.from({ length: 1_000 }, (_, i) => ({
    ...{ object: "group:crowd", relation: "member" },
    subject: `user:m${i}`,
  }));
  const own = [
    { object: "document:own", relation: "viewer", subject: "user:anne" },
    { object: "document:crowd", relation: "viewer", subject: "group:crowd#member" },
    ...chain("three", 3),
    ...chain("six", 6),
    ...members,
  ];
  const noise = Array.from({ length: Math.max(0, count - own.length) }, (_, i) => ({
    object: `document:d${i % 50_000}`,
    relation: "viewer",
    subject: `user:u${i}`,
  }));
  return [...own, ...noise];
}

/** @type {readonly (readonly [string, string, string, string, boolean])[]} */
const CASES = [
  ["direct, allowed", "document:own", "viewer", "user:anne", true],
  ["direct, denied", "document:own", "viewer", "user:eve", false],
  ["but not, allowed", "document:own", "reader", "user:anne", true],
  ["depth 3, allowed", "document:three", "viewer", "user:anne", true],
  ["depth 3, denied", "document:three", "viewer", "user:eve", false],
  ["depth 6, allowed", "document:six", "viewer", "user:anne", true],
  ["depth 6, denied", "document:six", "viewer", "user:eve", false],
  ["group of 1,000, allowed", "document:crowd", "viewer", "user:m7", true],
  ["group of 1,000, denied", "document:crowd", "viewer", "user:eve", false],
];

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { tuples, rounds } = numbersOf(args, { tuples: 100_000, rounds: 200 });
  progress(`a trie of ${number(tuples)} tuples ...`);
  const state = committed(allTuples(tuples));
  const measured = CASES.map((each) => {
    progress(`${each[0]} ...`);
    return measure(state, each, rounds);
  });
  return report(tuples, measured, state.body.length);
}

/** A state with its model, as a server has it. @param {readonly Named[]} tuples */
function committed(tuples) {
  const body = encodeModelBody({
    language: "openfga",
    files: [{ name: "", text: MODEL }],
    model: parseOpenFga(MODEL),
  });
  const hash = Buffer.from(hasher.sha256(body)).toString("hex");
  const active = encodeActiveModel({ version: 1, hash, activatedAtMs: 1, before: [] });
  const modelKeys = [ACTIVE_MODEL_KEY, modelBodyKey(1)].map(({ partition, group, item }) =>
    ledgerRecordKey(partition, group, item),
  );
  const records = [active, body].map((value, i) =>
    encodeRecord(/** @type {any} */ (modelKeys[i]), {
      ...{ version: 1n, expiresAtMs: 0n },
      value: commitToValue(hasher, NONCE, value),
    }),
  );
  for (const { object: resource, relation, subject } of tuples) {
    const tuple = { resource, relation, subject };
    for (const key of [tupleKey(tuple), tupleBySubjectKey(tuple)]) {
      records.push(encodeRecord(key, { version: 1n, expiresAtMs: 0n, value: undefined }));
    }
  }
  const trie = BuiltTrie.fromRecords(hasher, salt, records);
  const activeModel = Buffer.concat([NONCE, active]);
  const modelBody = Buffer.concat([NONCE, body]);
  const compiled = compileModel(decodeModelBody(body).model);
  return { trie, modelKeys, activeModel, modelBody, body, compiled, tuples: readerOf(tuples) };
}

/** Tuples in the order of their paths. @param {readonly Named[]} tuples */
function readerOf(tuples) {
  const id = (/** @type {readonly string[]} */ ...parts) => parts.join(" ");
  const points = new Map(
    tuples.map((each) => [id(each.object, each.relation, each.subject), each]),
  );
  /** @type {Map<string, Named[]>} */
  const lists = new Map();
  for (const each of tuples) {
    const key = id(each.object, each.relation);
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [each]);
    else list.push(each);
  }
  const path = (/** @type {Named} */ { object: resource, relation, subject }) =>
    paths.path(tupleKey({ resource, relation, subject }));
  for (const [key, list] of lists) {
    const placed = list.map((each) => ({ each, at: path(each) }));
    placed.sort((a, b) => Buffer.compare(a.at, b.at));
    lists.set(
      key,
      placed.map(({ each }) => each),
    );
  }
  /** @param {string} object @param {string} relation */
  const ofObject = (object, relation) => lists.get(id(object, relation)) ?? [];
  return {
    find: (
      /** @type {string} */ object,
      /** @type {string} */ relation,
      /** @type {string} */ subject,
    ) => points.get(id(object, relation, subject)),
    ofObject,
    usersetsOf: (/** @type {string} */ object, /** @type {string} */ relation) =>
      ofObject(object, relation).filter(({ subject }) => subject.includes("#")),
    ofSubject: () => [],
  };
}

/**
 * @param {ReturnType<typeof committed>} state
 * @param {(typeof CASES)[number]} decision
 * @param {number} rounds
 */
function measure(state, [name, object, relation, subject, expected], rounds) {
  const question = /** @type {const} */ ({
    kind: "check",
    checks: [{ object, relation, subject }],
  });
  const models = new ModelCache();
  let stateProof = new Uint8Array(0);
  const prove = [];
  const verify = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const recorder = new EvidenceRecorder(state.tuples);
    const { answer } = decide(state.compiled, recorder, question);
    const { gets, lists } = recorder.questions(paths);
    const asked = { gets: [...state.modelKeys, ...gets], lists };
    stateProof = encodeStateProof(state.trie, paths, asked);
    const proven = performance.now();
    const shown = decodeStateProof(stateProof, { hasher, salt, vaultRef: reference });
    const sent = {
      ...{ activeModel: state.activeModel, modelBody: state.modelBody },
      ...{ tupleValues: [], answer },
    };
    const view = { state: shown, timeMs: BigInt(TIME_MS) };
    const replayed = verifyDecision(view, sent, question, { hasher, models });
    const end = performance.now();
    if (replayed.answer.allowed[0] !== expected) throw new Error(`${name}: another answer`);
    prove.push((proven - start) * 1_000);
    verify.push((end - proven) * 1_000);
  }
  return {
    name,
    bytes: stateProof.length,
    proveMicros: median(prove),
    verifyMicros: median(verify),
  };
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/**
 * @param {number} tuples
 * @param {readonly ReturnType<typeof measure>[]} measured
 * @param {number} body
 * @returns {import("./lib/report.mjs").Report}
 */
function report(tuples, measured, body) {
  return {
    title: `Proven decisions over ${number(tuples)} tuples, in memory`,
    columns: ["decision", "state proof, bytes", "prove, us", "verify, us"],
    rows: measured.map(({ name, bytes, proveMicros, verifyMicros }) => [
      name,
      number(bytes),
      micros(proveMicros),
      micros(verifyMicros),
    ]),
    goals: [],
    notes: [
      `beside it: the model's body, ${number(body)} bytes, unless the client has it; a header, its place in the history and the checkpoint`,
    ],
    figures: { tuples, measured, body },
  };
}
