/**
 * A secret for one node only: sealed to its X25519 key, so that whoever carries it learns nothing (docs/format/peer.md).
 *
 *     u8 version = 1 || ephemeral public key 32 || ciphertext || tag 16
 *
 * An ephemeral key of each sealing meets the recipient's (X25519, RFC 7748); HKDF-SHA256 (RFC 5869) makes a key and a
 * nonce of what they share, and AES-256-GCM seals. The key is used once, so the nonce may follow from the same input.
 *
 *   INV-PEER-2  A sealed secret opens for the node, the cluster and the purpose that it was sealed for, and nowhere else.
 *
 * It says nothing about who sealed it: the channel that it comes over does (mutual TLS).
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import type { Random } from "@authledger/io";
import { ByteWriter, concatBytes, LedgerError, type NodeId } from "@authledger/types";

/** What a sealed secret is bound to. */
export interface SealContext {
  readonly clusterId: string;
  readonly recipient: NodeId;
  /** What the secret is, such as "log seed". */
  readonly purpose: string;
}

/** Secrets are seeds and keys. */
const SECRET_BYTES_MAX = 4_096;
const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_BYTES;

/** A node's key that secrets are sealed to, made of 32 random bytes. */
export class SealingKey {
  /** Part of what a node tells its peers. */
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array) {
    // As ed25519.ts: `d` makes the key, `x` has to be there and is computed anew.
    const d = base64url(seed);
    this.#key = createPrivateKey({ key: { kty: "OKP", crv: "X25519", d, x: d }, format: "jwk" });
    const { x } = this.#key.export({ format: "jwk" });
    this.publicKey = new Uint8Array(Buffer.from(x!, "base64url"));
  }

  /** @throws LedgerError SEALED_SECRET_INVALID unless it was sealed for this key and context, and is unchanged */
  open(sealed: Uint8Array, context: SealContext): Uint8Array {
    if (sealed.length < HEADER_BYTES + TAG_BYTES) throw invalid("it is too short");
    if (sealed.length > HEADER_BYTES + SECRET_BYTES_MAX + TAG_BYTES)
      throw invalid("it is too long");
    if (sealed[0] !== VERSION) throw invalid(`its version is ${sealed[0]}, not ${VERSION}`);
    const header = sealed.subarray(0, HEADER_BYTES);
    const ephemeral = header.subarray(1);
    const body = sealed.subarray(HEADER_BYTES, sealed.length - TAG_BYTES);
    try {
      const shared = this.agree(ephemeral);
      const { key, nonce, about } = derive(shared, header, this.publicKey, context);
      const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(about);
      cipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      return new Uint8Array(Buffer.concat([cipher.update(body), cipher.final()]));
    } catch (cause) {
      throw invalid("it is for another node, cluster or purpose, or was changed", cause);
    }
  }

  /** What this key shares with the owner of a public key. Throws for a key of low order. */
  agree(publicKey: Uint8Array): Uint8Array {
    const key = createPublicKey({
      key: { kty: "OKP", crv: "X25519", x: base64url(publicKey) },
      format: "jwk",
    });
    return diffieHellman({ privateKey: this.#key, publicKey: key });
  }
}

/**
 * Seals a secret to a node's `sealKey`.
 * @throws LedgerError SEALED_SECRET_INVALID when the key is none, or the secret is longer than SECRET_BYTES_MAX
 */
export function sealSecret(
  secret: Uint8Array,
  sealKey: Uint8Array,
  context: SealContext,
  random: Random,
): Uint8Array {
  if (secret.length > SECRET_BYTES_MAX) throw invalid("the secret is too long to be sealed");
  const ephemeral = new SealingKey(random.bytes(KEY_BYTES));
  const header = concatBytes(Uint8Array.of(VERSION), ephemeral.publicKey);
  const shared = agreeWith(ephemeral, sealKey);
  const { key, nonce, about } = derive(shared, header, sealKey, context);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(about);
  const body = cipher.update(secret);
  return concatBytes(header, body, cipher.final(), cipher.getAuthTag());
}

/** Can secrets be sealed to this key? */
export function isSealKey(sealKey: Uint8Array): boolean {
  try {
    agreeWith(PROBE, sealKey);
    return true;
  } catch {
    return false;
  }
}

/** Nobody may choose the key for us: a sealing key of low order is refused. */
function agreeWith(ephemeral: SealingKey, sealKey: Uint8Array): Uint8Array {
  try {
    return ephemeral.agree(sealKey);
  } catch (cause) {
    throw invalid("the node's sealing key is no usable X25519 key", cause);
  }
}

/** Seals nothing: whether a key is of low order shows with any other. */
const PROBE = new SealingKey(new Uint8Array(KEY_BYTES).fill(1));

/** `about` is bound twice: into the key, and as associated data. */
function derive(
  shared: Uint8Array,
  header: Uint8Array,
  recipientKey: Uint8Array,
  { clusterId, recipient, purpose }: SealContext,
): { readonly key: Uint8Array; readonly nonce: Uint8Array; readonly about: Uint8Array } {
  const about = new ByteWriter(256)
    .lp16("authledger sealed secret v1")
    .bytes(header)
    .bytes(recipientKey)
    .lp16(clusterId)
    .u64(recipient)
    .lp16(purpose)
    .finish();
  const salt = concatBytes(header.subarray(1), recipientKey);
  const made = new Uint8Array(hkdfSync("sha256", shared, salt, about, KEY_BYTES + NONCE_BYTES));
  return { key: made.subarray(0, KEY_BYTES), nonce: made.subarray(KEY_BYTES), about };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function invalid(why: string, cause?: unknown): LedgerError {
  return new LedgerError("SEALED_SECRET_INVALID", `a sealed secret cannot be used: ${why}`, {
    cause,
  });
}
