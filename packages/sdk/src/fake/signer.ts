/** The keys of a fake ledger: its heads verify against the anchors that it gives out, and against nothing else. */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import {
  checkpointBody,
  cosignatureLine,
  deriveLogSeed,
  formatCheckpoint,
  type NoteKey,
  noteKey,
  type Policy,
  SignatureType,
  signatureLine,
} from "@authledger/proof";
import { nodeCrypto } from "../verify/node-crypto.js";

/** PKCS #8 in front of an Ed25519 seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
/** SubjectPublicKeyInfo in front of an Ed25519 key. */
const SPKI_BYTES = 12;
const EPOCH = 1;

interface Key {
  readonly name: NoteKey;
  readonly secret: KeyObject;
}

export class FakeSigner {
  readonly #seed = new Uint8Array(randomBytes(32));
  readonly #replica = keyOf("replica.fake", SignatureType.cosignature, randomBytes(32));
  readonly #logKeys = new Map<string, Key>();

  /** The policy of a new vault: its log key, one replica, quorum 1. */
  policy(origin: string): Policy {
    return {
      epoch: EPOCH,
      logKeys: [this.#logKey(origin).name],
      cosigners: [{ id: 1, key: this.#replica.name }],
      quorum: 1,
      fromSize: 1,
    };
  }

  checkpoint(origin: string, size: number, root: Uint8Array, timeMs: number): string {
    const log = this.#logKey(origin);
    const body = checkpointBody({ origin, size: BigInt(size), root });
    const timeS = Math.floor(timeMs / 1000);
    return formatCheckpoint(body, [
      signatureLine(log.name, body, (message) => signed(log, message)),
      cosignatureLine(this.#replica.name, body, timeS, (message) => signed(this.#replica, message)),
    ]);
  }

  #logKey(origin: string): Key {
    let key = this.#logKeys.get(origin);
    if (key === undefined) {
      key = keyOf(origin, SignatureType.log, deriveLogSeed(this.#seed, origin, EPOCH));
      this.#logKeys.set(origin, key);
    }
    return key;
  }
}

function keyOf(name: string, type: NoteKey["type"], seed: Uint8Array): Key {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(SPKI_BYTES));
  return { name: noteKey(nodeCrypto.hasher, name, type, publicKey), secret };
}

function signed({ secret }: Key, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, secret));
}
