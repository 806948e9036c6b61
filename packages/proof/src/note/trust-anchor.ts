/**
 * The trust anchor: the small thing that a client must get from somewhere it trusts, and then nothing else.
 * One line of JSON, for files (docs/format/ledger-records.md):
 *
 *     {"origin":...,"salt":hex,"genesis":hex of block_hash(0),"policy":{...}}
 */
import { decodeUtf8, fromHex, type Hasher, toHex, utf8, validateOrigin } from "@authledger/types";
import { reject } from "../rejection.js";
import { decodePolicy, encodePolicy, type Policy } from "./policy.js";

export interface TrustAnchor {
  /** The vault's public name. */
  readonly origin: string;
  readonly salt: Uint8Array;
  /** block_hash(0). */
  readonly genesis: Uint8Array;
  readonly policy: Policy;
}

export function formatTrustAnchor({ origin, salt, genesis, policy }: TrustAnchor): string {
  const policyJson = decodeUtf8(encodePolicy(policy)) ?? "";
  const head = JSON.stringify({ origin, salt: toHex(salt), genesis: toHex(genesis) });
  return `${head.slice(0, -1)},"policy":${policyJson}}`;
}

/** @throws LedgerError PROOF_INVALID with reason "policy" */
export function parseTrustAnchor(hasher: Hasher, text: string): TrustAnchor {
  const value = parse(text);
  const { origin, salt, genesis, policy } = value;
  if (typeof origin !== "string" || typeof policy !== "object" || policy === null) {
    throw reject("policy", "a trust anchor has origin, salt, genesis and policy");
  }
  validateOrigin(origin);
  return {
    origin,
    salt: hash(salt, "salt"),
    genesis: hash(genesis, "genesis"),
    policy: decodePolicy(hasher, utf8(JSON.stringify(policy))),
  };
}

function parse(text: string): {
  readonly origin?: unknown;
  readonly salt?: unknown;
  readonly genesis?: unknown;
  readonly policy?: unknown;
} {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Reported below.
  }
  throw reject("policy", "the trust anchor is not a JSON object");
}

function hash(value: unknown, name: string): Uint8Array {
  const bytes =
    typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? fromHex(value) : undefined;
  if (bytes === undefined) throw reject("policy", `"${name}" is 64 hex digits`);
  return bytes;
}
