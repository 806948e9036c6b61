/** Consecutive blocks, and the proofs with which one can be run again. */
import { decodeHeader, type ExecutedBlock, HistoryFollower, verifyBlock } from "@authledger/proof";
import { read } from "@authledger/proto";
import { equalBytes, LedgerError } from "@authledger/types";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { FollowedHistory } from "../verify/followed-history.js";
import { nodeCrypto } from "../verify/node-crypto.js";
import { checkTransactions, hashOfHeader } from "../verify/proven-values.js";
import { plain, proofOf } from "./convert.js";
import { Patience } from "./patience.js";
import { Proving } from "./proving.js";
import type { Proof, ReadOptions } from "./values.js";

const { getBlockRange: GET_BLOCK_RANGE, getBlockProof: GET_BLOCK_PROOF } = read.ReadServiceService;

export interface BlockRangeOptions extends CallOptions {
  /** At most 1,000. Default 100; fewer come where they would take more than 4 MiB. */
  readonly limit?: number | undefined;
  /** Give the transactions too. Default false. */
  readonly transactions?: boolean | undefined;
}

export interface RangedBlock {
  readonly height: bigint;
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  readonly transactions: readonly Uint8Array[];
}

export interface BlockRange {
  readonly blocks: readonly RangedBlock[];
  /** Where the next range begins; above `tipHeight` when nothing is left. */
  readonly nextHeight: bigint;
  readonly tipHeight: bigint;
  /** True when the client verifies: the blocks are in the signed history. */
  readonly isVerified: boolean;
}

export async function getBlockRange(
  session: Session,
  from: bigint,
  options: BlockRangeOptions,
): Promise<BlockRange> {
  const { limit = 0, transactions = false } = options;
  const time = new Patience(session, options);
  const response = await session.call(
    GET_BLOCK_RANGE,
    { ...session.vault(), fromHeight: from, limit, transactions, compactRange: false },
    options,
  );
  const blocks = response.blocks.map((block, i) => {
    const header = plain(block.header);
    const height = from + BigInt(i);
    if (BigInt(decodeHeader(header).height) !== height) throw otherBlock(height);
    const bodies = block.transactions.map(plain);
    if (transactions) checkTransactions(header, bodies);
    return { height, header, blockHash: hashOfHeader(header), transactions: bodies };
  });
  const { nextHeight, tipHeight } = response;
  const isVerified = session.verifier() !== undefined;
  if (isVerified) {
    const history = await FollowedHistory.from(session, from, () => time.left);
    await history.accept(blocks.map(({ header }) => header));
  }
  return { blocks, nextHeight, tipHeight, isVerified };
}

/** What runs a block again without a database. */
export interface BlockProof {
  readonly header: Uint8Array;
  /** Absent for genesis. */
  readonly previousHeader: Uint8Array | undefined;
  readonly transactions: readonly Uint8Array[];
  /** LSP1 against the state before the block. */
  readonly witness: Uint8Array;
  /** Roots of the complete subtrees over the headers before the previous one. */
  readonly compactRange: readonly Uint8Array[];
  /** Of the header in the newest checkpoint; where it was asked for, or the client verifies. */
  readonly proof?: Proof;
}

export interface VerifiedBlockProof extends BlockProof {
  /** What the block did, where the client verifies. */
  readonly executed?: ExecutedBlock;
}

/**
 * @throws LedgerError HEIGHT_UNAVAILABLE; PROOF_INVALID when the block does not lead to what its header says
 */
export async function getBlockProof(
  session: Session,
  height: bigint,
  options: ReadOptions,
): Promise<VerifiedBlockProof> {
  const proving = await Proving.begin(session, options);
  const { prove } = proving;
  const request = { ...session.vault(), height, prove };
  const response = await session.call(GET_BLOCK_PROOF, request, proving.call);
  const shown: BlockProof = {
    header: plain(response.header),
    previousHeader: height === 0n ? undefined : plain(response.previousHeader),
    transactions: response.transactions.map(plain),
    witness: plain(response.witness),
    compactRange: response.compactRange.map(plain),
    ...(response.proof && { proof: proofOf(response.proof) }),
  };
  const { verified } = await proving.judgeHistory(response);
  if (verified === undefined) return shown;
  if (!equalBytes(shown.header, shown.proof?.header ?? shown.header)) throw otherBlock(height);
  if (BigInt(verified.height) !== height) throw otherBlock(height);
  const { origin, salt } = verified.trust;
  return { ...shown, executed: judgeBlockProof({ origin, salt }, shown) };
}

/**
 * Runs a block again and checks that the header before it is the one that its own header commits to. That the header
 * itself is in the signed history is shown by `proof`, and checked elsewhere.
 * @throws LedgerError PROOF_INVALID
 */
export function judgeBlockProof(
  vault: { readonly origin: string; readonly salt: Uint8Array },
  { header, previousHeader, transactions, witness, compactRange }: BlockProof,
): ExecutedBlock {
  const { hasher } = nodeCrypto;
  const { height, vaultRef } = decodeHeader(header);
  if (previousHeader !== undefined) {
    const position = { size: Math.max(0, height - 1), range: compactRange, header: undefined };
    const follower = new HistoryFollower(hasher, vaultRef, position);
    follower.append(previousHeader);
    follower.append(header);
  }
  return verifyBlock(hasher, {
    ...vault,
    header,
    previous: previousHeader,
    transactions,
    witness,
  });
}

function otherBlock(height: bigint): LedgerError {
  return new LedgerError("PROOF_INVALID", `the server sent another block than ${height}`, {
    details: { reason: "header" },
  });
}
