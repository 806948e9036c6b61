// @ts-check
/** What clients and auditors are sent: proofs, headers, transactions, notes, receipts, anchors. */
import { golden, hex, product, same, utf8 } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const proof = await product("proof");
const { nobleHasher: hasher, nobleVerifier: verifier } = proof;
const { NodeHasher } = await product("io");
const fast = new NodeHasher();
const salt = hex(golden.salt);
const vaultRef = hex(golden.vault_ref);
const context = { hasher: fast, salt, vaultRef };
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of an input; undefined when it is none. @param {Uint8Array} input */
function textOf(input) {
  try {
    return decoder.decode(input);
  } catch {
    return undefined;
  }
}

/** Runs on the input's text. @param {(text: string) => unknown} run */
const onText = (run) => (/** @type {Uint8Array} */ input) => {
  const text = textOf(input);
  return text !== undefined && accepts(() => run(text));
};

const headers = golden.blocks.map((/** @type {any} */ block) => hex(block.header));
const keys = golden.keys;
const policy = {
  epoch: 1,
  log: [keys.log.vkey],
  replicas: keys.replicas.map((/** @type {any} */ key, /** @type {number} */ i) => ({
    id: i + 1,
    vkey: key.vkey,
  })),
  quorum: 2,
  from_size: 1,
};
const anchor = { origin: golden.origin, salt: golden.salt, genesis: golden.blocks[0].block_hash };
/** @param {[number, string, string, string]} key */
const keyOf = ([kind, partition, group, item]) => ({ kind, partition, group, item });
/** @param {[number, string, string?]} list */
const listOf = ([kind, partition, group]) =>
  group === undefined ? { kind, partition } : { kind, partition, group };
const gets = golden.state_proofs.flatMap((/** @type {any} */ each) => each.gets.map(keyOf));
const lists = golden.state_proofs.flatMap((/** @type {any} */ each) => each.lists.map(listOf));
const anchorText = JSON.stringify({ ...anchor, policy });

/** @type {readonly import("./index.mjs").Target[]} */
export const proofTargets = [
  {
    name: "state-proof",
    maxBytes: 8_192,
    seeds: () =>
      [...golden.state_proofs, ...golden.invalid_proofs, ...golden.block_proofs]
        .map((each) => hex(each.lsp1 ?? each.witness ?? ""))
        .filter(({ length }) => length < 8_192),
    run: (input) =>
      accepts(() => {
        const trie = proof.decodeStateProof(input, context);
        proof.verifyStateProof(input, trie.stateRoot, context);
        for (const key of gets) trie.get(key);
        for (const list of lists) trie.list(list);
      }),
  },
  {
    name: "header",
    maxBytes: 300,
    seeds: () => headers,
    run: (input) =>
      accepts(() => {
        const header = proof.decodeHeader(input);
        must(same(proof.encodeHeader(header)) === same(input), "a header has one encoding");
      }),
  },
  {
    name: "transaction",
    maxBytes: 4_096,
    seeds: () =>
      golden.blocks.flatMap((/** @type {any} */ block) =>
        block.transactions.map((/** @type {any} */ each) => hex(each.lvt1)),
      ),
    run: (input) =>
      accepts(() => {
        const transaction = proof.decodeTransaction(input);
        must(
          same(proof.encodeTransaction(transaction)) === same(input),
          "a transaction has one encoding",
        );
        proof.blockQuestions([transaction]);
      }),
  },
  {
    name: "record",
    maxBytes: 1_024,
    seeds: () => [hex(golden.example.record), hex(golden.region_vault.record)],
    run: (input) =>
      accepts(() => {
        const record = proof.decodeRecord(input);
        must(
          same(proof.encodeRecord(record.key, record)) === same(input),
          "a record has one encoding",
        );
      }),
  },
  {
    name: "note",
    maxBytes: 4_096,
    seeds: () =>
      [...golden.checkpoints, ...golden.notes].map((/** @type {any} */ each) => utf8(each.note)),
    words: [utf8("\n"), utf8("— "), utf8("\n\n")],
    run: onText((text) => {
      const checkpoint = proof.parseCheckpoint(text);
      must(
        proof.checkpointBody(checkpoint) === checkpoint.body,
        "the body of a note has one encoding",
      );
      const { policy: rules, origin } = proof.parseTrustAnchor(hasher, anchorText);
      proof.verifyCheckpoint(text, origin, rules, { hasher: fast, verifier });
    }),
  },
  {
    name: "anchor",
    maxBytes: 4_096,
    seeds: () => [utf8(anchorText)],
    run: onText((text) => {
      const parsed = proof.parseTrustAnchor(hasher, text);
      must(proof.formatTrustAnchor(parsed) === text, "an anchor has one encoding");
      proof.trustFromAnchor(parsed);
    }),
  },
  {
    name: "ledger-records",
    maxBytes: 2_048,
    seeds: () => [
      utf8(JSON.stringify(policy)),
      utf8(JSON.stringify({ origin: golden.origin, incarnation: 0 })),
      utf8(JSON.stringify({ max_ops: 1000 })),
    ],
    run: (input) =>
      [
        accepts(() => proof.decodePolicy(hasher, input)),
        accepts(() => proof.decodeDescriptor(input)),
        accepts(() => proof.decodeLimits(input)),
      ].includes(true),
  },
  {
    name: "receipt",
    maxBytes: 16_384,
    seeds: receiptSeeds,
    run: onText((text) => {
      const receipt = proof.parseReceipt(text);
      must(proof.formatReceipt(receipt) === text, "a receipt has one encoding");
      const trust = proof.trustFromAnchor(proof.parseTrustAnchor(hasher, anchorText));
      proof.verifyReceipt(trust, text, { hasher: fast, verifier });
    }),
  },
  {
    name: "transaction-proof",
    maxBytes: 8_192,
    seeds: () => golden.tx_proofs.map((/** @type {any} */ each) => hex(each.ltp)),
    run: (input) =>
      accepts(() => {
        const parsed = proof.decodeTransactionProof(input);
        must(
          same(proof.encodeTransactionProof(parsed)) === same(input),
          "a transaction proof has one encoding",
        );
        for (const header of headers) {
          accepts(() => proof.verifyTransactionProof(fast, header, parsed));
        }
      }),
  },
  {
    name: "block-proof",
    maxBytes: 8_192,
    seeds: () => golden.block_proofs.map((/** @type {any} */ each) => hex(each.witness)),
    run: (input) => {
      let isAccepted = false;
      for (const each of golden.block_proofs) {
        const block = golden.blocks[each.height];
        const before = golden.blocks[each.height - 1];
        isAccepted ||= accepts(() => {
          const after = proof.executeBlock(fast, {
            salt,
            vaultRef,
            version: each.height,
            timestampMs: Number(block.timestamp_ms),
            transactions: block.transactions.map((/** @type {any} */ tx) =>
              proof.decodeTransaction(hex(tx.lvt1)),
            ),
            stateRoot: hex(each.old_state_root),
            configHash: hex(before?.config_hash ?? "00".repeat(32)),
            witness: input,
          });
          must(
            same(after.stateRoot) === same(hex(each.new_state_root)),
            "whatever witness is accepted leads to the same state",
          );
        });
      }
      return isAccepted;
    },
  },
];

function receiptSeeds() {
  const size = BigInt(golden.checkpoints.at(-1).size);
  const note = golden.checkpoints.at(-1).note;
  const height = Number(size) - 1;
  const leaves = headers
    .slice(0, Number(size))
    .map((/** @type {Uint8Array} */ header) => proof.leafHash(fast, header));
  const lookup = proof.lookupOf(fast, leaves);
  const historyProof = proof.inclusionProof(fast, lookup, height, Number(size));
  const insides = golden.state_proofs.filter((/** @type {any} */ each) => each.height === height);
  return insides.map((/** @type {any} */ each) =>
    utf8(
      proof.formatReceipt({
        header: headers[height],
        inside: hex(each.lsp1),
        height,
        historyProof,
        checkpoint: note,
      }),
    ),
  );
}
