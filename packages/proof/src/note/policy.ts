/**
 * The policy of a vault, the record ("ledger","policy",""): whose signatures make a head
 * (docs/format/ledger-records.md).
 *
 *     {"epoch":1,"log":[vkey],"replicas":[{"id":1,"vkey":vkey}],"quorum":2,"from_size":1}
 *
 * and behind it, where they are set, `"recovery":vkey` and `"max_offline":seconds`.
 *
 *   INV-POLICY-1  Equal policies are equal bytes: there is one text of each, and no other is read.
 *   INV-POLICY-2  No key stands in a policy twice, so nobody who holds one key counts as two cosigners.
 */
import { decodeUtf8, type Hasher, toHex, utf8 } from "@authledger/types";
import { reject } from "../rejection.js";
import {
  integerField,
  isFields,
  parseFields,
  requireCanonical,
  textField,
  type UncheckedFields,
} from "./canonical-json.js";
import { formatVerifierKey, type NoteKey, parseVerifierKey, SignatureType } from "./note-key.js";

/** A replica's key; several keys may share one id, which counts once. */
export interface Cosigner {
  readonly id: number;
  readonly key: NoteKey;
}

export interface Policy {
  /** From 1, and one more with each change. */
  readonly epoch: number;
  readonly logKeys: readonly NoteKey[];
  readonly cosigners: readonly Cosigner[];
  /** Distinct cosigner ids that a head needs. */
  readonly quorum: number;
  /** First size to which the policy applies. */
  readonly fromSize: number;
  /** Signs the statement that moves clients to another incarnation. */
  readonly recoveryKey?: NoteKey | undefined;
  /** How long a client may rely on this policy without hearing of the vault, in seconds. */
  readonly maxOfflineS?: number | undefined;
}

const KEYS_MAX = 64;

export function encodePolicy(policy: Policy): Uint8Array {
  return utf8(formatPolicy(policy));
}

/** The policy's text. */
export function formatPolicy(policy: Policy): string {
  const { recoveryKey, maxOfflineS } = policy;
  return JSON.stringify({
    epoch: policy.epoch,
    log: policy.logKeys.map(formatVerifierKey),
    replicas: policy.cosigners.map(({ id, key }) => ({ id, vkey: formatVerifierKey(key) })),
    quorum: policy.quorum,
    from_size: policy.fromSize,
    recovery: recoveryKey && formatVerifierKey(recoveryKey),
    max_offline: maxOfflineS,
  });
}

/** @throws LedgerError PROOF_INVALID with reason "policy", or "key" for a text that is no verifier key */
export function decodePolicy(hasher: Hasher, bytes: Uint8Array): Policy {
  const text = decodeUtf8(bytes);
  const policy = policyOfFields(hasher, parseFields(text, "policy"));
  requireCanonical(text ?? "", formatPolicy(policy), "policy");
  return policy;
}

/** The policy of an object whose text the caller compares with the canonical one. */
export function policyOfFields(hasher: Hasher, fields: UncheckedFields): Policy {
  const policy: Policy = {
    epoch: integerField(fields, "epoch", { min: 1, reason: "policy" }),
    logKeys: listField(fields, "log").map((key) => keyOf(hasher, key, SignatureType.log)),
    cosigners: listField(fields, "replicas").map((replica) => cosignerOf(hasher, replica)),
    quorum: integerField(fields, "quorum", { min: 1, reason: "policy" }),
    fromSize: integerField(fields, "from_size", { min: 1, reason: "policy" }),
    ...optionalFields(hasher, fields),
  };
  checkKeys(policy);
  return policy;
}

function optionalFields(
  hasher: Hasher,
  fields: UncheckedFields,
): Pick<Policy, "recoveryKey" | "maxOfflineS"> {
  const recovery = fields["recovery"];
  const hasMaxOffline = fields["max_offline"] !== undefined;
  return {
    ...(recovery !== undefined && { recoveryKey: keyOf(hasher, recovery, SignatureType.log) }),
    ...(hasMaxOffline && {
      maxOfflineS: integerField(fields, "max_offline", { min: 1, reason: "policy" }),
    }),
  };
}

function checkKeys({ logKeys, cosigners, quorum }: Policy): void {
  const ids = new Set(cosigners.map(({ id }) => id));
  if (logKeys.length === 0) throw reject("policy", "a policy names no log key");
  if (quorum > ids.size) {
    throw reject("policy", `a quorum of ${quorum} of ${ids.size} cosigners cannot be`);
  }
  const keys = [...logKeys, ...cosigners.map(({ key }) => key)];
  const isTwice =
    new Set(keys.map(({ publicKey }) => toHex(publicKey))).size < keys.length ||
    new Set(keys.map(({ name, id }) => `${name} ${toHex(id)}`)).size < keys.length;
  if (isTwice) throw reject("policy", "a key, or a name and key id, stands in the policy twice");
}

function listField(fields: UncheckedFields, name: string): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value) && value.length <= KEYS_MAX) return value;
  throw reject("policy", `"${name}" of a policy is a list of at most ${KEYS_MAX}`);
}

function keyOf(hasher: Hasher, value: unknown, type: SignatureType): NoteKey {
  if (typeof value !== "string") throw reject("policy", "a verifier key is text");
  const key = parseVerifierKey(hasher, value);
  if (key.type !== type) throw reject("policy", `${key.name} is not a key of type ${type}`);
  return key;
}

function cosignerOf(hasher: Hasher, value: unknown): Cosigner {
  if (!isFields(value)) throw reject("policy", "a replica has an id and a vkey");
  return {
    id: integerField(value, "id", { min: 0, reason: "policy" }),
    key: keyOf(hasher, textField(value, "vkey", "policy"), SignatureType.cosignature),
  };
}
