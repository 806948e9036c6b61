/**
 * Receipts that outlive the server: c2sp.org/tlog-proof@v1 with the header as leaf, and inside `extra` what
 * the header commits to, "LVR1" (commitment.md, "Receipts"). The inside is unauthenticated by itself: a
 * verifier derives it again from the header that the log part proves. Here are only the texts and the proof of
 * a transaction; `verifyReceipt` (verify.ts) judges a whole receipt.
 *
 *     c2sp.org/tlog-proof@v1\nextra <base64>\nindex <height>\n<base64 hash>\n...\n\n<checkpoint>
 *     LVR1     = "LVR1" || lp32(header) || lp32(LSP1, tx proof, or nothing: the block itself)
 *     tx proof = u32 index || u32 tx_count || u8 n || n x hash32 || lp32(LVT1)
 */
import { ByteReader, ByteWriter, type Hasher, LedgerError, limits } from "@authledger/types";
import { fromBase64, toBase64 } from "./base64.js";
import { type BlockHeader, decodeHeader } from "./header.js";
import { leafHash, verifyInclusion } from "./log/merkle-log.js";
import { type RejectReason, reject } from "./rejection.js";
import { type CanonicalTransaction, decodeTransaction } from "./transaction.js";

const FIRST_LINE = "c2sp.org/tlog-proof@v1";
const MAGIC = "LVR1";
/** An inclusion proof in a tree of 2^63 leaves. */
const HASHES_MAX = 63;
/** Heights are below the largest size of a checkpoint, 2^63 - 1. */
const INDEX_MAX = 2n ** 63n - 2n;
/** The longest state proof in base64, and room for hashes and a checkpoint: 22.5 MiB. */
const RECEIPT_CHARACTERS_MAX: number = Math.ceil(limits.PROOF_BYTES_MAX / 3) * 4 + 128 * 1024;

export interface Receipt {
  readonly height: bigint;
  readonly historyProof: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly header: Uint8Array;
  /** LSP1 or a transaction proof, told apart by its first bytes; empty for the block itself. */
  readonly inside: Uint8Array;
}

export function formatReceipt(receipt: Receipt): string {
  const extra = new ByteWriter(512).utf8(MAGIC).lp32(receipt.header).lp32(receipt.inside).finish();
  const hashes = receipt.historyProof.map((hash) => `${toBase64(hash)}\n`).join("");
  return `${FIRST_LINE}\nextra ${toBase64(extra)}\nindex ${receipt.height}\n${hashes}\n${receipt.checkpoint}`;
}

/** @throws LedgerError PROOF_INVALID with reason "receipt" */
export function parseReceipt(text: string): Receipt {
  if (text.length > RECEIPT_CHARACTERS_MAX) {
    throw reject("receipt", `a receipt of ${text.length} characters`);
  }
  const end = text.indexOf("\n\n");
  if (end < 0) throw reject("receipt", "no empty line parts proof and checkpoint");
  const [first, extraLine, indexLine, ...hashes] = text.slice(0, end).split("\n");
  const extra = extraLine?.startsWith("extra ") ? fromBase64(extraLine.slice(6)) : undefined;
  const index = /^index (0|[1-9][0-9]{0,18})$/.exec(indexLine ?? "");
  if (first !== FIRST_LINE || extra === undefined || index === null || hashes.length > HASHES_MAX) {
    throw reject("receipt", "the first lines of a receipt are wrong");
  }
  const historyProof = hashes.map((hash) => {
    const bytes = fromBase64(hash);
    if (bytes?.length !== 32) throw reject("receipt", "a hash is not 32 bytes of base64");
    return bytes;
  });
  const height = BigInt(index[1]!);
  if (height > INDEX_MAX) throw reject("receipt", `the index ${height} is over 2^63 - 2`);
  const { header, inside } = readExtra(extra);
  return {
    height,
    historyProof,
    checkpoint: text.slice(end + 2),
    header,
    inside,
  };
}

function readExtra(extra: Uint8Array): { header: Uint8Array; inside: Uint8Array } {
  return asRejection("receipt", () => {
    const input = new ByteReader(extra, "receipt");
    if (String.fromCharCode(...input.bytes(4, "magic")) !== MAGIC) {
      throw reject("receipt", "the inside of a receipt begins with LVR1");
    }
    const header = input.lp32("header");
    const inside = input.lp32("proof");
    input.end();
    return { header, inside };
  });
}

/** Shows that a transaction is in a block. */
export interface TransactionProof {
  readonly index: number;
  readonly count: number;
  readonly path: readonly Uint8Array[];
  readonly transaction: Uint8Array;
}

export function encodeTransactionProof(proof: TransactionProof): Uint8Array {
  const out = new ByteWriter(512).u32(proof.index).u32(proof.count).u8(proof.path.length);
  for (const hash of proof.path) out.bytes(hash);
  return out.lp32(proof.transaction).finish();
}

/** @throws LedgerError PROOF_INVALID with reason "transaction" */
export function decodeTransactionProof(bytes: Uint8Array): TransactionProof {
  return asRejection("transaction", () => {
    const input = new ByteReader(bytes, "transaction proof");
    const index = input.u32("index");
    const count = input.u32("tx_count");
    const length = input.u8("hashes");
    const path = Array.from({ length }, () => input.bytes(32, "hash"));
    const transaction = input.lp32("transaction");
    input.end();
    return { index, count, path, transaction };
  });
}

/** The transaction, when it is in the block: the tree's size is the header's, never the proof's. */
export function verifyTransactionProof(
  hasher: Hasher,
  header: BlockHeader | Uint8Array,
  proof: TransactionProof,
): CanonicalTransaction {
  const { transactionCount, transactionRoot } =
    header instanceof Uint8Array ? decodeHeader(header) : header;
  const isIncluded =
    proof.count === transactionCount &&
    verifyInclusion(hasher, {
      leafHash: leafHash(hasher, proof.transaction),
      index: BigInt(proof.index),
      size: BigInt(transactionCount),
      root: transactionRoot,
      proof: proof.path,
    });
  if (!isIncluded) throw reject("inclusion", "the transaction is not proven to be in the block");
  return decodeTransaction(proof.transaction);
}

function asRejection<T>(reason: RejectReason, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof LedgerError && error.code === "CODEC_DECODE") {
      throw reject(reason, error.message);
    }
    throw error;
  }
}
