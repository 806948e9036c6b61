/**
 * Checkpoints: signed notes over a vault's history (commitment.md, "Checkpoint"; c2sp.org/tlog-checkpoint,
 * signed-note, tlog-cosignature).
 *
 *     <origin>\n<size>\n<base64(root)>\n\n
 *     <dash> <name> base64(keyid4 || ed25519sig64)\n                log signature
 *     <dash> <name> base64(keyid4 || u64 time || ed25519sig64)\n    cosignature
 *
 * with the em dash, U+2014.
 *
 * Parsed strictly: at most 64 signature lines and 64 KiB, canonical size and base64, no extension lines, and
 * names that are printable. All that is read here is also a note to the Go module golang.org/x/mod/sumdb/note.
 *
 *   INV-NOTE-1  A note has one parse: what is signed is the text before the empty line, byte for byte.
 */
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  equalBytes,
  utf8,
  utf8Length,
} from "@authledger/types";
import { fromBase64, toBase64 } from "../base64.js";
import { reject } from "../rejection.js";
import { isKeyName, type NoteKey, SignatureType } from "./note-key.js";
import type { SignatureVerifier } from "./signature-verifier.js";

const NOTE_BYTES_MAX: number = 64 * 1024;
const SIGNATURE_LINES_MAX = 64;
const SIZE_MAX = 2n ** 63n - 1n;
/** The signature lines begin with an em dash. */
const DASH = "\u2014";

export interface CheckpointBody {
  readonly origin: string;
  /** Newest height + 1. */
  readonly size: bigint;
  /** MTH(headers[0, size)). */
  readonly root: Uint8Array;
}

export interface SignatureLine {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** What is behind the key id. */
  readonly signature: Uint8Array;
}

/** A note as parsed; no signature has been checked. */
export interface UntrustedCheckpoint extends CheckpointBody {
  /** The three lines that are signed. */
  readonly body: string;
  readonly signatures: readonly SignatureLine[];
}

/** The body: three lines with final newline. */
export function checkpointBody({ origin, size, root }: CheckpointBody): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** Formats a note over signatures that were made of its body. */
export function formatCheckpoint(body: string, lines: readonly string[]): string {
  return `${body}\n${lines.join("")}`;
}

/** A log signature's line. `sign` gets the body's bytes. */
export function signatureLine(
  key: NoteKey,
  body: string,
  sign: (message: Uint8Array) => Uint8Array,
): string {
  return `${DASH} ${key.name} ${toBase64(concatBytes(key.id, sign(utf8(body))))}\n`;
}

/** A cosignature's line: "I executed every block up to here, at this time" (seconds since 1970). */
export function cosignatureLine(
  key: NoteKey,
  body: string,
  timeS: number,
  sign: (message: Uint8Array) => Uint8Array,
): string {
  const time = new ByteWriter(8).u64(timeS).finish();
  const signature = sign(cosignedMessage(timeS, body));
  return `${DASH} ${key.name} ${toBase64(concatBytes(key.id, time, signature))}\n`;
}

/** What a cosigner signs: the head, and when. */
export function cosignedMessage(timeS: bigint | number, body: string): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timeS}\n${body}`);
}

/** @throws LedgerError PROOF_INVALID with reason "note" */
export function parseCheckpoint(note: string): UntrustedCheckpoint {
  if (utf8Length(note) > NOTE_BYTES_MAX) throw reject("note", "the note is longer than 64 KiB");
  const end = note.indexOf("\n\n");
  if (end < 0) throw reject("note", "no empty line parts text and signatures");
  const body = note.slice(0, end + 1);
  const [origin, size, root, ...more] = body.slice(0, -1).split("\n");
  if (!origin || size === undefined || root === undefined || more.length > 0) {
    throw reject("note", "a checkpoint has three lines: origin, size, root");
  }
  if (!isKeyName(origin)) throw reject("note", "the origin is not printable, or holds a plus");
  return {
    origin,
    size: parseSize(size),
    root: parseRoot(root),
    body,
    signatures: parseLines(note.slice(end + 2)),
  };
}

function parseSize(text: string): bigint {
  if (!/^[1-9][0-9]{0,18}$/.test(text)) throw reject("note", `the size "${text.slice(0, 40)}"`);
  const size = BigInt(text);
  if (size > SIZE_MAX) throw reject("note", `the size ${text} is over 2^63 - 1`);
  return size;
}

function parseRoot(text: string): Uint8Array {
  const root = fromBase64(text);
  if (root?.length !== 32) throw reject("note", "the root is not 32 bytes of canonical base64");
  return root;
}

function parseLines(text: string): SignatureLine[] {
  if (!text.endsWith("\n")) throw reject("note", "the signatures do not end with a newline");
  const lines = text.slice(0, -1).split("\n");
  if (lines.length > SIGNATURE_LINES_MAX) throw reject("note", `${lines.length} signature lines`);
  return lines.map((line) => {
    const match = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match ? fromBase64(match[2]!) : undefined;
    if (!match || !isKeyName(match[1]!) || bytes === undefined || bytes.length < 5) {
      throw reject("note", "a line behind the text is not a signature");
    }
    return { name: match[1]!, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
  });
}

/** Does the line claim to be of this key? */
export function isOfKey(line: SignatureLine, key: NoteKey): boolean {
  return line.name === key.name && equalBytes(line.keyId, key.id);
}

/** Checks a log signature. @throws LedgerError PROOF_INVALID with reason "signature" */
export function checkLogSignature(
  verifier: SignatureVerifier,
  checkpoint: UntrustedCheckpoint,
  line: SignatureLine,
  key: NoteKey,
): void {
  const isGood =
    key.type === SignatureType.log &&
    line.signature.length === 64 &&
    verifier.verify(key.publicKey, utf8(checkpoint.body), line.signature);
  if (!isGood) throw reject("signature", `the log signature of ${key.name} is bad`);
}

/** Checks a cosignature and returns its time in seconds. @throws LedgerError PROOF_INVALID, reason "signature" */
export function checkCosignature(
  verifier: SignatureVerifier,
  checkpoint: UntrustedCheckpoint,
  line: SignatureLine,
  key: NoteKey,
): bigint {
  if (key.type === SignatureType.cosignature && line.signature.length === 72) {
    const time = new ByteReader(line.signature, "cosignature").u64("time");
    const message = cosignedMessage(time, checkpoint.body);
    if (verifier.verify(key.publicKey, message, line.signature.subarray(8))) return time;
  }
  throw reject("signature", `the cosignature of ${key.name} is bad`);
}

/** The known keys of which the note carries a good signature. A bad one counts as none here: this is not how answers are judged. */
export function signedKeys(
  verifier: SignatureVerifier,
  checkpoint: UntrustedCheckpoint,
  known: readonly NoteKey[],
): readonly NoteKey[] {
  return known.filter((key) => {
    const check = key.type === SignatureType.log ? checkLogSignature : checkCosignature;
    return checkpoint.signatures.some((line) => {
      try {
        if (!isOfKey(line, key)) return false;
        check(verifier, checkpoint, line, key);
        return true;
      } catch {
        return false;
      }
    });
  });
}
