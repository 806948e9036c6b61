/** A light client of one vault: every answer goes through the verification of the proof package and is compared with it. */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { AnswerProof } from "@authledger/engine";
import { NodeHasher } from "@authledger/io";
import {
  askState,
  entityKey,
  type LedgerKey,
  type LightClientDeps,
  parseTrustAnchor,
  type TrustState,
  trustFromAnchor,
  tupleKey,
  verifyAnswer,
} from "@authledger/proof";
import { LedgerError, type Tuple, toHex } from "@authledger/types";

/** DER of an Ed25519 public key, before its 32 bytes (RFC 8410). */
const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Clocks of simulated machines jump by seconds; how old a head may be is not what is tested here. */
const MAX_AGE_S = 600;

/** Of the run that goes on: replicas and vaults are few, and a key takes longer to read than a signature to check. */
const keys = new Map<string, KeyObject>();
const KEYS_MAX = 256;

const deps: LightClientDeps = {
  hasher: new NodeHasher(),
  verifier: {
    verify: (publicKey, message, signature) => verify(null, message, keyOf(publicKey), signature),
  },
};

function keyOf(publicKey: Uint8Array): KeyObject {
  const id = toHex(publicKey);
  const known = keys.get(id);
  if (known !== undefined) return known;
  const der = Buffer.concat([PUBLIC_PREFIX, publicKey]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(id, key);
  return key;
}

/** What a proof shows of what an answer says. */
export type Proven =
  | { readonly kind: "shown"; readonly isThere: boolean; readonly root: string }
  /** The client trusts an older policy than the head is signed under. */
  | { readonly kind: "other-policy" }
  | { readonly kind: "wrong"; readonly why: string };

export class ProvenReader {
  #trust: TrustState;

  constructor(anchor: string) {
    this.#trust = trustFromAnchor(parseTrustAnchor(deps.hasher, anchor));
  }

  /** What to ask with. */
  get prove(): { readonly trustedSize: number; readonly configHash: Uint8Array } {
    const { head, configHash } = this.#trust;
    return { trustedSize: Number(head.size), configHash: configHash ?? new Uint8Array(0) };
  }

  /** Verifies an answer about one tuple or entity at the newest height. */
  judge(
    about: { readonly tuple: Tuple } | { readonly entity: string },
    proof: AnswerProof,
    nowMs: number,
  ): Proven {
    const key: LedgerKey = "tuple" in about ? tupleKey(about.tuple) : entityKey(about.entity);
    try {
      const rules = { nowMs, maxAgeS: MAX_AGE_S, maxSkewS: MAX_AGE_S };
      // Another answer may have brought a newer head meanwhile.
      const verified = verifyAnswer(this.#trust, proof, { want: "any", ...rules }, deps);
      const answer = askState(verified.state!, { kind: "get", key }, verified.timeMs);
      this.#trust = verified.trust;
      const root = toHex(verified.header.stateRoot);
      return { kind: "shown", isThere: answer.kind === "present", root };
    } catch (error) {
      const failure = LedgerError.from(error);
      const { reason } = failure.details;
      if (reason === "policy" || reason === "quorum") return { kind: "other-policy" };
      return { kind: "wrong", why: `${failure.code}: ${failure.message}` };
    }
  }
}
