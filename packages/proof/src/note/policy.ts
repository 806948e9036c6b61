/**
 * The policy of a vault, the record ("ledger","policy",""): whose signatures make a head. Also the texts of
 * the other two genesis records, descriptor and limits (docs/format/ledger-records.md).
 *
 *     {"epoch":1,"log":[vkey],"replicas":[{"id":1,"vkey":vkey}],"quorum":2,"from_size":1}
 *     {"origin":"ledger.example/acme/prod","incarnation":0}
 *     {"max_ops":1000}
 *
 * JSON without white space, keys in this order, so that equal policies are equal bytes.
 */
import { decodeUtf8, type Hasher, utf8 } from "@authledger/types";
import { reject } from "../rejection.js";
import { formatVerifierKey, type NoteKey, parseVerifierKey, SignatureType } from "./note-key.js";

/** A replica's key; several keys may share one id, which counts once. */
export interface Cosigner {
  readonly id: number;
  readonly key: NoteKey;
}

export interface Policy {
  readonly epoch: number;
  readonly logKeys: readonly NoteKey[];
  readonly cosigners: readonly Cosigner[];
  /** Distinct cosigner ids that a head needs. */
  readonly quorum: number;
  /** First size to which the policy applies. */
  readonly fromSize: number;
}

const KEYS_MAX = 64;

export function encodePolicy(policy: Policy): Uint8Array {
  return utf8(
    JSON.stringify({
      epoch: policy.epoch,
      log: policy.logKeys.map(formatVerifierKey),
      replicas: policy.cosigners.map(({ id, key }) => ({ id, vkey: formatVerifierKey(key) })),
      quorum: policy.quorum,
      from_size: policy.fromSize,
    }),
  );
}

/** @throws LedgerError PROOF_INVALID with reason "policy" */
export function decodePolicy(hasher: Hasher, bytes: Uint8Array): Policy {
  const value = parseObject(bytes);
  const policy: Policy = {
    epoch: integer(value["epoch"], "epoch"),
    logKeys: list(value["log"], "log").map((key) => keyOf(hasher, key, SignatureType.log)),
    cosigners: list(value["replicas"], "replicas").map((replica) => cosignerOf(hasher, replica)),
    quorum: integer(value["quorum"], "quorum"),
    fromSize: integer(value["from_size"], "from_size"),
  };
  const ids = new Set(policy.cosigners.map(({ id }) => id));
  if (policy.logKeys.length === 0 || policy.quorum < 1 || policy.quorum > ids.size) {
    throw reject("policy", `a quorum of ${policy.quorum} of ${ids.size} cosigners cannot be`);
  }
  return policy;
}

export function encodeDescriptor(origin: string): Uint8Array {
  return utf8(JSON.stringify({ origin, incarnation: 0 }));
}

export function encodeLimits(operationsMax: number): Uint8Array {
  return utf8(JSON.stringify({ max_ops: operationsMax }));
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  const text = decodeUtf8(bytes);
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (isObject(value)) return value;
  } catch {
    // Reported below, like every other text that is not an object.
  }
  throw reject("policy", "the policy is not a JSON object");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function integer(value: unknown, name: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw reject("policy", `"${name}" of a policy is a whole number`);
}

function list(value: unknown, name: string): readonly unknown[] {
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
  if (!isObject(value)) throw reject("policy", "a replica has an id and a vkey");
  return {
    id: integer(value["id"], "id"),
    key: keyOf(hasher, value["vkey"], SignatureType.cosignature),
  };
}
