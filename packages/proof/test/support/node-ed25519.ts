/** Ed25519 of node:crypto: signs for the tests, and stands in as a second verifier, ten times as fast. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { SignatureVerifier } from "../../src/index.js";

/** RFC 8410: what stands before the 32 bytes of a seed (PKCS 8) and of a public key (SPKI). */
const SEED_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export interface TestSigner {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export function signerOf(seed: Uint8Array): TestSigner {
  const key = createPrivateKey({
    key: Buffer.concat([SEED_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: Uint8Array.from(spki.subarray(PUBLIC_PREFIX.length)),
    sign: (message) => Uint8Array.from(sign(null, message, key)),
  };
}

const known = new Map<string, KeyObject>();

export const nodeVerifier: SignatureVerifier = {
  verify(publicKey, message, signature) {
    const name = Buffer.from(publicKey).toString("hex");
    let key = known.get(name);
    if (key === undefined) {
      const der = Buffer.concat([PUBLIC_PREFIX, publicKey]);
      key = createPublicKey({ key: der, format: "der", type: "spki" });
      known.set(name, key);
    }
    return verify(null, message, key, signature);
  },
};
