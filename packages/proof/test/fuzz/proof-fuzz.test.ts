/**
 * Mutated proofs, headers, notes and receipts: none is accepted with another answer, none breaks anything but
 * a typed error. A fixed share runs in CI; RUNS=100 makes a campaign of it.
 */
import type { SeededRandom } from "@authledger/io";
import { LedgerError, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import {
  decodeHeader,
  decodeTransaction,
  decodeTransactionProof,
  nobleHasher,
  nobleVerifier,
  type ProvenTrie,
  parseReceipt,
  parseTrustAnchor,
  parseVerifierKey,
  verifyCheckpoint,
  verifyStateProof,
} from "../../src/index.js";
import { golden, hex, ledgerKey, listQuery } from "../vectors/golden.js";

const context = { hasher: nobleHasher, salt: hex(golden.salt), vaultRef: hex(golden.vault_ref) };

/** Flips, cuts, doubles, moves and overwrites bytes. */
function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const out = [...bytes];
  for (let times = 1 + random.int(3); times > 0; times--) {
    const at = random.int(out.length + 1);
    const length = random.int(40);
    switch (random.int(6)) {
      case 0:
        if (out.length > 0) out[at % out.length]! ^= 1 << random.int(8);
        break;
      case 1:
        out.splice(at, length);
        break;
      case 2:
        out.splice(at, 0, ...out.slice(at, at + length));
        break;
      case 3:
        out.splice(at, 0, ...out.splice(random.int(out.length + 1), length));
        break;
      case 4:
        out.length = at;
        break;
      default:
        out[at] = random.int(256);
    }
  }
  return Uint8Array.from(out);
}

/** Everything that a trie answers to a proof's own questions. */
function answers(trie: ProvenTrie, proof: (typeof golden.state_proofs)[number]): string {
  const gets = proof.gets.map((key) => {
    const answer = trie.get(ledgerKey(key));
    return answer.kind === "present" ? toHex(answer.bytes) : answer.kind;
  });
  const lists = proof.lists.map((list) => {
    const answer = trie.list(listQuery(list));
    return answer.kind === "complete"
      ? answer.records.map(({ bytes }) => toHex(bytes)).join()
      : answer.kind;
  });
  return [...gets, ...lists].join("|");
}

/** What `run` gives, or nothing when it refuses with a typed error. */
function accepted<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

describe("mutations", () => {
  test("no mutated state proof is accepted with another answer", () => {
    const random = testRandom("state proof fuzz");
    let refused = 0;
    for (let i = 0; i < testRounds(15_000); i++) {
      const proof = random.pick(golden.state_proofs);
      const original = hex(proof.lsp1);
      const root = hex(proof.state_root);
      const mutated = mutate(original, random);
      const trie = accepted(() => verifyStateProof(mutated, root, context));
      if (trie === undefined) refused++;
      else
        expect(answers(trie, proof)).toBe(
          answers(verifyStateProof(original, root, context), proof),
        );
    }
    expect(refused).toBeGreaterThan(0);
  }, 60_000);

  test("no mutated note is accepted with another size or root", () => {
    const random = testRandom("note fuzz");
    const trust = golden.light_client.base_trust;
    const policy = {
      epoch: 1,
      logKeys: [parseVerifierKey(nobleHasher, trust.log_vkey)],
      cosigners: trust.cosigners.map(({ id, vkey }) => ({
        id,
        key: parseVerifierKey(nobleHasher, vkey),
      })),
      quorum: trust.quorum,
      fromSize: 1,
    };
    const deps = { hasher: nobleHasher, verifier: nobleVerifier };
    for (let i = 0; i < testRounds(400); i++) {
      const { note, size } = random.pick(golden.checkpoints);
      const bytes = mutate(new TextEncoder().encode(note), random);
      const text = new TextDecoder().decode(bytes);
      const checkpoint = accepted(() => verifyCheckpoint(text, golden.origin, policy, deps));
      if (checkpoint === undefined) continue;
      expect(checkpoint.size).toBe(BigInt(size));
      expect(text.startsWith(note.slice(0, note.indexOf("\n\n")))).toBe(true);
    }
  }, 60_000);

  test("headers, transactions, transaction proofs, receipts, keys and anchors fail with typed errors only", () => {
    const random = testRandom("decoder fuzz");
    const decoders: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
      [hex(golden.blocks[3]!.header), decodeHeader],
      [hex(golden.blocks[3]!.transactions[0]!.lvt1), decodeTransaction],
      [hex(golden.tx_proofs[0]!.ltp), decodeTransactionProof],
      [new TextEncoder().encode(golden.checkpoints[0]!.note), (b) => parseReceipt(text(b))],
      [
        new TextEncoder().encode(golden.keys.log.vkey),
        (b) => parseVerifierKey(nobleHasher, text(b)),
      ],
      [new TextEncoder().encode("{}"), (b) => parseTrustAnchor(nobleHasher, text(b))],
    ];
    for (let i = 0; i < testRounds(20_000); i++) {
      const [bytes, decode] = random.pick(decoders);
      accepted(() => decode(mutate(bytes, random)));
    }
  }, 60_000);
});

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
