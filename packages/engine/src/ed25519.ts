/** Ed25519 of node:crypto over raw seeds: 21 us a signature (baselines.md). */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { SignatureVerifier } from "@authledger/proof";

export class SigningKey {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array) {
    // As JWK: OpenSSL takes 380 us to find out what a PKCS #8 is, and 45 us with this. A private key is made of `d`
    // alone; `x` has to be there and is not looked at, the one that is exported is computed.
    const d = Buffer.from(seed).toString("base64url");
    this.#key = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x: d }, format: "jwk" });
    this.publicKey = new Uint8Array(
      Buffer.from(this.#key.export({ format: "jwk" }).x!, "base64url"),
    );
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key));
  }
}

/** SubjectPublicKeyInfo in front of an Ed25519 key (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Keys kept as objects: those of the voters, and of the vaults whose notes others have shown. */
const KEYS_MAX = 1_024;
const keys = new Map<string, KeyObject>();

/** Verification by node:crypto: 60 us, where JavaScript takes milliseconds. */
export const nodeVerifier: SignatureVerifier = {
  verify(publicKey, message, signature) {
    try {
      return verify(null, message, keyObject(publicKey), signature);
    } catch {
      return false; // 32 bytes that are no key
    }
  },
};

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
