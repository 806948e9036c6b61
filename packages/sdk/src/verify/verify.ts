/**
 * Verification of a vault's answers against pinned roots: the light client of `@authledger/proof` with a
 * store, a clock and calls that run side by side.
 *
 *   INV-SDK-3  An answer is judged against what was trusted when its call began ("current" means at least as
 *              new as everything verified before), and accepted only when its head is also proven consistent
 *              with what is trusted by then: two answers in flight cannot show two histories. "At least a token" means at
 *              least as high as what this client was given with it, "any" of an age the last block of a head signed since.
 *   INV-SDK-4  What is given out is computed from proofs; what the server merely claims is dropped.
 *
 *   INV-SDK-10  The policy moves one epoch at a time, each by a bundle that the policy before accepts; an answer that the
 *              policy of its call refuses is judged once more under the newest.
 *
 * Source: commitment.md, "Light client".
 */
import {
  type FreshnessRules,
  type LightClientDeps,
  type ProvenAnswer,
  parseCheckpoint,
  type TrustedHead,
  type TrustState,
  type VerifiedAnswer,
  verifyAnswer,
  verifyCheckpoint,
  verifyConsistency,
  type Wanted,
} from "@authledger/proof";
import { equalBytes, LedgerError } from "@authledger/types";
import { cosignaturesOf, type VaultName, type VerifyOptions } from "../options.js";
import { MemoryRoots } from "./memory-roots.js";
import type { PinnedRoots } from "./pinned-roots.js";
import { type AskForBundles, catchUp, mayNeedPolicy } from "./policy-catch-up.js";
import { formatPinned, type PinnedTrust, parsePinned, pinAnchor } from "./trust-record.js";

const MAX_AGE_S_DEFAULT = 60;
const MAX_SKEW_S_DEFAULT = 5;

/** Two heads that the ledger signed contradict each other. Keep the notes: they are the evidence. */
export class EquivocationError extends LedgerError {
  /** The note that was trusted. */
  readonly trustedNote: string;
  /** The note that contradicts it. */
  readonly receivedNote: string;

  constructor(message: string, notes: { readonly trusted: string; readonly received: string }) {
    super("EQUIVOCATION", message, { details: { reason: "fork", ...notes } });
    this.trustedNote = notes.trusted;
    this.receivedNote = notes.received;
  }
}

/** How an answer was verified. */
export interface Verified {
  /** A current answer is about the newest block, under a fresh signature. */
  readonly kind: "current" | "historical";
  readonly height: bigint;
  /** The time that expiry was judged by, in milliseconds. */
  readonly timeMs: bigint;
  readonly origin: string;
  /** The newest head that is trusted from now on. */
  readonly trustedSize: bigint;
  readonly trustedRoot: Uint8Array;
}

/** What the verifier asks servers for. */
interface VerifierCalls {
  /** The vault's anchor as the server tells it. */
  anchor(): Promise<string>;
  consistency(fromSize: bigint, toSize: bigint): Promise<Uint8Array[]>;
  readonly policyBundles: AskForBundles;
}

export interface VerifierDeps {
  readonly name: VaultName;
  readonly calls: VerifierCalls;
  readonly crypto: LightClientDeps;
  readonly nowMs: () => number;
}

export class VaultVerifier {
  readonly #options: VerifyOptions;
  readonly #deps: VerifierDeps;
  readonly #roots: PinnedRoots;
  readonly #key: string;
  /** The text that was read or written last with its meaning. */
  #parsed: { readonly text: string; readonly pinned: PinnedTrust } | undefined;
  /** Changes of the pinned root, one behind the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: VerifyOptions, deps: VerifierDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#roots = options.pinnedRoots ?? new MemoryRoots();
    this.#key = `${deps.name.organization}-${deps.name.vault}`;
  }

  /** By the clock that signed times are judged by. */
  nowMs(): number {
    return this.#deps.nowMs();
  }

  /**
   * What is trusted now; at first contact, where that begins.
   * @throws LedgerError TRUST_ANCHOR_MISSING; PROOF_INVALID when the pinned root is of another anchor
   */
  async trust(): Promise<TrustState> {
    return (await this.#exclusively(() => this.#load())).trust;
  }

  /**
   * Verifies an answer to a call that began with this trust, and pins its head.
   * @throws LedgerError PROOF_INVALID, PROOF_STALE; EquivocationError
   */
  async verify(trust: TrustState, sent: ProvenAnswer, want: Wanted): Promise<VerifiedAnswer> {
    const verified = await this.#underPolicies(trust, (now) => this.#judge(now, sent, want));
    const { configHash } = verified.trust;
    const isChanged = trust.configHash !== undefined && configHash !== trust.configHash;
    if (isChanged && configHash !== undefined && !equalBytes(configHash, trust.configHash!)) {
      // The answer is good; a policy that lets somebody go should not wait until they are needed.
      await this.#catchUp().catch(throwIfFork);
    }
    return verified;
  }

  async #judge(trust: TrustState, sent: ProvenAnswer, want: Wanted): Promise<VerifiedAnswer> {
    const { crypto, nowMs } = this.#deps;
    const size = parseCheckpoint(sent.checkpoint).size;
    const isOlder = size < trust.head.size;
    const consistencyProof = isOlder
      ? await this.#consistency(size, trust.head.size)
      : sent.consistencyProof;
    const wanted = { want, nowMs: nowMs(), ...this.#rules() };
    const verified = asEvidence(() =>
      verifyAnswer(trust, { ...sent, consistencyProof }, wanted, crypto),
    );
    await this.#advance(trust, verified.trust);
    return verified;
  }

  /** Verifies a signed head by itself and pins it. @throws as `verify` */
  async verifyHead(
    trust: TrustState,
    sent: Pick<ProvenAnswer, "checkpoint" | "consistencyProof">,
  ): Promise<TrustedHead> {
    const { checkpoint: note } = sent;
    const { cosignatures } = this.#rules();
    const { size, root } = await this.#underPolicies(trust, async ({ origin, policy }) =>
      verifyCheckpoint(note, origin, policy, this.#deps.crypto, cosignatures),
    );
    const head: TrustedHead = { size, root, note };
    const proof =
      size < trust.head.size
        ? await this.#consistency(size, trust.head.size)
        : sent.consistencyProof;
    this.#link(trust.head, head, proof);
    if (size > trust.head.size) await this.#advance(trust, { ...trust, head });
    return head;
  }

  #rules(): FreshnessRules {
    const { maxAgeS = MAX_AGE_S_DEFAULT, maxSkewS = MAX_SKEW_S_DEFAULT } = this.#options;
    return { maxAgeS, maxSkewS, cosignatures: cosignaturesOf(this.#options) };
  }

  /** Judges under the policy of the call; what that refuses, under the newest one if there is a newer. */
  async #underPolicies<T>(trust: TrustState, judge: (trust: TrustState) => Promise<T>): Promise<T> {
    try {
      return await judge(trust);
    } catch (error) {
      if (!mayNeedPolicy(error)) throw error;
      const newest = await this.#catchUp().catch(throwIfFork);
      if (newest === undefined || newest.policy.epoch <= trust.policy.epoch) throw error;
      return judge({ ...trust, policy: newest.policy });
    }
  }

  /** Pins the newest policy. @throws LedgerError PROOF_INVALID when a bundle does not prove it; EquivocationError */
  #catchUp(): Promise<TrustState> {
    return this.#exclusively(async () => {
      const pinned = await this.#load();
      const { calls, crypto } = this.#deps;
      const ask: AskForBundles = (epoch, size) => calls.policyBundles(epoch, size);
      const trust = await catchUp(pinned.trust, ask, crypto).catch((error: unknown) =>
        asEvidence<TrustState>(() => {
          throw error;
        }),
      );
      if (trust !== pinned.trust) await this.#save({ ...pinned, trust });
      return trust;
    });
  }

  /** Pins `next`, which was verified from `base`, behind whatever has been pinned meanwhile. */
  #advance(base: TrustState, next: TrustState): Promise<void> {
    return this.#exclusively(async () => {
      const pinned = await this.#load();
      const { head, configHash } = pinned.trust;
      const hasGrown = next.head.size > base.head.size;
      const isMoved = head.size !== base.head.size;
      if (hasGrown && isMoved) await this.#linkToMoved(head, next.head);
      // A configuration counts when it was proven, and of no older state than the pinned one.
      const isConfigNew = next.configHash !== base.configHash && next.head.size >= head.size;
      const trust = {
        ...pinned.trust,
        head: next.head.size > head.size ? next.head : head,
        configHash: isConfigNew ? next.configHash : configHash,
      };
      await this.#save({ ...pinned, trust });
    });
  }

  async #linkToMoved(pinned: TrustedHead, next: TrustedHead): Promise<void> {
    const [older, newer] = pinned.size < next.size ? [pinned, next] : [next, pinned];
    const isSame = older.size === newer.size;
    const proof = isSame ? [] : await this.#consistency(older.size, newer.size);
    this.#link(pinned, next, proof);
  }

  /** @throws EquivocationError; LedgerError PROOF_INVALID with both notes */
  #link(trusted: TrustedHead, received: TrustedHead, proof: readonly Uint8Array[]): void {
    const notes = { trusted: trusted.note, received: received.note };
    if (trusted.size === received.size) {
      if (equalBytes(trusted.root, received.root)) return;
      if (trusted.note !== "") {
        throw new EquivocationError(`two signed roots for size ${trusted.size}`, notes);
      }
    }
    const [older, newer] = trusted.size < received.size ? [trusted, received] : [received, trusted];
    const isConsistent = verifyConsistency(this.#deps.crypto.hasher, {
      fromSize: older.size,
      fromRoot: older.root,
      toSize: newer.size,
      toRoot: newer.root,
      proof,
    });
    if (isConsistent) return;
    const message = `sizes ${older.size} and ${newer.size} are not proven consistent`;
    throw new LedgerError("PROOF_INVALID", message, {
      details: { reason: "consistency", ...notes },
    });
  }

  /** A server that cannot give the proof gives none, and the check of the proof says what that means. */
  async #consistency(fromSize: bigint, toSize: bigint): Promise<Uint8Array[]> {
    try {
      return await this.#deps.calls.consistency(fromSize, toSize);
    } catch (error) {
      const { row } = LedgerError.from(error);
      if (row.grpc === "INVALID_ARGUMENT" || row.grpc === "NOT_FOUND") return [];
      throw error;
    }
  }

  async #load(): Promise<PinnedTrust> {
    const { hasher } = this.#deps.crypto;
    const text = await this.#roots.load(this.#key);
    if (text === undefined) return this.#begin();
    if (this.#parsed?.text !== text) {
      const pinned = parsePinned(hasher, text);
      this.#requireAnchor(pinned);
      this.#parsed = { text, pinned };
    }
    return this.#parsed.pinned;
  }

  /** First contact. */
  async #begin(): Promise<PinnedTrust> {
    const { anchor, trustOnFirstUse } = this.#options;
    if (anchor === undefined && trustOnFirstUse !== true) {
      const message = `nothing is pinned for vault ${this.#key}, and no anchor was given`;
      throw new LedgerError("TRUST_ANCHOR_MISSING", message, { details: { vault: this.#key } });
    }
    const text = anchor ?? (await this.#deps.calls.anchor());
    const pinned = pinAnchor(this.#deps.crypto.hasher, text);
    await this.#save(pinned);
    return pinned;
  }

  #requireAnchor(pinned: PinnedTrust): void {
    const { anchor } = this.#options;
    if (anchor === undefined || anchor.trim() === pinned.anchor) return;
    const message = `the pinned root of vault ${this.#key} began with another anchor than the given one`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "anchor" } });
  }

  async #save(pinned: PinnedTrust): Promise<void> {
    const text = formatPinned(pinned);
    if (this.#parsed?.text === text) return;
    await this.#roots.save(this.#key, text);
    this.#parsed = { text, pinned };
  }

  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Runs a check; a fork it finds is thrown as what it is. */
function asEvidence<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "EQUIVOCATION") throw error;
    const { trusted, received } = error.details;
    throw new EquivocationError(error.message, {
      trusted: String(trusted),
      received: String(received),
    });
  }
}

/** A server without bundles, or one that sends bad ones, takes nothing from an answer that is proven; a fork does. */
function throwIfFork(error: unknown): undefined {
  if (!(error instanceof LedgerError) || error.code === "EQUIVOCATION") throw error;
  return undefined;
}

export function describeVerified(answer: VerifiedAnswer): Verified {
  const { kind, height, timeMs, trust } = answer;
  return {
    kind,
    height: BigInt(height),
    timeMs,
    origin: trust.origin,
    trustedSize: trust.head.size,
    trustedRoot: trust.head.root,
  };
}
