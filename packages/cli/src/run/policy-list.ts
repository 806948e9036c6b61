/** Policies of a vault as a list in JSON files (docs/format/commitment.md, "Policies beside a receipt"). */
import {
  decodeHeader,
  formatReceipt,
  type PolicyBundle,
  type PolicyReceipt,
} from "@authledger/proof";
import { fromHex, LedgerError, toHex } from "@authledger/types";

/** A policy in JSON. */
interface PolicyFields {
  readonly receipt: string;
  readonly policy_value: string;
  readonly [name: string]: string;
}

/** @throws LedgerError PROOF_INVALID when the header of the bundle is none */
export function policyReceipt(bundle: PolicyBundle): PolicyReceipt {
  const { header, historyProof, checkpoint, stateProof, policyValue } = bundle;
  const height = BigInt(decodeHeader(header).height);
  const whole = { height, historyProof, checkpoint, header, inside: stateProof };
  return { receipt: formatReceipt(whole), policyValue };
}

/** The field `policies` of files that are JSON; absent where there are none. */
export function policiesField(policies: readonly PolicyReceipt[]): {
  readonly policies?: readonly PolicyFields[];
} {
  if (policies.length === 0) return {};
  return {
    policies: policies.map(({ receipt, policyValue }) => {
      return { receipt, policy_value: toHex(policyValue) };
    }),
  };
}

/** @throws LedgerError PROOF_INVALID */
export function parsePolicies(value: unknown): readonly PolicyReceipt[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw malformedPolicies();
  return value.map((item: unknown) => {
    const { receipt, policy_value: hex } = Object(item) as Partial<Record<string, unknown>>;
    const policyValue = typeof hex === "string" ? bytesOf(hex) : undefined;
    if (typeof receipt !== "string" || policyValue === undefined) throw malformedPolicies();
    return { receipt, policyValue };
  });
}

function bytesOf(hex: string): Uint8Array | undefined {
  try {
    return fromHex(hex);
  } catch {
    return undefined;
  }
}

export function malformedPolicies(): LedgerError {
  const message = "the policies beside the proof are not a list of receipts with their values";
  return new LedgerError("PROOF_INVALID", message, { details: { reason: "file" } });
}
