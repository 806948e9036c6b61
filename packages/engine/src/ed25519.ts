/** Ed25519 of node:crypto over raw seeds: 21 us a signature (baselines.md). */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/** PKCS #8 in front of a 32-byte seed (RFC 8410, section 7). */
const PKCS8_PREFIX: Buffer = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY_BYTES = 32;

export class SigningKey {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array) {
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    this.#key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(spki.length - KEY_BYTES));
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key));
  }
}
