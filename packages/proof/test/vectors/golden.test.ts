/** Every value and every forgery of golden.json. */
import { LedgerError, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import {
  BlockExecutor,
  BuiltTrie,
  blockHash,
  blockQuestions,
  CompactRange,
  checkpointBody,
  commitToValue,
  configHash,
  consistencyProof,
  decodeHeader,
  decodeRecord,
  decodeTransaction,
  decodeTransactionProof,
  deriveLogSeed,
  encodeHeader,
  encodeKey,
  encodeRecord,
  encodeStateProof,
  encodeTransaction,
  encodeTransactionProof,
  executeBlock,
  formatVerifierKey,
  inclusionProof,
  isCurrentRecord,
  isLive,
  Kind,
  keyId,
  leafHash,
  lookupOf,
  nobleHasher,
  nobleVerifier,
  PathHasher,
  type ProvenTrie,
  parseVerifierKey,
  RecordHasher,
  type StoredRecord,
  stateRoot,
  TrieHasher,
  treeRoot,
  twinOf,
  vaultRef,
  verifyAnswer,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
  verifyStateProof,
  verifyTransactionProof,
} from "../../src/index.js";
import { formatReceipt, parseReceipt } from "../../src/receipt.js";
import { BucketTree } from "../../src/trie/bucket-tree.js";
import {
  bytesOf,
  expandRuns,
  type GoldenQuery,
  golden,
  hex,
  type LightClientTrust,
  ledgerKey,
  listQuery,
  transactionOf,
} from "./golden.js";

const hasher = nobleHasher;
const salt = hex(golden.salt);
const reference = hex(golden.vault_ref);
const context = { hasher, salt, vaultRef: reference };
const blockHashes = golden.blocks.map((block) => hex(block.block_hash));
const deps = { hasher, verifier: nobleVerifier };

function policyOf(trust: Pick<LightClientTrust, "log_vkey" | "cosigners" | "quorum">) {
  return {
    epoch: 1,
    logKeys: [parseVerifierKey(hasher, trust.log_vkey)],
    cosigners: trust.cosigners.map(({ id, vkey }) => ({ id, key: parseVerifierKey(hasher, vkey) })),
    quorum: trust.quorum,
    fromSize: 1,
  };
}

describe("single values", () => {
  test("vault_ref binds origin and salt", () => {
    expect(toHex(vaultRef(hasher, golden.origin, salt))).toBe(golden.vault_ref);
  });

  test("the root of the empty state", () => {
    const top = new BucketTree(hasher).top();
    expect(toHex(stateRoot(hasher, reference, 0, top))).toBe(golden.empty_state_root.hex);
  });

  test("one leaf step by step", () => {
    const { example } = golden;
    const key = ledgerKey(example.key);
    expect(toHex(encodeKey(key))).toBe(example.K);
    const path = new PathHasher(hasher, salt).path(key);
    expect(toHex(path)).toBe(example.path);
    expect(path[0]).toBe(example.bucket);
    const record = hex(example.record);
    expect(toHex(encodeRecord(key, decodeRecord(record)))).toBe(example.record);
    const recordHash = new RecordHasher(hasher, salt).hash(record);
    expect(toHex(recordHash)).toBe(example.record_hash);
    expect(toHex(new TrieHasher(hasher).leaf(path, recordHash))).toBe(example.leaf);
    const { nonce, utf8, digest } = example.value;
    const value = commitToValue(hasher, hex(nonce), new TextEncoder().encode(utf8));
    expect(toHex(value.digest)).toBe(digest);
  });

  test("op 0x0a and the kind 0x05 record, as bytes", () => {
    const region = golden.region_vault;
    const transaction = encodeTransaction({
      id: new Uint8Array(16),
      clientId: "",
      sequence: 0,
      actor: "",
      reason: "",
      timestampMs: 0,
      ops: [
        {
          op: "set_vault_head",
          vaultRef: hex(region.op.vault_ref),
          size: BigInt(region.op.size),
          root: hex(region.op.root),
        },
      ],
    });
    expect(toHex(transaction.slice(-region.op_bytes.length / 2))).toBe(region.op_bytes);
    expect(decodeTransaction(transaction).ops[0]!.op).toBe("set_vault_head");
    expect(toHex(vaultRef(hasher, region.origin, hex(region.salt)))).toBe(region.vault_ref);
    const key = ledgerKey(region.key);
    const value = commitToValue(hasher, hex(region.nonce), hex(region.value));
    const record = encodeRecord(key, { version: BigInt(region.version), expiresAtMs: 0n, value });
    expect(toHex(record)).toBe(region.record);
    expect(toHex(new PathHasher(hasher, hex(region.salt)).path(key))).toBe(region.path);
  });

  test("the log key follows from the log seed; verifier keys are read and written", () => {
    const { keys } = golden;
    const seed = deriveLogSeed(hex(keys.log_master_seed), golden.origin, keys.epoch);
    expect(toHex(seed)).toBe(keys.log.seed);
    const all = [keys.log, ...keys.replicas, keys.second_key_of_replica_1, keys.stranger];
    for (const { vkey } of all) {
      expect(formatVerifierKey(parseVerifierKey(hasher, vkey))).toBe(vkey);
    }
  });
});

describe("blocks", () => {
  const state = new Map<string, { key: ReturnType<typeof ledgerKey>; record: StoredRecord }>();
  const history = new CompactRange(hasher);
  let config = new Uint8Array(32) as Uint8Array;

  for (const block of golden.blocks) {
    test(`${block.what}: transactions, results, roots and header`, () => {
      const transactions = block.transactions.map(transactionOf);
      transactions.forEach((transaction, i) => {
        const bytes = encodeTransaction(transaction);
        expect(toHex(bytes)).toBe(block.transactions[i]!.lvt1);
        expect(decodeTransaction(bytes)).toEqual(transaction);
        expect(toHex(leafHash(hasher, bytes))).toBe(block.transactions[i]!.leaf_hash);
      });
      const source = { get: (key: Parameters<typeof keyId>[0]) => state.get(keyId(key))?.record };
      const executor = new BlockExecutor(source, block.height, block.timestamp_ms);
      for (const transaction of transactions) {
        expect(executor.run(transaction).kind).toBe("accepted");
      }
      for (const rejected of block.rejected) {
        expect(executor.run(transactionOf(rejected)).kind).toBe("rejected");
      }
      for (const { key, after } of executor.netChanges()) {
        if (after === undefined) state.delete(keyId(key));
        else state.set(keyId(key), { key, record: after });
      }
      const records = [...state.values()].map(({ key, record }) => encodeRecord(key, record));
      expect(records.map(toHex).sort()).toEqual([...block.records].sort());
      const trie = BuiltTrie.fromRecords(hasher, salt, records);
      expect(toHex(trie.root(reference))).toBe(block.state_root);
      const own = trie.leaves.filter(({ record }) => {
        const { key } = decodeRecord(record);
        return key.kind === Kind.ledgerRecord && key.partition === "ledger";
      });
      config = configHash(
        hasher,
        own.map(({ recordHash }) => recordHash),
      );
      expect(toHex(config)).toBe(block.config_hash);
      const header = encodeHeader({
        bothDirections: true,
        vaultRef: reference,
        height: block.height,
        timestampMs: block.timestamp_ms,
        term: block.raft_term,
        index: block.raft_index,
        transactionCount: transactions.length,
        transactionRoot: treeRoot(
          hasher,
          transactions.map((transaction) => leafHash(hasher, encodeTransaction(transaction))),
        ),
        previousHash: blockHashes[block.height - 1] ?? new Uint8Array(32),
        historyRoot: history.root(),
        stateRoot: trie.root(reference),
        leafCount: trie.total,
        configHash: config,
      });
      expect(toHex(header)).toBe(block.header);
      expect(encodeHeader(decodeHeader(header))).toEqual(header);
      expect(toHex(blockHash(hasher, header))).toBe(block.block_hash);
      history.append(blockHash(hasher, header));
    });
  }
});

describe("history", () => {
  const node = lookupOf(hasher, blockHashes);

  for (const { what, from, to, from_root, to_root, proof } of golden.consistency) {
    test(what, () => {
      const claim = {
        fromSize: BigInt(from),
        fromRoot: hex(from_root),
        toSize: BigInt(to),
        toRoot: hex(to_root),
        proof: proof.map(hex),
      };
      expect(consistencyProof(hasher, node, from, to).map(toHex)).toEqual(proof);
      expect(verifyConsistency(hasher, claim)).toBe(true);
      expect(verifyConsistency(hasher, { ...claim, proof: [...claim.proof, claim.toRoot] })).toBe(
        false,
      );
    });
  }

  for (const { what, index, size, proof } of golden.inclusion) {
    test(what, () => {
      expect(inclusionProof(hasher, node, index, size).map(toHex)).toEqual(proof);
      const claim = {
        leafHash: blockHashes[index]!,
        index: BigInt(index),
        size: BigInt(size),
        root: treeRoot(hasher, blockHashes.slice(0, size)),
        proof: proof.map(hex),
      };
      expect(verifyInclusion(hasher, claim)).toBe(true);
      expect(verifyInclusion(hasher, { ...claim, proof: claim.proof.slice(1) })).toBe(false);
    });
  }

  test("a wrong size can be satisfied: the size must come from a signed body", () => {
    const { index, size, also, root, proof } = golden.inclusion_wrong_size;
    for (const claimed of [size, ...also]) {
      const claim = {
        leafHash: blockHashes[index]!,
        index: BigInt(index),
        size: BigInt(claimed),
        root: hex(root),
        proof: proof.map(hex),
      };
      expect(verifyInclusion(hasher, claim)).toBe(true);
    }
  });

  for (const { what, height, valid, ltp } of golden.tx_proofs) {
    test(what, () => {
      const proof = decodeTransactionProof(hex(ltp));
      expect(toHex(encodeTransactionProof(proof))).toBe(ltp);
      const header = hex(golden.blocks[height]!.header);
      if (valid) verifyTransactionProof(hasher, header, proof);
      else {
        expect(thrownBy(() => verifyTransactionProof(hasher, header, proof)).details).toMatchObject(
          { reason: "inclusion" },
        );
      }
    });
  }
});

describe("state proofs", () => {
  for (const { what, height, gets, lists, state_root, lsp1, queries } of golden.state_proofs) {
    test(what, () => {
      const records = height === null ? [] : golden.blocks[height]!.records.map(hex);
      const trie = BuiltTrie.fromRecords(hasher, salt, records);
      const questions = { gets: gets.map(ledgerKey), lists: lists.map(listQuery) };
      const encoded = encodeStateProof(trie, new PathHasher(hasher, salt), questions);
      expect(toHex(encoded)).toBe(lsp1);
      const proven = verifyStateProof(encoded, hex(state_root), context);
      for (const query of queries) expectAnswer(proven, query, query.T);
    });
  }

  for (const crafted of golden.valid_crafted_proofs) {
    test(crafted.what, () => {
      verifyStateProof(bytesOf(crafted), hex(crafted.state_root), context);
    });
  }

  for (const invalid of golden.invalid_proofs) {
    test(`refused: ${invalid.what}`, () => {
      const error = thrownBy(() =>
        verifyStateProof(bytesOf(invalid), hex(invalid.state_root), context),
      );
      expect(error.code).toBe("PROOF_INVALID");
      expect(error.details["reason"]).toBe(invalid.reason);
    });
  }

  for (const forged of golden.one_directional) {
    test(forged.what, () => {
      if (forged.hit === undefined) {
        expectRightExecution(forged as unknown as ForgedBlock);
        return;
      }
      const proven = verifyStateProof(hex(forged.lsp1), hex(forged.state_root), context);
      const hit = decodeRecord(hex(forged.hit)).key;
      const present = proven.get(hit);
      const twin = proven.get(twinOf(hit));
      const isEqual =
        present.kind === "present" &&
        twin.kind === "present" &&
        present.record.version === twin.record.version &&
        present.record.expiresAtMs === twin.record.expiresAtMs;
      expect(isEqual).toBe(false);
    });
  }

  test("an entity under a non-canonical key is refused", () => {
    const { lsp1, state_root, reason } = golden.non_canonical_entity;
    const error = thrownBy(() => verifyStateProof(hex(lsp1), hex(state_root), context));
    expect(error.details["reason"]).toBe(reason);
  });
});

interface ForgedBlock {
  height: number;
  timestamp_ms: number;
  lvt1: string;
  witness: string;
  old_state_root: string;
  forged_state_root: string;
  right_state_root: string;
  right_leaves: number;
}

function expectRightExecution(forged: ForgedBlock): void {
  const executed = executeBlock(hasher, {
    salt,
    vaultRef: reference,
    version: forged.height,
    timestampMs: forged.timestamp_ms,
    transactions: [decodeTransaction(hex(forged.lvt1))],
    stateRoot: hex(forged.old_state_root),
    configHash: hex(golden.blocks[forged.height - 1]!.config_hash),
    witness: hex(forged.witness),
  });
  expect(toHex(executed.stateRoot)).toBe(forged.right_state_root);
  expect(toHex(executed.stateRoot)).not.toBe(forged.forged_state_root);
  expect(executed.leafCount).toBe(BigInt(forged.right_leaves));
}

function expectAnswer(proven: ProvenTrie, query: GoldenQuery, time: number | undefined): void {
  const live = (record: StoredRecord): boolean => time === undefined || isLive(record, time);
  if (query.op === "get") {
    const answer = proven.get(ledgerKey(query.key));
    const kind = answer.kind === "present" && !live(answer.record) ? "absent" : answer.kind;
    expect(kind).toBe(query.expect.answer);
    if (kind === "present" && answer.kind === "present") {
      expect(toHex(answer.bytes)).toBe(query.expect.record);
    }
    return;
  }
  const answer = proven.list(listQuery(query.list));
  expect(answer.kind).toBe(query.expect.answer);
  if (answer.kind !== "complete") return;
  const records = answer.records.filter(({ record }) => live(record));
  expect(records.map(({ bytes }) => toHex(bytes))).toEqual(query.expect.records);
}

describe("block proofs", () => {
  for (const proof of golden.block_proofs) {
    test(`${proof.what}: re-executed without a database`, () => {
      const block = golden.blocks[proof.height]!;
      const before = golden.blocks[proof.height - 1]!;
      const transactions = block.transactions.map(transactionOf);
      const trie = BuiltTrie.fromRecords(hasher, salt, before.records.map(hex));
      const questions = blockQuestions(transactions);
      const witness = encodeStateProof(trie, new PathHasher(hasher, salt), questions);
      expect(toHex(witness)).toBe(proof.witness);
      const executed = executeBlock(hasher, {
        salt,
        vaultRef: reference,
        version: block.height,
        timestampMs: block.timestamp_ms,
        transactions,
        stateRoot: hex(proof.old_state_root),
        configHash: hex(before.config_hash),
        witness,
      });
      expect(toHex(executed.stateRoot)).toBe(proof.new_state_root);
      expect(executed.leafCount).toBe(BigInt(proof.new_leaves));
      expect(toHex(executed.configHash)).toBe(proof.new_config_hash);
      const changes = executed.changes.map(({ path, record }) => ({
        path: toHex(path),
        record: record === undefined ? null : toHex(record),
      }));
      // The golden list also names keys that were created and removed in the block; they leave nothing.
      const known = new Set(trie.leaves.map(({ path }) => toHex(path)));
      expect(changes).toEqual(
        proof.net_changes.filter(({ path, record }) => record !== null || known.has(path)),
      );
    });
  }
});

describe("notes", () => {
  const { base_trust } = golden.light_client;

  for (const { what, expect: expected, note, note_runs } of golden.notes) {
    test(`${expected}: ${what}`, () => {
      const text = note ?? expandRuns(note_runs ?? []);
      const verify = () => verifyCheckpoint(text, golden.origin, policyOf(base_trust), deps);
      if (expected === "ok") expect(verify().times.length).toBeGreaterThanOrEqual(2);
      else expect(thrownBy(verify).code).toBe("PROOF_INVALID");
    });
  }

  for (const { what, size, note } of golden.checkpoints) {
    test(what, () => {
      const checkpoint = verifyCheckpoint(note, golden.origin, policyOf(base_trust), deps);
      expect(checkpoint.size).toBe(BigInt(size));
      expect(checkpointBody(checkpoint)).toBe(checkpoint.body);
      expect(toHex(checkpoint.root)).toBe(toHex(treeRoot(hasher, blockHashes.slice(0, size))));
    });
  }
});

/** The error code behind a reason of the golden file. */
function codeOf(reason: string): string {
  if (reason === "fork") return "EQUIVOCATION";
  return reason === "stale" || reason === "not-current" ? "PROOF_STALE" : "PROOF_INVALID";
}

describe("light client", () => {
  for (const { what, trust, answer, expect: expected } of golden.light_client.cases) {
    test(what, () => {
      const all = { ...golden.light_client.base_trust, ...trust };
      const state = {
        origin: all.origin,
        salt: hex(all.salt),
        policy: policyOf(all),
        head: { size: BigInt(all.stored.size), root: hex(all.stored.root), note: "stored" },
        configHash: hex(all.config_hash),
      };
      const wanted = {
        want: answer.want,
        nowMs: answer.now_s * 1000,
        maxAgeS: all.max_age_s,
        maxSkewS: all.max_skew_s,
      };
      const run = () =>
        verifyAnswer(
          state,
          {
            checkpoint: answer.checkpoint,
            header: hex(answer.header),
            historyProof: answer.inclusion.map(hex),
            consistencyProof: answer.consistency.map(hex),
            stateProof: hex(answer.lsp1),
          },
          wanted,
          deps,
        );
      if (expected.reject !== undefined) {
        const error = thrownBy(run);
        expect(error.details["reason"]).toBe(expected.reject);
        expect(error.code).toBe(codeOf(expected.reject));
        return;
      }
      const verified = run();
      expect(verified.kind).toBe(expected.result);
      expect(verified.height).toBe(expected.height);
      expect(verified.timeMs).toBe(BigInt(expected.T));
      const got = verified.state!.get(ledgerKey(answer.query.key));
      const kind =
        got.kind === "present" && !isCurrentRecord(got.record, verified) ? "absent" : got.kind;
      expect(kind).toBe(expected.answer);
    });
  }

  test("a receipt carries an answer as text and comes back", () => {
    const { answer } = golden.light_client.cases[0]!;
    const receipt = {
      height: 7n,
      historyProof: answer.inclusion.map(hex),
      checkpoint: answer.checkpoint,
      header: hex(answer.header),
      inside: hex(answer.lsp1),
    };
    expect(parseReceipt(formatReceipt(receipt))).toEqual(receipt);
    const broken = formatReceipt(receipt).replace("index 7", "index 07");
    expect(() => parseReceipt(broken)).toThrow(LedgerError);
  });
});
