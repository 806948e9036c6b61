/** Ed25519 verification as a port; the default is @noble/ed25519 in strict mode (RFC 8032, not ZIP 215). */
import { hashes, verify } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";

export interface SignatureVerifier {
  /** Ed25519: 32-byte key, 64-byte signature. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export const nobleVerifier: SignatureVerifier = {
  verify(publicKey, message, signature) {
    hashes.sha512 = sha512;
    try {
      return verify(signature, message, publicKey, { zip215: false });
    } catch {
      return false;
    }
  },
};
