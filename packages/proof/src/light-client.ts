/**
 * The light client: from what it trusts and what a server answered, to an answer, a refusal with its reason,
 * or evidence of a fork (commitment.md, "Light client"). Pure: time comes in, the new trust goes out.
 *
 *   INV-CLIENT-1  Nothing that the server merely sent is compared: every root is recomputed.
 *   INV-CLIENT-2  The trusted head only grows, and each step is proven consistent with the one before.
 *
 * The anchored genesis is a head of size 1: the root of one leaf is its hash. So first contact is an ordinary
 * step, and its consistency proof is the inclusion of the anchored header at index 0 (rule 4).
 *
 * Not here: questions to the proven state, receipts and the next policy epoch (verify.ts, next-policy.ts).
 */
import { equalBytes, type Hasher, LedgerError } from "@authledger/types";
import { configHash } from "./config-hash.js";
import { type BlockHeader, blockHash, decodeHeader } from "./header.js";
import { verifyConsistency, verifyInclusion } from "./log/merkle-log.js";
import {
  checkCosignature,
  checkLogSignature,
  isOfKey,
  parseCheckpoint,
  type UntrustedCheckpoint,
} from "./note/checkpoint.js";
import type { Policy } from "./note/policy.js";
import type { SignatureVerifier } from "./note/signature-verifier.js";
import type { TrustAnchor } from "./note/trust-anchor.js";
import { reject } from "./rejection.js";
import { Kind } from "./trie/key.js";
import { isLive, type ProvenTrie } from "./trie/proven-trie.js";
import { RecordHasher } from "./trie/record.js";
import { decodeStateProof } from "./trie/state-proof-decode.js";
import { vaultRef } from "./trie/state-root.js";

/** The newest head that the client has verified. */
export interface TrustedHead {
  readonly size: bigint;
  readonly root: Uint8Array;
  /** The note it came in; empty for the anchored genesis. */
  readonly note: string;
}

/** What a client keeps per vault. */
export interface TrustState {
  readonly origin: string;
  readonly salt: Uint8Array;
  readonly policy: Policy;
  readonly head: TrustedHead;
  /** config_hash of the newest header whose state was proven; absent before the first. */
  readonly configHash: Uint8Array | undefined;
}

export interface FreshnessRules {
  /** Oldest quorum time of a current answer, in seconds. */
  readonly maxAgeS: number;
  /** How far cosigners' clocks may be ahead, in seconds. */
  readonly maxSkewS: number;
  /** Distinct cosigners that a head needs where that is more than the policy's quorum. Default 0. */
  readonly cosignatures?: number | undefined;
}

/** What a server sent, as canonical bytes. */
export interface ProvenAnswer {
  readonly checkpoint: string;
  readonly header: Uint8Array;
  /** Inclusion of the header in the checkpoint's tree. */
  readonly historyProof: readonly Uint8Array[];
  /** Between the trusted head and the checkpoint, in whichever order they are. */
  readonly consistencyProof: readonly Uint8Array[];
  /** LSP1; empty where the answer is about the history alone. */
  readonly stateProof: Uint8Array;
}

export interface VerifiedAnswer {
  /** A current answer is about the newest height, and fresh. */
  readonly kind: "current" | "historical";
  readonly height: number;
  readonly header: BlockHeader;
  /** The time T that expiry is judged by, in milliseconds. */
  readonly timeMs: bigint;
  /** The proven state; absent without a state proof. */
  readonly state: ProvenTrie | undefined;
  /** What to keep from now on. */
  readonly trust: TrustState;
}

export interface LightClientDeps {
  readonly hasher: Hasher;
  readonly verifier: SignatureVerifier;
}

/** Where a client begins. */
export function trustFromAnchor(anchor: TrustAnchor): TrustState {
  return {
    origin: anchor.origin,
    salt: anchor.salt,
    policy: anchor.policy,
    head: { size: 1n, root: anchor.genesis, note: "" },
    configHash: undefined,
  };
}

/** Somebody whose cosignature under a checkpoint is good. */
export interface CosignedBy {
  /** In the policy. */
  readonly id: number;
  /** Of the key that signed. */
  readonly name: string;
  /** In seconds. */
  readonly time: bigint;
}

/** A checkpoint whose log signature and quorum are good. */
export interface VerifiedCheckpoint extends UntrustedCheckpoint {
  /** The newest cosignature of each distinct cosigner, newest first. */
  readonly cosigned: readonly CosignedBy[];
  /** Their times. */
  readonly times: readonly bigint[];
}

/**
 * Rule 1. With `cosignatures` a head needs so many distinct cosigners of the policy where that is more than its quorum.
 * @throws LedgerError PROOF_INVALID: note, policy, signature, quorum, cosignatures
 */
export function verifyCheckpoint(
  note: string,
  origin: string,
  policy: Policy,
  { verifier }: LightClientDeps,
  cosignatures = 0,
): VerifiedCheckpoint {
  const checkpoint = parseCheckpoint(note);
  if (checkpoint.origin !== origin) {
    throw reject("note", `the checkpoint is of ${checkpoint.origin}, not of ${origin}`);
  }
  if (checkpoint.size < BigInt(policy.fromSize)) {
    const message = `policy epoch ${policy.epoch} begins at size ${policy.fromSize}`;
    throw reject("policy", `${message}, the checkpoint has size ${checkpoint.size}`);
  }
  let isLogged = false;
  const newest = new Map<number, CosignedBy>();
  for (const line of checkpoint.signatures) {
    const log = policy.logKeys.find((key) => key.name === origin && isOfKey(line, key));
    if (log !== undefined) {
      checkLogSignature(verifier, checkpoint, line, log);
      isLogged = true;
    }
    const cosigner = policy.cosigners.find(({ key }) => isOfKey(line, key));
    if (cosigner === undefined) continue;
    const time = checkCosignature(verifier, checkpoint, line, cosigner.key);
    const { id, key } = cosigner;
    const known = newest.get(id);
    if (known === undefined || time > known.time) newest.set(id, { id, name: key.name, time });
  }
  if (!isLogged) throw reject("signature", "no log key of the policy has signed the checkpoint");
  if (newest.size < policy.quorum) {
    throw reject("quorum", `${newest.size} of ${policy.quorum} cosigners have signed`);
  }
  if (newest.size < cosignatures) {
    const message = `${newest.size} of the ${cosignatures} cosigners that were asked for have signed`;
    throw reject("cosignatures", message, { have: newest.size, need: cosignatures });
  }
  const cosigned = [...newest.values()].sort((a, b) => (a.time < b.time ? 1 : -1));
  return { ...checkpoint, cosigned, times: cosigned.map(({ time }) => time) };
}

/**
 * What an answer must be about: the newest block, under a fresh signature; any block; this block, which makes it
 * historical also when it is the newest; or the last block of a head that was signed no earlier by clocks that may be
 * `maxSkewS` behind, though the client may know of a newer one.
 */
export type Wanted =
  | "current"
  | "any"
  | { readonly height: bigint }
  | { readonly signedSinceMs: number };

/**
 * Judges an answer by all rules.
 * @throws LedgerError PROOF_INVALID with its reason; PROOF_STALE (reasons "stale" and "not-current");
 *   EQUIVOCATION with both notes as evidence. The trust that was given is then still the one to keep.
 */
export function verifyAnswer(
  trust: TrustState,
  answer: ProvenAnswer,
  wanted: { readonly want: Wanted; readonly nowMs: number } & FreshnessRules,
  deps: LightClientDeps,
): VerifiedAnswer {
  const { origin, policy } = trust;
  const { cosignatures } = wanted;
  const checkpoint = verifyCheckpoint(answer.checkpoint, origin, policy, deps, cosignatures);
  const isNewest = linkHeads(trust.head, checkpoint, answer, deps);
  const header = verifyHeader(trust, checkpoint, answer, deps);
  const quorumTime = freshQuorumTime(checkpoint, trust.policy, wanted);
  const isLast = BigInt(header.height) === checkpoint.size - 1n;
  const isTip = isNewest && isLast;
  const { want } = wanted;
  if (want === "current") {
    if (!isTip) throw notCurrent(header, trust.head, checkpoint);
    if (quorumTime === undefined) throw stale(checkpoint, wanted);
  }
  if (typeof want === "object" && "signedSinceMs" in want) {
    if (!isLast) throw notCurrent(header, trust.head, checkpoint);
    requireSignedSince(want.signedSinceMs, checkpoint, policy, wanted);
  }
  const asked = typeof want === "object" && "height" in want ? want.height : undefined;
  if (asked !== undefined && asked !== BigInt(header.height)) {
    throw reject("height", `the answer is about height ${header.height}, not about ${asked}`);
  }
  const isCurrent = isTip && quorumTime !== undefined && asked === undefined;
  const headerTime = BigInt(header.timestampMs);
  const quorumMs = 1000n * (quorumTime ?? 0n);
  const state = verifyState(trust, header, answer.stateProof, deps);
  const head = isNewest
    ? { size: checkpoint.size, root: checkpoint.root, note: answer.checkpoint }
    : trust.head;
  return {
    kind: isCurrent ? "current" : "historical",
    height: header.height,
    header,
    timeMs: isCurrent && quorumMs > headerTime ? quorumMs : headerTime,
    state,
    // Without a state proof nobody has seen a changed configuration, so the next answer must still show it.
    trust: { ...trust, head, configHash: isTip && state ? header.configHash : trust.configHash },
  };
}

/** Rule 2: true when the checkpoint is at least as new as the trusted head. */
function linkHeads(
  head: TrustedHead,
  checkpoint: VerifiedCheckpoint,
  answer: ProvenAnswer,
  { hasher }: LightClientDeps,
): boolean {
  requireSameRoot(head, checkpoint, answer.checkpoint);
  const isNewer = checkpoint.size >= head.size;
  const [older, newer] = isNewer ? [head, checkpoint] : [checkpoint, head];
  const isConsistent = verifyConsistency(hasher, {
    fromSize: older.size,
    fromRoot: older.root,
    toSize: newer.size,
    toRoot: newer.root,
    proof: answer.consistencyProof,
  });
  if (isConsistent) return isNewer;
  if (isAnchor(head))
    throw reject("genesis", "the anchored first block is not proven in the history");
  throw reject("consistency", `sizes ${older.size} and ${newer.size} are not proven consistent`, {
    trusted: head.note,
    received: answer.checkpoint,
  });
}

/** The anchored genesis is trusted, but nobody has signed it: it is no evidence of a fork. */
function isAnchor(head: TrustedHead): boolean {
  return head.note === "";
}

/** Rules 2 and 6: two signed roots of one size are the evidence. */
export function requireSameRoot(
  head: TrustedHead,
  { size, root }: VerifiedCheckpoint,
  note: string,
): void {
  if (head.size !== size || equalBytes(head.root, root)) return;
  if (isAnchor(head)) throw reject("genesis", "the first block is not the anchored one");
  throw new LedgerError("EQUIVOCATION", `two signed roots for size ${size}`, {
    details: { reason: "fork", trusted: head.note, received: note },
  });
}

/** Rule 4: a header of this vault, in the history of a verified checkpoint. */
export function verifyHeader(
  trust: Pick<TrustState, "origin" | "salt">,
  checkpoint: VerifiedCheckpoint,
  answer: Pick<ProvenAnswer, "header" | "historyProof">,
  { hasher }: LightClientDeps,
): BlockHeader {
  const header = decodeHeader(answer.header);
  if (!equalBytes(header.vaultRef, vaultRef(hasher, trust.origin, trust.salt))) {
    throw reject("vault-ref", "the header is of another vault, or the salt is wrong");
  }
  const isIncluded = verifyInclusion(hasher, {
    leafHash: blockHash(hasher, answer.header),
    index: BigInt(header.height),
    size: checkpoint.size,
    root: checkpoint.root,
    proof: answer.historyProof,
  });
  if (!isIncluded) throw reject("inclusion", "the header is not proven to be in the history");
  return header;
}

/** Rule 3: the quorum-th newest time, when a full quorum (and all who were asked for) is within the bounds. */
function freshQuorumTime(
  checkpoint: VerifiedCheckpoint,
  policy: Policy,
  wanted: { readonly nowMs: number } & FreshnessRules,
): bigint | undefined {
  const fromS = Math.ceil(Math.floor(wanted.nowMs / 1000) - wanted.maxAgeS);
  return quorumTimeFrom(fromS, checkpoint, policy, wanted);
}

/** The quorum-th newest of the times that are no earlier, and not ahead of the clock here by more than is allowed. */
function quorumTimeFrom(
  fromS: number,
  { times }: VerifiedCheckpoint,
  policy: Policy,
  wanted: { readonly nowMs: number } & FreshnessRules,
): bigint | undefined {
  const toS = Math.floor(Math.floor(wanted.nowMs / 1000) + wanted.maxSkewS);
  if (!Number.isSafeInteger(fromS) || !Number.isSafeInteger(toS)) {
    const message = "the time now, the largest age and the largest skew are finite numbers";
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "nowMs" } });
  }
  const [from, to] = [BigInt(fromS), BigInt(toS)];
  const fresh = times.filter((time) => time >= from && time <= to);
  return fresh.length < (wanted.cosignatures ?? 0) ? undefined : fresh[policy.quorum - 1];
}

/** Signed times are whole seconds, rounded down. */
function requireSignedSince(
  sinceMs: number,
  checkpoint: VerifiedCheckpoint,
  policy: Policy,
  wanted: { readonly nowMs: number } & FreshnessRules,
): void {
  const fromS = Math.floor(sinceMs / 1000 - wanted.maxSkewS);
  if (quorumTimeFrom(fromS, checkpoint, policy, wanted) !== undefined) return;
  throw stale(checkpoint, { maxAgeS: Math.floor(wanted.nowMs / 1000) - fromS });
}

function notCurrent(
  { height }: BlockHeader,
  head: TrustedHead,
  { size }: VerifiedCheckpoint,
): LedgerError {
  const message = `the answer is about height ${height} of ${size} blocks; the trusted head has ${head.size}`;
  return new LedgerError("PROOF_STALE", message, { details: { reason: "not-current" } });
}

function stale(
  checkpoint: VerifiedCheckpoint,
  wanted: Pick<FreshnessRules, "maxAgeS">,
): LedgerError {
  const message = `the checkpoint of size ${checkpoint.size} has no quorum of the last ${wanted.maxAgeS} s`;
  return new LedgerError("PROOF_STALE", message, { details: { reason: "stale" } });
}

/** Rule 5, and the configuration of rule 4. */
function verifyState(
  trust: TrustState,
  header: BlockHeader,
  proof: Uint8Array,
  { hasher }: LightClientDeps,
): ProvenTrie | undefined {
  if (proof.length === 0) return undefined;
  const state = provenState(header, proof, trust.salt, hasher);
  const isKnown = trust.configHash !== undefined && equalBytes(trust.configHash, header.configHash);
  if (!isKnown && trust.configHash !== undefined) checkConfig(trust, header, state, hasher);
  return state;
}

/** The state of a verified header, from a proof of it. */
export function provenState(
  header: BlockHeader,
  proof: Uint8Array,
  salt: Uint8Array,
  hasher: Hasher,
): ProvenTrie {
  const state = decodeStateProof(proof, { hasher, salt, vaultRef: header.vaultRef });
  if (state.total !== BigInt(header.leafCount)) {
    throw reject("total", `the proof counts ${state.total} leaves, the header ${header.leafCount}`);
  }
  if (!equalBytes(state.stateRoot, header.stateRoot)) {
    throw reject("state-root", "the proof is of another state than the header");
  }
  return state;
}

function checkConfig(
  trust: TrustState,
  header: BlockHeader,
  state: ProvenTrie,
  hasher: Hasher,
): void {
  const list = state.list({ kind: Kind.ledgerRecord, partition: "ledger" });
  const records = new RecordHasher(hasher, trust.salt);
  const isProven =
    list.kind === "complete" &&
    equalBytes(
      configHash(
        hasher,
        list.records.map(({ bytes }) => records.hash(bytes)),
      ),
      header.configHash,
    );
  if (!isProven) throw reject("config", "the configuration changed and is not in the proof");
}

/** Is the record there at the answer's time? Expired and not yet collected counts as absent. */
export function isCurrentRecord(
  record: { readonly expiresAtMs: bigint },
  answer: Pick<VerifiedAnswer, "timeMs">,
): boolean {
  return isLive(record, answer.timeMs);
}
