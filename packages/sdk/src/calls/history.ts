/** Blocks and signed heads. */
import type { PolicyBundle } from "@authledger/proof";
import { read } from "@authledger/proto";
import { equalBytes, LedgerError } from "@authledger/types";
import { consistencyMessage, tokenOf } from "../consistency.js";
import { type CallOptions, cosignaturesOf } from "../options.js";
import type { Session } from "../session.js";
import { checkTransactions, hashOfHeader } from "../verify/proven-values.js";
import { malformed, plain, policyBundleOf } from "./convert.js";
import { Patience } from "./patience.js";
import { Proving } from "./proving.js";
import type { Block, Checkpoint, ReadOptions, Tip } from "./values.js";

const { getTip: GET_TIP, getBlock: GET_BLOCK } = read.ReadServiceService;
const { reportCheckpoint: REPORT_CHECKPOINT, listPolicyBundles: LIST_BUNDLES } =
  read.ReadServiceService;
const { getCheckpoint: GET_CHECKPOINT, getConsistencyProof: GET_CONSISTENCY } =
  read.ReadServiceService;

/** What a node's own history says of a signed head. */
export type HeadJudgement = "consistent" | "larger" | "contradiction";

const JUDGEMENTS: Readonly<Partial<Record<number, HeadJudgement>>> = {
  [read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONSISTENT]: "consistent",
  [read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_LARGER]: "larger",
  [read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONTRADICTION]: "contradiction",
};

export interface BlockOptions extends ReadOptions {
  /** Return the transactions too. Default false. */
  readonly transactions?: boolean | undefined;
}

export interface CheckpointOptions extends CallOptions {
  readonly consistency?: ReadOptions["consistency"];
  /** Return the consistency proof from this size; a verifying client uses the size that it trusts. */
  readonly trustedSize?: bigint | undefined;
}

export async function getTip(session: Session, options: ReadOptions): Promise<Tip> {
  const consistency = consistencyMessage(options.consistency);
  const request = { ...session.vault(), consistency };
  const time = new Patience(session, options);
  const { height, header, blockHash, token } = await session.call(GET_TIP, request, options);
  requireAsked(height, options);
  const tip = { height, header: plain(header), blockHash: plain(blockHash), token: tokenOf(token) };
  if (session.verifier() === undefined) return tip;
  session.tokens?.requireReached(options.consistency, height);
  const block = await getBlock(session, height, time.left);
  if (!equalBytes(block.header, tip.header)) {
    const message = `the header of the tip is not that of block ${height}`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "header" } });
  }
  session.tokens?.note(tip.token, height);
  return {
    ...tip,
    blockHash: block.blockHash,
    ...(block.verified && { verified: block.verified }),
  };
}

/** The newest block as of a height is the block of that height. */
function requireAsked(height: bigint, { consistency }: ReadOptions): void {
  if (consistency?.kind !== "at_height" || consistency.height === height) return;
  throw malformed(`the tip as of height ${consistency.height} is said to be ${height}`);
}

export async function getBlock(
  session: Session,
  height: bigint,
  options: BlockOptions,
): Promise<Block> {
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const isWhole = options.transactions ?? false;
  const request = { ...session.vault(), height, transactions: isWhole, consistency, prove };
  const response = await session.call(GET_BLOCK, request, proving.call);
  const transactions = response.transactions.map(plain);
  const { answer, verified } = await proving.judgeHistory(response);
  const { token, proof } = answer;
  const header = plain(response.header);
  if (verified === undefined) {
    const blockHash = plain(response.blockHash);
    return { header, blockHash, transactions, token, ...(proof && { proof }) };
  }
  if (BigInt(verified.height) !== height || !equalBytes(header, proof?.header ?? header)) {
    const message = `the proof is of block ${verified.height}, not of block ${height}`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "header" } });
  }
  if (isWhole) checkTransactions(header, transactions);
  return { ...answer, header, blockHash: hashOfHeader(header), transactions };
}

export async function getCheckpoint(
  session: Session,
  options: CheckpointOptions,
): Promise<Checkpoint> {
  const verifier = session.verifier();
  const time = new Patience(session, options);
  const trust = verifier && (await time.wait(verifier.trust()));
  const consistency = consistencyMessage(options.consistency);
  const trustedSize = trust?.head.size ?? options.trustedSize ?? 0n;
  const cosignatures = cosignaturesOf(session.options.verify);
  const request = { ...session.vault(), consistency, trustedSize, cosignatures };
  const response = await session.call(GET_CHECKPOINT, request, time.left);
  const consistencyProof = response.consistencyProof.map(plain);
  const { checkpoint } = response;
  const token = tokenOf(response.token);
  if (verifier === undefined || trust === undefined) {
    return { checkpoint, consistencyProof, token, isVerified: false };
  }
  const { size } = await time.wait(verifier.verifyHead(trust, { checkpoint, consistencyProof }));
  session.tokens?.requireReached(options.consistency, size - 1n);
  // The token is of the vault when the question came: the head may be of a later one, and says nothing of the token's height.
  return { checkpoint, consistencyProof, token, isVerified: true };
}

/** What the node's own history says of a signed head. */
export async function reportCheckpoint(
  session: Session,
  checkpoint: string,
  options: CallOptions,
): Promise<HeadJudgement> {
  const request = { ...session.vault(), checkpoint };
  const { judgement } = await session.call(REPORT_CHECKPOINT, request, options);
  const known = JUDGEMENTS[judgement];
  if (known !== undefined) return known;
  throw new LedgerError("UNIMPLEMENTED", `the server judged the head with ${judgement}`);
}

/** The policies behind the first one, in order; their consistency proofs lead from one to the next. */
export async function getPolicyBundles(
  session: Session,
  options: CallOptions,
): Promise<readonly PolicyBundle[]> {
  const all: PolicyBundle[] = [];
  const time = new Patience(session, options);
  for (let epoch = 1n; ; ) {
    const request = { ...session.vault(), epoch, trustedSize: 0n };
    const { bundles, newestEpoch } = await session.call(LIST_BUNDLES, request, time.left);
    all.push(...bundles.map(policyBundleOf));
    epoch = bundles.at(-1)?.epoch ?? newestEpoch;
    if (epoch >= newestEpoch) return all;
  }
}

/** The RFC 9162 proof between two sizes, as bytes. */
export async function getConsistencyProof(
  session: Session,
  sizes: { readonly fromSize: bigint; readonly toSize: bigint },
  options: CallOptions,
): Promise<readonly Uint8Array[]> {
  const request = { ...session.vault(), ...sizes };
  const { proof } = await session.call(GET_CONSISTENCY, request, options);
  return proof.map(plain);
}
