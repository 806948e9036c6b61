// @ts-check
/** Proven decisions: the file beside a receipt, and evidence of which not even the state root is right. */
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const authz = await product("authz");
const proof = await product("proof");
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const { nobleHasher: hasher } = proof;

const salt = new Uint8Array(32).fill(3);
const vaultRef = proof.vaultRef(hasher, "ledger.fuzz/decisions", salt);
const paths = new proof.PathHasher(hasher, salt);
const QUESTION = {
  kind: "check",
  checks: [
    { object: "document:1", relation: "viewer", subject: "user:anne" },
    { object: "document:2", relation: "viewer", subject: "user:carl" },
  ],
  context: { day: "monday" },
};

const MODEL = {
  schema: "1.1",
  types: {
    user: { relations: {} },
    group: {
      relations: {
        member: {
          rewrite: { kind: "direct" },
          directTypes: [{ type: "user" }, { type: "group", relation: "member" }],
        },
      },
    },
    document: {
      relations: {
        viewer: {
          rewrite: { kind: "direct" },
          directTypes: [
            { type: "user", condition: "weekday" },
            { type: "group", relation: "member" },
          ],
        },
      },
    },
  },
  conditions: { weekday: { parameters: { day: "string" }, expression: 'day != "sunday"' } },
};

/** A state with a model, and what a server would send about it. */
function honest() {
  const body = authz.encodeModelBody({
    language: "openfga",
    files: [{ name: "", text: "" }],
    model: MODEL,
  });
  const hash = Buffer.from(hasher.sha256(body)).toString("hex");
  const active = authz.encodeActiveModel({ version: 1, hash, activatedAtMs: 1, before: [] });
  const condition = authz.encodeTupleCondition({ name: "weekday", context: {} });
  const nonce = new Uint8Array(16).fill(5);
  const withNonce = (/** @type {Uint8Array} */ value) => Buffer.concat([nonce, value]);
  const key = (/** @type {any} */ { partition, group, item }) =>
    proof.ledgerRecordKey(partition, group, item);
  const tuple = (
    /** @type {string} */ resource,
    /** @type {string} */ relation,
    /** @type {string} */ subject,
  ) => proof.tupleKey({ resource, relation, subject });
  const records = [
    { key: key(authz.ACTIVE_MODEL_KEY), value: active },
    { key: key(authz.modelBodyKey(1)), value: body },
    { key: tuple("document:1", "viewer", "user:anne"), value: condition },
    { key: tuple("document:2", "viewer", "group:eng#member"), value: undefined },
    { key: tuple("group:eng", "member", "user:carl"), value: undefined },
  ];
  const encoded = records.map(({ key, value }) =>
    proof.encodeRecord(key, {
      version: 1n,
      expiresAtMs: 0n,
      value: value && proof.commitToValue(hasher, nonce, value),
    }),
  );
  const trie = proof.BuiltTrie.fromRecords(hasher, salt, encoded);
  const lists = ["document:2", "group:eng"].map((partition, i) => ({
    kind: 1,
    partition,
    group: i === 0 ? "viewer" : "member",
  }));
  const gets = [...records.map(({ key }) => key), tuple("document:2", "viewer", "user:carl")];
  const stateProof = proof.encodeStateProof(trie, paths, { gets, lists });
  return {
    stateProof,
    activeModel: withNonce(active),
    modelBody: withNonce(body),
    tupleValues: [withNonce(condition)],
    answer: { kind: "check", allowed: [true, true] },
  };
}

const sent = honest();
const models = new authz.ModelCache();

/** A decision over a state that nobody vouches for: whatever it holds, there is an answer or a refusal. @param {Uint8Array} stateProof */
function replay(stateProof) {
  const state = proof.decodeStateProof(stateProof, { hasher, salt, vaultRef });
  const view = { state, timeMs: 1_000n };
  return authz.replayDecision(view, sent, QUESTION, { hasher, models });
}

/** @type {readonly import("./index.mjs").Target[]} */
export const decisionTargets = [
  {
    name: "decision",
    maxBytes: 8_192,
    seeds: () => [sent.stateProof],
    run: (input) =>
      accepts(() => {
        const { answer, modelVersion } = replay(input);
        must(answer.allowed.length === 2, "each check has an answer");
        must(modelVersion === 0 || modelVersion === 1, "the model is a proven one");
      }),
  },
  {
    name: "decision-file",
    maxBytes: 8_192,
    seeds: () => [utf8(authz.formatDecisionFile({ question: QUESTION, ...sent }))],
    words: ['"', "kind", "list_objects", "list_users", "checks", "cursor", "null", "[]"].map(utf8),
    run: (input) => {
      let text;
      try {
        text = decoder.decode(input);
      } catch {
        return false;
      }
      return accepts(() => {
        const again = authz.formatDecisionFile(authz.parseDecisionFile(text));
        must(
          same(utf8(authz.formatDecisionFile(authz.parseDecisionFile(again)))) ===
            same(utf8(again)),
          "a decision's file is read as it was written",
        );
      });
    },
  },
];
