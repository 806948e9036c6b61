/** The frame of a read that may be proven: what to ask for, and what to make of what came. */
import type { ProvenAnswer, TrustState, VerifiedAnswer, Wanted } from "@authledger/proof";
import type { common } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { type Consistency, consistencyMessage, linearizable, tokenOf } from "../consistency.js";
import { type CallOptions, cosignaturesOf } from "../options.js";
import type { Session } from "../session.js";
import type { TokenHeights } from "../verify/token-heights.js";
import { describeVerified, type VaultVerifier } from "../verify/verify.js";
import { proofOf, provenAnswerOf } from "./convert.js";
import { Patience } from "./patience.js";
import type { Answer, Proof, ReadOptions } from "./values.js";

const NONE = new Uint8Array(0);

/** What every proven answer has. */
interface ProvenResponse {
  readonly token: Uint8Array;
  readonly height?: bigint;
  readonly proof?: common.Proof | undefined;
}

/** What a read found out about its answer. */
export interface Judged {
  readonly answer: Answer;
  /** Present when the client verifies: compute from this, not from the response. */
  readonly verified: VerifiedAnswer | undefined;
}

/** What a client that verifies goes by. */
interface Verifying {
  readonly verifier: VaultVerifier;
  readonly trust: TrustState;
  readonly time: Patience;
  readonly tokens: TokenHeights | undefined;
  /** By the clock that signed times are judged by. */
  readonly beganAtMs: number;
}

export class Proving {
  /** Parts of the request. */
  readonly consistency: common.Consistency;
  readonly prove: common.Prove | undefined;
  readonly #options: ReadOptions;
  readonly #verifying: Verifying | undefined;
  readonly #want: Wanted;

  private constructor(
    options: ReadOptions,
    verifying: Verifying | undefined,
    cosignatures: number | undefined,
  ) {
    this.consistency = consistencyMessage(options.consistency);
    this.#options = options;
    this.#verifying = verifying;
    this.#want = wantedBy(options.consistency, verifying?.beganAtMs);
    this.prove = proveMessage(options, verifying?.trust, cosignatures);
  }

  /** @param unproven take the server's word, also where the client verifies */
  static async begin(session: Session, options: ReadOptions, unproven = false): Promise<Proving> {
    const verifier = unproven ? undefined : session.verifier();
    const cosignatures = cosignaturesOf(session.options.verify);
    if (verifier === undefined) return new Proving(options, undefined, cosignatures);
    const time = new Patience(session, options);
    const beganAtMs = verifier.nowMs();
    const trust = await time.wait(verifier.trust());
    const { tokens } = session;
    return new Proving(options, { verifier, trust, time, tokens, beganAtMs }, cosignatures);
  }

  /** Options of the request: the time that went by before it is its call's too (INV-SDK-2). */
  get call(): CallOptions {
    return this.#verifying?.time.left ?? this.#options;
  }

  /**
   * About the newest state, or about one as old as the caller accepts.
   * @throws as VaultVerifier.verify; LedgerError PROOF_STALE
   */
  async judge(response: ProvenResponse): Promise<Judged> {
    const judged = await this.#judge(response, this.#want);
    const { height } = judged.answer;
    this.#verifying?.tokens?.requireReached(this.#options.consistency, height);
    return judged;
  }

  /** About exactly this height, and so historical. @throws as VaultVerifier.verify */
  judgeAt(response: ProvenResponse, height: bigint): Promise<Judged> {
    return this.#judge(response, { height });
  }

  /** About a height that the caller named. @throws as VaultVerifier.verify */
  judgeHistory(response: ProvenResponse): Promise<Judged> {
    return this.#judge(response, "any");
  }

  async #judge(response: ProvenResponse, want: Wanted): Promise<Judged> {
    const proof = response.proof && proofOf(response.proof);
    const token = tokenOf(response.token);
    const claimed = response.height ?? 0n;
    if (this.#verifying === undefined) {
      if (this.prove !== undefined) requireProof(proof);
      return { answer: { height: claimed, token, ...(proof && { proof }) }, verified: undefined };
    }
    const sent: ProvenAnswer = provenAnswerOf(requireProof(proof));
    const { verifier, trust, time, tokens } = this.#verifying;
    const verified = await time.wait(verifier.verify(trust, sent, want));
    const described = describeVerified(verified);
    const { height } = described;
    tokens?.note(token, height);
    return { answer: { height, token, ...(proof && { proof }), verified: described }, verified };
  }
}

/** What the proof itself can show. How new "at least" a token is, nobody but its server knows (see TokenHeights). */
function wantedBy(consistency: Consistency = linearizable, beganAtMs: number | undefined): Wanted {
  switch (consistency.kind) {
    case "linearizable":
      return "current";
    case "at_height":
      return { height: consistency.height };
    case "at_least":
      return "any";
    case "any": {
      const { maxStalenessMs } = consistency;
      if (maxStalenessMs === 0 || beganAtMs === undefined) return "any";
      return { signedSinceMs: beganAtMs - maxStalenessMs };
    }
  }
}

function proveMessage(
  { prove }: ReadOptions,
  trust: TrustState | undefined,
  cosignatures: number | undefined,
): common.Prove | undefined {
  if (trust !== undefined) {
    return { trustedSize: trust.head.size, configHash: trust.configHash ?? NONE, cosignatures };
  }
  return prove && { trustedSize: prove.trustedSize, configHash: NONE, cosignatures };
}

function requireProof(proof: Proof | undefined): Proof {
  if (proof !== undefined) return proof;
  throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof", {
    details: { reason: "insufficient" },
  });
}
