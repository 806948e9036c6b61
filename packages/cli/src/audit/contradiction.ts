/** What an auditor found, with everything that shows it to others. */
import type { PolicyBundle, PolicyReceipt } from "@authledger/proof";
import { LedgerError, toHex } from "@authledger/types";
import { policiesField } from "../run/policy-list.js";

/**
 * `genesis`: another first block than the anchored one; `fork`: two signed roots of one size; `consistency`: two signed
 * heads of which neither is proven to continue the other; `rollback`: fewer blocks than were signed before; `history`:
 * the blocks shown are not those signed; `block`: a block does not lead to what its header says; `checkpoint`: a head
 * that is not signed as any policy asks that the anchor leads to; `policy`: one that is not proven under the one before.
 */
export type ContradictionKind =
  | "genesis"
  | "fork"
  | "consistency"
  | "rollback"
  | "history"
  | "block"
  | "checkpoint"
  | "policy";

export interface Evidence {
  /** The note that was trusted; empty for the anchor. */
  readonly trusted: string;
  /** The note that contradicts it; empty where it is a block. */
  readonly received: string;
  /** What leads from the anchor's policy to those under which heads were judged. */
  readonly policies: readonly PolicyReceipt[];
  /** The policy that is not proven; `received` is its head. */
  readonly refused?: PolicyBundle;
  readonly height?: number;
  readonly header?: Uint8Array;
  readonly transactions?: readonly Uint8Array[];
  readonly witness?: Uint8Array;
}

/** The ledger contradicts itself, or what it signed. */
export class Contradiction extends LedgerError {
  readonly kind: ContradictionKind;
  readonly evidence: Evidence;

  constructor(kind: ContradictionKind, message: string, evidence: Evidence, cause?: LedgerError) {
    const code = kind === "fork" ? "EQUIVOCATION" : "PROOF_INVALID";
    const reason = cause?.details["reason"] ?? kind;
    const at = evidence.height === undefined ? {} : { height: evidence.height };
    super(code, message, { details: { reason, contradiction: kind, ...at }, cause });
    this.kind = kind;
    this.evidence = evidence;
  }

  /** All of it as JSON. */
  format(about: {
    readonly origin: string;
    readonly anchor: string;
    readonly atMs: number;
  }): string {
    const { trusted, received, height, header, transactions, witness } = this.evidence;
    const { policies, refused } = this.evidence;
    return `${JSON.stringify(
      {
        kind: this.kind,
        message: this.message,
        reason: this.details["reason"],
        origin: about.origin,
        found_at_ms: about.atMs,
        trusted_note: trusted,
        received_note: received,
        height,
        header: header && toHex(header),
        transactions: transactions?.map(toHex),
        witness: witness && toHex(witness),
        refused_policy: refused && bundleFields(refused),
        ...policiesField(policies),
        anchor: about.anchor,
      },
      null,
      2,
    )}\n`;
  }
}

/** As it was sent: it need not be whole enough for a receipt. */
function bundleFields(bundle: PolicyBundle): Readonly<Record<string, string | readonly string[]>> {
  return {
    policy_value: toHex(bundle.policyValue),
    header: toHex(bundle.header),
    state_proof: toHex(bundle.stateProof),
    history_proof: bundle.historyProof.map(toHex),
    consistency_proof: bundle.consistencyProof.map(toHex),
  };
}
