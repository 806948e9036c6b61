/** Ed25519 by node:crypto, behind the verifier's port; what clients in Node use. */
import { createPublicKey, verify } from "node:crypto";

/** SubjectPublicKeyInfo in front of a 32-byte key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** @type {Map<string, import("node:crypto").KeyObject>} */
const keys = new Map();
/** A benchmark sees a handful of keys. */
const KEYS_MAX = 100;

/** @type {import("../../packages/proof/dist/index.js").SignatureVerifier} */
export const nodeVerifier = {
  verify(publicKey, message, signature) {
    const name = Buffer.from(publicKey).toString("hex");
    let key = keys.get(name);
    if (key === undefined) {
      const der = Buffer.concat([SPKI_PREFIX, publicKey]);
      key = createPublicKey({ key: der, format: "der", type: "spki" });
      if (keys.size < KEYS_MAX) keys.set(name, key);
    }
    return verify(null, message, key, signature);
  },
};
