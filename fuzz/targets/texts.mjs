// @ts-check
/** What people and files give: tuples, keys, slugs, NDJSON, proof files, pinned roots, log entries. */
import { golden, hex, product, same, utf8 } from "../lib/product.mjs";
import { accepts, acceptsAsync, must } from "../lib/refusal.mjs";

const types = await product("types");
const ndjson = await product("cli", "importers/ndjson/ndjson-line.js");
const splitter = await product("cli", "importers/ndjson/line-splitter.js");
const proofFile = await product("cli", "commands/proof-file.js");
const csv = await product("cli", "importers/csv/csv-source.js");
const auditHead = await product("cli", "audit/audit-head.js");
const contexts = await product("cli", "contexts/context-file.js");
const trustRecord = await product("sdk", "verify/trust-record.js");
const entry = await product("state", "entry.js");
const { nobleHasher } = await product("proof");
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Runs on the input's text. @param {(text: string) => unknown} run */
const onText = (run) => (/** @type {Uint8Array} */ input) => {
  let text;
  try {
    text = decoder.decode(input);
  } catch {
    return false;
  }
  return accepts(() => run(text));
};

const line = {
  resource: "document:budget",
  relation: "viewer",
  subject: "user:alice",
  expires_at: "2030-01-01T00:00:00Z",
};

/** @type {readonly import("./index.mjs").Target[]} */
export const textTargets = [
  {
    name: "tuple",
    maxBytes: 1_024,
    seeds: () =>
      ["document:a#viewer@user:b", "document:a#viewer@group:b#member", "d:a#r@user:*"].map(utf8),
    words: ["#", "@", ":", "*", "\u00a0", "\ufeff"].map(utf8),
    run: onText((text) => {
      const tuple = types.parseTuple(text);
      must(types.formatTuple(tuple) === text, "a tuple has one text");
      types.validateTuple(tuple);
    }),
  },
  {
    name: "names",
    maxBytes: 1_024,
    seeds: () =>
      ["config:limits", "acme-1", "18446744073709551615", "ledger.example/acme"].map(utf8),
    run: onText((text) => {
      accepts(() => types.validateName(text, "name"));
      accepts(() => types.parseSlug(text, "organization"));
      accepts(() => types.validateOrigin(text));
      types.validateEntityKey(text);
      const { partition, item } = types.splitEntityKey(text);
      must(partition + item === text, "an entity key is its two parts");
    }),
  },
  {
    name: "ndjson-line",
    maxBytes: 4_096,
    seeds: () =>
      [
        line,
        { op: "delete", resource: "d:a", relation: "r", subject: "user:*" },
        { key: "a:b", value: "text", expires_at_ms: 5 },
        { key: "a", value_base64: "AAEC" },
      ].map((each) => utf8(JSON.stringify(each))),
    words: ['"', "\\u0000", ":", ",", "{", "}", '"op"', '"key"', '"value_base64"'].map(utf8),
    run: (input) => {
      // Never throws, whatever the line holds.
      const result = ndjson.parseNdjsonLine(input);
      if (result.kind !== "operation") return false;
      const { operation } = result;
      if ("tuple" in operation) types.validateTuple(operation.tuple);
      else types.validateEntityKey(operation.key);
      return true;
    },
  },
  {
    name: "ndjson-lines",
    maxBytes: 8_192,
    seeds: () => [utf8("a\nb\r\n\nc"), utf8(`${JSON.stringify(line)}\n`.repeat(3))],
    words: [utf8("\n"), utf8("\r\n")],
    run: async (input) => {
      // The first byte says how the bytes arrive in pieces: the lines are the same.
      const step = 1 + (input[0] ?? 0);
      const pieces = [];
      for (let at = 1; at < input.length; at += step) pieces.push(input.slice(at, at + step));
      const whole = await linesOf([input.slice(1)]);
      must(
        JSON.stringify(await linesOf(pieces)) === JSON.stringify(whole),
        "lines do not depend on how the bytes arrive",
      );
      return true;
    },
  },
  {
    name: "csv",
    maxBytes: 4_096,
    seeds: () =>
      [
        "resource,relation,subject\nd:a,viewer,user:b\n",
        'op,key,value,expires_at_ms\r\nwrite,a:b,"x,""y""\n",5\r\ndelete,a,,\r\n',
        "\ufefftuple,expires_at\n\n,\nd:a#r@user:*,2030-01-01T00:00:00Z,more\n",
      ].map((text) => utf8(`\u0007${text}`)),
    words: ['"', ",", "\n", "\r\n", '""', "key_base64", "value_base64", "resource"].map(utf8),
    run: (input) =>
      acceptsAsync(async () => {
        // The first byte says how the bytes arrive in pieces: the items are the same.
        const step = 1 + (input[0] ?? 0);
        const pieces = [];
        for (let at = 1; at < input.length; at += step) pieces.push(input.slice(at, at + step));
        const items = await itemsOf([input.slice(1)]);
        must(
          textOfItems(await itemsOf(pieces)) === textOfItems(items),
          "items do not depend on how the bytes arrive",
        );
      }),
  },
  {
    name: "audit-head",
    maxBytes: 8_192,
    seeds: () => [utf8(auditHeadText())],
    run: onText((text) => {
      const saved = auditHead.parseAuditHead(text);
      must(
        typeof saved.anchor === "string" && saved.position.size >= 0,
        "fields are of their kind",
      );
      const again = auditHead.formatAuditHead(saved);
      must(
        auditHead.formatAuditHead(auditHead.parseAuditHead(again)) === again,
        "a saved head is read as it was written",
      );
    }),
  },
  {
    name: "proof-file",
    maxBytes: 8_192,
    seeds: () => [utf8(JSON.stringify(proofFields()))],
    run: onText((text) => proofFile.parseProofFile(text)),
  },
  {
    name: "pinned-root",
    maxBytes: 4_096,
    seeds: () => [utf8(pinnedText())],
    run: onText((text) => {
      const pinned = trustRecord.parsePinned(nobleHasher, text);
      const again = trustRecord.formatPinned(pinned);
      must(
        trustRecord.formatPinned(trustRecord.parsePinned(nobleHasher, again)) === again,
        "a pinned root is read as it was written",
      );
    }),
  },
  {
    name: "contexts",
    maxBytes: 2_048,
    seeds: () => [
      utf8(
        contexts.formatContextFile({
          current: "dev",
          previous: undefined,
          contexts: new Map([["dev", { endpoint: "127.0.0.1:7400", organization: "7" }]]),
        }),
      ),
    ],
    words: ['"', "\\u", "{", "}", ",", "\n"].map(utf8),
    run: onText((text) => {
      const parsed = contexts.parseContextFile(text, "contexts.json");
      const again = contexts.formatContextFile(parsed);
      must(
        contexts.formatContextFile(contexts.parseContextFile(again, "contexts.json")) === again,
        "contexts are read as they were written",
      );
    }),
  },
  {
    name: "log-entry",
    maxBytes: 4_096,
    seeds: entrySeeds,
    run: (input) =>
      accepts(() => {
        const decoded = entry.decodeEntry(input);
        must(same(entry.encodeEntry(decoded)) === same(input), "an entry has one encoding");
      }),
  },
];

/** @param {readonly Uint8Array[]} pieces */
async function linesOf(pieces) {
  const lines = [];
  for await (const some of splitter.splitLines(toAsync(pieces), 1_024)) lines.push(...some);
  return lines;
}

/** @param {readonly Uint8Array[]} pieces */
async function* toAsync(pieces) {
  yield* pieces;
}

/** @param {readonly Uint8Array[]} pieces */
async function itemsOf(pieces) {
  const items = [];
  for await (const some of csv.csvSource(toAsync(pieces)).items()) items.push(...some);
  return items;
}

/** @param {readonly any[]} items */
function textOfItems(items) {
  return JSON.stringify(items, (_, value) => (typeof value === "bigint" ? String(value) : value));
}

function auditHeadText() {
  const head = golden.checkpoints.at(-1);
  return auditHead.formatAuditHead({
    anchor: pinnedText(),
    origin: golden.origin,
    position: {
      size: 8,
      range: [new Uint8Array(32).fill(1)],
      header: hex(golden.blocks[7].header),
    },
    head: { size: BigInt(head.size), root: new Uint8Array(32), note: head.note },
    policies: [{ receipt: head.note, policyValue: new Uint8Array(40).fill(2) }],
    savedAtMs: 1_700_000_000_000,
  });
}

function proofFields() {
  const head = golden.checkpoints.at(-1);
  const state = golden.state_proofs[0];
  return {
    organization: "7",
    vault: "9",
    origin: golden.origin,
    salt: golden.salt,
    question: { kind: "tuple", tuple: "document:budget#viewer@user:alice" },
    answer: "present",
    height: "7",
    header: golden.blocks[7].header,
    state_proof: state.lsp1,
    history_proof: golden.inclusion[0].proof,
    checkpoint: head.note,
    consistency_proof: golden.consistency[0].proof,
    value: "00ff",
    nonce: "00".repeat(16),
  };
}

function pinnedText() {
  const { origin, salt, block_hash_0, log_vkey, cosigners } = golden.light_client.base_trust;
  const policy = { epoch: 1, log: [log_vkey], replicas: cosigners, quorum: 2, from_size: 1 };
  const anchor = JSON.stringify({ origin, salt, genesis: block_hash_0, policy });
  const head = { size: "8", root: "11".repeat(32), note: golden.checkpoints.at(-1).note };
  return JSON.stringify({ version: 1, anchor, head, config_hash: null });
}

function entrySeeds() {
  const canonical = hex(golden.blocks[1].transactions[0].lvt1);
  const values = [{ nonce: new Uint8Array(16).fill(3), value: utf8("value") }];
  const transaction = { canonical, values };
  const salt = new Uint8Array(32).fill(5);
  const items = [
    {
      kind: "transaction",
      vault: 1,
      idempotencyKey: "k",
      payloadHash: new Uint8Array(32),
      transaction,
    },
    {
      kind: "create_vault",
      organization: 7n,
      slug: 9n,
      salt,
      registration: transaction,
      genesis: transaction,
    },
    {
      kind: "init",
      clusterId: "00".repeat(16),
      clusterOrigin: "l.example",
      salt,
      genesis: transaction,
    },
  ];
  return items.map((item) => entry.encodeEntry({ timeMs: 1_700_000_000_000, items: [item] }));
}
