/**
 * The trust anchor: the small thing that a client must get from somewhere it trusts, and then nothing else.
 * One line of JSON, for files (docs/format/ledger-records.md):
 *
 *     {"origin":...,"salt":hex,"genesis":hex of block_hash(0),"policy":{...}}
 *
 *   INV-ANCHOR-1  An anchor has one text, with or without a line feed behind it; no other is read.
 */
import { fromHex, type Hasher, toHex } from "@authledger/types";
import { reject } from "../rejection.js";
import {
  isFields,
  parseFields,
  requireCanonical,
  textField,
  type UncheckedFields,
} from "./canonical-json.js";
import { formatPolicy, type Policy, policyOfFields } from "./policy.js";

export interface TrustAnchor {
  /** The vault's public name. */
  readonly origin: string;
  readonly salt: Uint8Array;
  /** block_hash(0). */
  readonly genesis: Uint8Array;
  readonly policy: Policy;
}

export function formatTrustAnchor({ origin, salt, genesis, policy }: TrustAnchor): string {
  const head = JSON.stringify({ origin, salt: toHex(salt), genesis: toHex(genesis) });
  return `${head.slice(0, -1)},"policy":${formatPolicy(policy)}}`;
}

/** @throws LedgerError PROOF_INVALID with reason "anchor", or "policy" or "key" for those parts of it */
export function parseTrustAnchor(hasher: Hasher, text: string): TrustAnchor {
  const fields = parseFields(text, "anchor");
  const { policy } = fields;
  if (!isFields(policy)) throw reject("anchor", '"policy" of the anchor is an object');
  const anchor: TrustAnchor = {
    origin: textField(fields, "origin", "anchor"),
    salt: hashField(fields, "salt"),
    genesis: hashField(fields, "genesis"),
    policy: policyOfFields(hasher, policy),
  };
  // Names of keys are checked, so this also checks the origin.
  const isOwnLog = anchor.policy.logKeys.every(({ name }) => name === anchor.origin);
  if (!isOwnLog) throw reject("anchor", "a log key of the policy is of another origin");
  requireCanonical(text.replace(/\n$/, ""), formatTrustAnchor(anchor), "anchor");
  return anchor;
}

function hashField(fields: UncheckedFields, name: string): Uint8Array {
  const bytes = fromHex(textField(fields, name, "anchor"));
  if (bytes?.length !== 32) throw reject("anchor", `"${name}" is not 64 hex digits`);
  return bytes;
}
