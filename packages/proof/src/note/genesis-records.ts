/**
 * The texts of two records that genesis sets beside the policy: the descriptor ("ledger","genesis","") and the
 * limits ("ledger","limits",""); docs/format/ledger-records.md.
 *
 *     {"origin":"ledger.example/acme/prod","incarnation":0}
 *     {"origin":"ledger.example/acme/prod/i1","incarnation":1,"predecessor":{"origin":...,"size":812,"root":hex}}
 *     {"max_ops":1000}
 *
 * A restored vault is a new log that names the head it was restored from (commitment.md, "Signing rules", 5).
 */
import { decodeUtf8, fromHex, incarnationOf, toHex, utf8 } from "@authledger/types";
import { reject } from "../rejection.js";
import {
  integerField,
  isFields,
  parseFields,
  requireCanonical,
  textField,
  type UncheckedFields,
} from "./canonical-json.js";
import { isKeyName } from "./note-key.js";

/** The head that a restored vault goes on from. */
export interface Predecessor {
  readonly origin: string;
  /** Blocks of its history, up to and with the one whose state was restored. */
  readonly size: number;
  /** Root of that history, 32 bytes. */
  readonly root: Uint8Array;
}

/** What a vault says of itself in its first block. */
export interface Descriptor {
  readonly origin: string;
  /** 0: the vault was not restored from another. */
  readonly incarnation: number;
  /** Present from incarnation 1 on. */
  readonly predecessor?: Predecessor;
}

export function encodeDescriptor(origin: string, predecessor?: Predecessor): Uint8Array {
  const incarnation = predecessor === undefined ? 0 : incarnationOf(origin);
  return utf8(formatDescriptor({ origin, incarnation, ...(predecessor && { predecessor }) }));
}

function formatDescriptor({ origin, incarnation, predecessor }: Descriptor): string {
  return JSON.stringify({
    origin,
    incarnation,
    predecessor: predecessor && {
      origin: predecessor.origin,
      size: predecessor.size,
      root: toHex(predecessor.root),
    },
  });
}

/** @throws LedgerError PROOF_INVALID with reason "descriptor" */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  const text = decodeUtf8(bytes);
  const fields = parseFields(text, "descriptor");
  const origin = textField(fields, "origin", "descriptor");
  const incarnation = integerField(fields, "incarnation", { min: 0, reason: "descriptor" });
  if (!isKeyName(origin)) throw reject("descriptor", "the origin cannot name a log");
  const { predecessor } = fields;
  const isRestored = incarnation > 0;
  if (
    isRestored !== isFields(predecessor) ||
    (isRestored && incarnationOf(origin) !== incarnation)
  ) {
    throw reject("descriptor", `incarnation ${incarnation} does not go with the rest`);
  }
  const descriptor: Descriptor = {
    origin,
    incarnation,
    ...(isFields(predecessor) && { predecessor: predecessorOf(predecessor) }),
  };
  requireCanonical(text ?? "", formatDescriptor(descriptor), "descriptor");
  return descriptor;
}

function predecessorOf(fields: UncheckedFields): Predecessor {
  const origin = textField(fields, "origin", "descriptor");
  const root = textField(fields, "root", "descriptor");
  if (!isKeyName(origin) || !/^[0-9a-f]{64}$/.test(root)) {
    throw reject("descriptor", "a predecessor has an origin and a root of 64 hex digits");
  }
  const size = integerField(fields, "size", { min: 1, reason: "descriptor" });
  return { origin, size, root: fromHex(root) };
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
