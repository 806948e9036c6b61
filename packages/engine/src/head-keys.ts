/** The keys that a node signs heads with: the log key of each vault, which every voter derives, and its own cosigning key. */
import {
  cosignatureLine,
  cosignedMessage,
  deriveLogSeed,
  type NoteKey,
  noteKey,
  SignatureType,
  signatureLine,
} from "@authledger/proof";
import type { Hasher } from "@authledger/types";
import type { MemberInfo } from "./cluster/peer-port.js";
import { nodeVerifier, SigningKey } from "./ed25519.js";
import { CHECKPOINTS_KEPT_MAX } from "./limits.js";
import { type NodeSecrets, replicaName } from "./node-directory.js";

/** Log keys do not change with the policy. */
const LOG_KEY_EPOCH = 1;

interface OwnKey {
  readonly key: NoteKey;
  readonly signing: SigningKey;
}

export class HeadKeys {
  readonly #hasher: Hasher;
  /** The log seed may come later: a node that joins gets it once it votes. */
  readonly #secrets: NodeSecrets;
  readonly #replica: OwnKey;
  readonly #logKeys = new Map<string, OwnKey>();

  constructor(hasher: Hasher, name: string, secrets: NodeSecrets) {
    this.#hasher = hasher;
    this.#secrets = secrets;
    const signing = new SigningKey(secrets.replicaSeed);
    const key = noteKey(hasher, name, SignatureType.cosignature, signing.publicKey);
    this.#replica = { key, signing };
  }

  /** The key that this replica cosigns with. */
  get replica(): NoteKey {
    return this.#replica.key;
  }

  /** The log key of a vault. @throws LedgerError NOT_READY while the log seed has not reached this node */
  log(origin: string): NoteKey {
    return this.#log(origin).key;
  }

  /** The line of the log's signature under a head. */
  logLine(origin: string, body: string): string {
    const { key, signing } = this.#log(origin);
    return signatureLine(key, body, (message) => signing.sign(message));
  }

  /** This replica's cosignature of a head, 64 bytes. */
  cosign(body: string, timeMs: number): Uint8Array {
    return this.#replica.signing.sign(cosignedMessage(secondsOf(timeMs), body));
  }

  #log(origin: string): OwnKey {
    const known = this.#logKeys.get(origin);
    if (known !== undefined) return known;
    const signing = new SigningKey(deriveLogSeed(this.#secrets.logSeed, origin, LOG_KEY_EPOCH));
    const key = noteKey(this.#hasher, origin, SignatureType.log, signing.publicKey);
    if (this.#logKeys.size >= CHECKPOINTS_KEPT_MAX) this.#logKeys.clear();
    this.#logKeys.set(origin, { key, signing });
    return { key, signing };
  }
}

/** The key that a member cosigns with, as policies name it. */
export function memberKey(hasher: Hasher, member: MemberInfo): NoteKey {
  return noteKey(hasher, replicaName(member), SignatureType.cosignature, member.cosignKey);
}

/** Is it the key's cosignature of this head at this time? One bad line would spoil the note for everybody. */
export function isCosignature(
  key: NoteKey,
  { body, timeMs }: { readonly body: string; readonly timeMs: number },
  signature: Uint8Array,
): boolean {
  return nodeVerifier.verify(key.publicKey, cosignedMessage(secondsOf(timeMs), body), signature);
}

/** The line of a cosignature that was made before. */
export function madeLine(
  key: NoteKey,
  { body, timeMs }: { readonly body: string; readonly timeMs: number },
  signature: Uint8Array,
): string {
  return cosignatureLine(key, body, secondsOf(timeMs), () => signature);
}

/** Cosignatures tell whole seconds. */
function secondsOf(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
