/** What the proof of a write shows: that the transaction is in a block, and which state that block led to. */
import type { TransactionOutcome } from "@authledger/engine";
import { NodeHasher } from "@authledger/io";
import { decodeHeader, decodeTransaction, leafHash, verifyInclusion } from "@authledger/proof";
import { equalBytes, toHex } from "@authledger/types";

type Applied = Extract<TransactionOutcome, { kind: "applied" }>;

const hasher = new NodeHasher();

/**
 * Whether the proof of a write is one of it; `reason` is what it said. The root is for whoever knows those of the log.
 * Undefined where there is none: the block's transactions are not kept any more.
 */
export function judgeInclusion(
  { height, transactionId, inclusion }: Applied,
  reason: string,
): { readonly proof: boolean; readonly root: string } | undefined {
  if (inclusion === undefined) return undefined;
  const { index, path, transaction } = inclusion;
  const header = decodeHeader(inclusion.header);
  const isIncluded = verifyInclusion(hasher, {
    leafHash: leafHash(hasher, transaction),
    index: BigInt(index),
    size: BigInt(header.transactionCount),
    root: header.transactionRoot,
    proof: path,
  });
  const shown = decodeTransaction(transaction);
  const isIt = equalBytes(shown.id, transactionId) && shown.reason === reason;
  const proof = isIncluded && isIt && header.height === height;
  return { proof, root: toHex(header.stateRoot) };
}
