/**
 * Judges one block as an auditor does: its transactions, run over the proven records of the state before it, must
 * make exactly the state, the leaf count and the configuration that its header names.
 *
 *   INV-AUDIT-1  Nothing of a block is taken from its header or its sender but the transactions: every root of the
 *                header is computed again and compared.
 *
 * Source: commitment.md, "Stateless re-execution". Not here: that the headers are the signed history
 * (history-follower.ts, light-client.ts).
 */
import { equalBytes, type Hasher, versionAt } from "@authledger/types";
import { blockQuestions, type ExecutedBlock, executeBlock } from "./block-proof.js";
import { decodeHeader } from "./header.js";
import { leafHash, treeRoot } from "./log/merkle-log.js";
import { reject } from "./rejection.js";
import { type CanonicalTransaction, decodeTransaction } from "./transaction.js";
import { PathHasher } from "./trie/path.js";
import { encodeStateProof } from "./trie/state-proof-encode.js";
import { BuiltTrie } from "./trie/trie-build.js";

export interface BlockToVerify {
  readonly origin: string;
  readonly salt: Uint8Array;
  readonly header: Uint8Array;
  /** The header before it; absent for genesis. */
  readonly previous: Uint8Array | undefined;
  /** Canonical bytes in order. */
  readonly transactions: readonly Uint8Array[];
  /** LSP1 over what the block touches, against the state before it; for genesis that is known, and this is ignored. */
  readonly witness: Uint8Array;
}

interface Before {
  readonly stateRoot: Uint8Array;
  readonly configHash: Uint8Array;
  readonly witness: Uint8Array;
}

/**
 * @throws LedgerError PROOF_INVALID whose reason names what is wrong: "transactions", "state-root", "leaf-count",
 *   "config", "twin", "block" and what the witness itself may lack
 */
export function verifyBlock(hasher: Hasher, block: BlockToVerify): ExecutedBlock {
  const { origin, salt } = block;
  const header = decodeHeader(block.header);
  const { height, vaultRef, timestampMs } = header;
  checkTransactionRoot(hasher, block);
  const transactions = block.transactions.map((bytes) => decodeTransaction(bytes));
  const before = stateBefore(hasher, block, transactions, vaultRef);
  const version = versionAt(origin, height);
  const executed = executeBlock(hasher, {
    ...before,
    salt,
    vaultRef,
    version,
    timestampMs,
    transactions,
  });
  const at = { height };
  if (!equalBytes(executed.stateRoot, header.stateRoot)) {
    throw reject("state-root", `block ${height} does not lead to the state of its header`, at);
  }
  if (executed.leafCount !== BigInt(header.leafCount)) {
    const message = `block ${height} leaves ${executed.leafCount} records, its header counts ${header.leafCount}`;
    throw reject("leaf-count", message, at);
  }
  if (!equalBytes(executed.configHash, header.configHash)) {
    throw reject("config", `block ${height} does not lead to the configuration of its header`, at);
  }
  return executed;
}

function checkTransactionRoot(
  hasher: Hasher,
  { header, transactions }: Pick<BlockToVerify, "header" | "transactions">,
): void {
  const { height, transactionCount, transactionRoot } = decodeHeader(header);
  const leaves = transactions.map((bytes) => leafHash(hasher, bytes));
  const isWhole =
    leaves.length > 0 &&
    leaves.length === transactionCount &&
    equalBytes(treeRoot(hasher, leaves), transactionRoot);
  if (isWhole) return;
  throw reject("transactions", `the transactions are not those of block ${height}`, { height });
}

/** Before genesis there is nothing, so nobody needs to prove it. */
function stateBefore(
  hasher: Hasher,
  { previous, witness, salt, header }: BlockToVerify,
  transactions: readonly CanonicalTransaction[],
  vaultRef: Uint8Array,
): Before {
  if (decodeHeader(header).height > 0) {
    if (previous === undefined) throw reject("header", "the header before the block is missing");
    const { stateRoot: root, configHash } = decodeHeader(previous);
    return { stateRoot: root, configHash, witness };
  }
  const empty = new BuiltTrie(hasher, []);
  return {
    stateRoot: empty.root(vaultRef),
    configHash: new Uint8Array(32),
    witness: encodeStateProof(empty, new PathHasher(hasher, salt), blockQuestions(transactions)),
  };
}
