/** SHA-256 and Ed25519 of node:crypto, as the light client wants them: much faster than in JavaScript. */
import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import type { LightClientDeps, SignatureVerifier } from "@authledger/proof";
import { HASH_BYTES, type Hasher } from "@authledger/types";

/** SubjectPublicKeyInfo in front of an Ed25519 key (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Keys kept as objects; a policy has a handful. */
const KEYS_MAX = 1_024;

const nodeHasher: Hasher = {
  sha256(data) {
    const out = new Uint8Array(HASH_BYTES);
    nodeHasher.sha256Into(data, out, 0);
    return out;
  },
  sha256Into(data, out, offset) {
    const digest = hash("sha256", data, "binary");
    for (let i = 0; i < HASH_BYTES; i++) out[offset + i] = digest.charCodeAt(i);
  },
};

const keys = new Map<string, KeyObject>();

function keyObject(publicKey: Uint8Array): KeyObject {
  const id = Buffer.from(publicKey).toString("latin1");
  let key = keys.get(id);
  if (key === undefined) {
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    key = createPublicKey({ key: der, format: "der", type: "spki" });
    if (keys.size >= KEYS_MAX) keys.clear();
    keys.set(id, key);
  }
  return key;
}

const nodeVerifier: SignatureVerifier = {
  verify(publicKey, message, signature) {
    try {
      return verify(null, message, keyObject(publicKey), signature);
    } catch {
      return false; // 32 bytes that are no key
    }
  },
};

/** What the light client computes with. */
export const nodeCrypto: LightClientDeps = { hasher: nodeHasher, verifier: nodeVerifier };
