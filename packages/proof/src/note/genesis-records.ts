/**
 * The texts of two records that genesis sets beside the policy: the descriptor ("ledger","genesis","") and the
 * limits ("ledger","limits",""); docs/format/ledger-records.md.
 *
 *     {"origin":"ledger.example/acme/prod","incarnation":0}
 *     {"max_ops":1000}
 *
 * Not here: later incarnations, whose descriptor also names a predecessor.
 */
import { decodeUtf8, utf8 } from "@authledger/types";
import { reject } from "../rejection.js";
import { integerField, parseFields, requireCanonical, textField } from "./canonical-json.js";
import { isKeyName } from "./note-key.js";

/** What a vault says of itself in its first block. */
export interface Descriptor {
  readonly origin: string;
  /** 0: the vault was not restored from another. */
  readonly incarnation: number;
}

export function encodeDescriptor(origin: string): Uint8Array {
  return utf8(JSON.stringify({ origin, incarnation: 0 }));
}

/** @throws LedgerError PROOF_INVALID with reason "descriptor" */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  const text = decodeUtf8(bytes);
  const fields = parseFields(text, "descriptor");
  const origin = textField(fields, "origin", "descriptor");
  const incarnation = integerField(fields, "incarnation", { min: 0, reason: "descriptor" });
  if (!isKeyName(origin)) throw reject("descriptor", "the origin cannot name a log");
  if (incarnation !== 0) throw reject("descriptor", `incarnation ${incarnation} is not supported`);
  requireCanonical(text ?? "", JSON.stringify({ origin, incarnation }), "descriptor");
  return { origin, incarnation };
}

/** What a vault allows its writers. */
export interface VaultLimits {
  /** Operations of one transaction. */
  readonly operationsMax: number;
}

export function encodeLimits(operationsMax: number): Uint8Array {
  return utf8(JSON.stringify({ max_ops: operationsMax }));
}

/** @throws LedgerError PROOF_INVALID with reason "limits" */
export function decodeLimits(bytes: Uint8Array): VaultLimits {
  const text = decodeUtf8(bytes);
  const fields = parseFields(text, "limits");
  const operationsMax = integerField(fields, "max_ops", { min: 1, reason: "limits" });
  requireCanonical(text ?? "", JSON.stringify({ max_ops: operationsMax }), "limits");
  return { operationsMax };
}
