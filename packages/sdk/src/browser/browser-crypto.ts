/** What stands in a browser in the place of `verify/node-crypto.ts` (package.json, `browser`), under its name. */
import { type LightClientDeps, nobleHasher, nobleVerifier } from "@authledger/proof";

/** SHA-256 and Ed25519 in JavaScript: WebCrypto answers later only, and a proof is hundreds of short hashes. */
export const nodeCrypto: LightClientDeps = { hasher: nobleHasher, verifier: nobleVerifier };
