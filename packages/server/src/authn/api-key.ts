/**
 * The text of an API key: `alk_<id>_<secret><checksum>`, letters and digits only, so that a double click takes all of it
 * and a scanner for leaked secrets finds it: alk_[0-9A-Za-z]{1,20}_[0-9A-Za-z]{49}.
 *
 *     id        16 characters, random; `root` for the root credential. It is no secret: lists and audit records name it
 *     secret    43 characters: 256 random bits in base 62
 *     checksum   6 characters: CRC-32 of all before it in base 62, so that a typo is told apart from a key that is not known
 *
 * Stored is the SHA-256 of the secret. A slow hash protects passwords, which can be guessed; 256 random bits cannot.
 */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_CHARACTERS = 43;
const CHECKSUM_CHARACTERS = 6;
const ID_CHARACTERS = 16;
const PATTERN = /^(alk_([0-9A-Za-z]{1,20})_([0-9A-Za-z]{43}))([0-9A-Za-z]{6})$/;

export const API_KEY_PREFIX = "alk_";
export const ROOT_KEY_ID = "root";

export interface ApiKey {
  readonly id: string;
  /** SHA-256 of the secret. */
  readonly hash: Buffer;
}

export interface NewApiKey extends ApiKey {
  /** To be shown once and kept nowhere. */
  readonly text: string;
}

export function makeApiKey(id: string = newKeyId()): NewApiKey {
  const secret = base62(randomBytes(32), SECRET_CHARACTERS);
  const body = `${API_KEY_PREFIX}${id}_${secret}`;
  return { id, hash: hashOf(secret), text: body + checksumOf(body) };
}

/** Undefined for what is no key; "mistyped" for one that is not as it was shown. */
export function parseApiKey(text: string): ApiKey | "mistyped" | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, body, id, secret, checksum] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  return checksumOf(body) === checksum ? { id, hash: hashOf(secret) } : "mistyped";
}

function newKeyId(): string {
  // 16 characters of base 62 are 95 bits; 11 bytes are 88.
  return base62(randomBytes(11), ID_CHARACTERS);
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function checksumOf(body: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return base62(bytes, CHECKSUM_CHARACTERS);
}

/** As a number, written with so many digits. */
function base62(bytes: Buffer, characters: number): string {
  let left = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (let i = 0; i < characters; i++) {
    text = ALPHABET[Number(left % 62n)]! + text;
    left /= 62n;
  }
  return text;
}
