/**
 * What nodes say to each other about signed heads (docs/format/cosign.md). Frames of kind `cosignRequest` and
 * `cosignReply` carry one of these each, for many vaults at once.
 *
 *   INV-COSIGN-5  A frame is read strictly: unknown types, counts over the limit and bytes left over are refused, and
 *                 nothing is allocated by a count that the bytes do not account for.
 */
import { ByteReader, ByteWriter, decodeUtf8, utf8 } from "@authledger/types";

/** Vaults of one frame; more go in frames of their own. */
export const COSIGN_ITEMS_MAX = 1_024;
const VERSION = 1;

/** A head that a replica is asked to cosign. */
export interface HeadToSign {
  readonly vault: number;
  readonly size: number;
  readonly root: Uint8Array;
  /** What the cosignature will say, in milliseconds; a note tells whole seconds. */
  readonly timeMs: number;
}

/** Why a replica does not sign. Never reused. */
export const CosignRefusal = {
  /** It has not applied so many blocks, after waiting for them. */
  behind: 1,
  /** It has signed a larger head, or a later one. */
  passed: 2,
  /** The time is too far ahead of its clock. */
  ahead: 3,
  /** Its own history has another root at this size. */
  otherRoot: 4,
  /** Its own history does not continue what it has signed, or its vault is not whole. */
  diverged: 5,
  /** It does not have the vault any more. */
  gone: 6,
  /** Too much waits, or its disk takes no marks. */
  busy: 7,
} as const;
export type CosignRefusal = (typeof CosignRefusal)[keyof typeof CosignRefusal];

/** What a replica answers for one head. */
export interface CosignAnswer {
  readonly vault: number;
  readonly size: number;
  readonly timeMs: number;
  /** Ed25519, 64 bytes; or why there is none, and the size and time of the replica's own newest mark, 0 without one. */
  readonly result:
    | { readonly kind: "signed"; readonly signature: Uint8Array }
    | {
        readonly kind: "refused";
        readonly why: CosignRefusal;
        readonly markSize: number;
        readonly markTimeMs: number;
      };
}

/** Asks the leader for a head that is at least so large. */
export interface HeadQuestion {
  /** Names the question among those of one node, in all its lives. */
  readonly id: number;
  readonly vault: number;
  readonly minSize: number;
  /** Cosignatures that are wanted beside what the policy asks for; 0 = the policy's quorum. */
  readonly cosignatures: number;
}

export type CosignRequest =
  | { readonly type: "sign"; readonly heads: readonly HeadToSign[] }
  | { readonly type: "ask"; readonly questions: readonly HeadQuestion[] }
  /** A signed head of whoever sends it, which the receiver has contradicted. */
  | { readonly type: "contradiction"; readonly vault: number; readonly note: string };

export interface HeadAnswer {
  readonly id: number;
  readonly result:
    | {
        readonly kind: "head";
        readonly size: number;
        readonly timeMs: number;
        readonly note: string;
      }
    | { readonly kind: "failed"; readonly code: string; readonly message: string };
}

export type CosignReply =
  | { readonly type: "answers"; readonly answers: readonly CosignAnswer[] }
  | { readonly type: "heads"; readonly heads: readonly HeadAnswer[] };

const REQUEST = { sign: 1, ask: 2, contradiction: 3 } as const;
const REPLY = { answers: 1, heads: 2 } as const;
const ROOT_BYTES = 32;
const SIGNATURE_BYTES = 64;
const SIGNED = 0;
const HEAD = 0;
const FAILED = 1;

export function encodeCosignRequest(request: CosignRequest): Uint8Array {
  const out = new ByteWriter(256).u8(VERSION).u8(REQUEST[request.type]);
  switch (request.type) {
    case "sign":
      out.u32(request.heads.length);
      for (const { vault, size, root, timeMs } of request.heads) {
        out.u32(vault).u64(size).u64(timeMs).bytes(root);
      }
      break;
    case "ask":
      out.u32(request.questions.length);
      for (const { id, vault, minSize, cosignatures } of request.questions) {
        out.u64(id).u32(vault).u64(minSize).u8(cosignatures);
      }
      break;
    case "contradiction":
      out.u32(request.vault).lp32(utf8(request.note));
      break;
  }
  return out.finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeCosignRequest(payload: Uint8Array): CosignRequest {
  const input = begin(payload, "cosign request");
  const type = input.u8("type");
  const request = readRequest(input, type);
  input.end();
  return request;
}

function readRequest(input: ByteReader, type: number): CosignRequest {
  switch (type) {
    case REQUEST.sign:
      return { type: "sign", heads: list(input, () => readHeadToSign(input)) };
    case REQUEST.ask:
      return { type: "ask", questions: list(input, () => readQuestion(input)) };
    case REQUEST.contradiction:
      return { type: "contradiction", vault: input.u32("vault"), note: text(input, "note") };
    default:
      throw input.error("type", 1, `is ${type}, which is unknown`);
  }
}

function readHeadToSign(input: ByteReader): HeadToSign {
  const vault = input.u32("vault");
  const size = input.safeU64("size");
  const timeMs = input.safeU64("time");
  return { vault, size, timeMs, root: input.bytes(ROOT_BYTES, "root").slice() };
}

function readQuestion(input: ByteReader): HeadQuestion {
  const id = input.safeU64("id");
  const vault = input.u32("vault");
  return { id, vault, minSize: input.safeU64("size"), cosignatures: input.u8("cosignatures") };
}

export function encodeCosignReply(reply: CosignReply): Uint8Array {
  const out = new ByteWriter(256).u8(VERSION).u8(REPLY[reply.type]);
  if (reply.type === "answers") {
    out.u32(reply.answers.length);
    for (const answer of reply.answers) writeAnswer(out, answer);
  } else {
    out.u32(reply.heads.length);
    for (const head of reply.heads) writeHead(out, head);
  }
  return out.finish();
}

function writeAnswer(out: ByteWriter, { vault, size, timeMs, result }: CosignAnswer): void {
  out.u32(vault).u64(size).u64(timeMs);
  if (result.kind === "signed") out.u8(SIGNED).bytes(result.signature);
  else out.u8(result.why).u64(result.markSize).u64(result.markTimeMs);
}

function writeHead(out: ByteWriter, { id, result }: HeadAnswer): void {
  out.u64(id);
  if (result.kind === "head") {
    out.u8(HEAD).u64(result.size).u64(result.timeMs).lp32(utf8(result.note));
  } else {
    out.u8(FAILED).lp16(result.code).lp16(result.message);
  }
}

/** @throws LedgerError CODEC_DECODE */
export function decodeCosignReply(payload: Uint8Array): CosignReply {
  const input = begin(payload, "cosign reply");
  const type = input.u8("type");
  const reply = readReply(input, type);
  input.end();
  return reply;
}

function readReply(input: ByteReader, type: number): CosignReply {
  switch (type) {
    case REPLY.answers:
      return { type: "answers", answers: list(input, () => readAnswer(input)) };
    case REPLY.heads:
      return { type: "heads", heads: list(input, () => readHead(input)) };
    default:
      throw input.error("type", 1, `is ${type}, which is unknown`);
  }
}

function readAnswer(input: ByteReader): CosignAnswer {
  const about = {
    vault: input.u32("vault"),
    size: input.safeU64("size"),
    timeMs: input.safeU64("time"),
  };
  const at = input.offset;
  const code = input.u8("result");
  if (code === SIGNED) {
    const signature = input.bytes(SIGNATURE_BYTES, "signature").slice();
    return { ...about, result: { kind: "signed", signature } };
  }
  const why = Object.values(CosignRefusal).find((known) => known === code);
  if (why === undefined) throw input.error("result", at, `is ${code}, which is unknown`);
  const markSize = input.safeU64("mark size");
  const markTimeMs = input.safeU64("mark time");
  return { ...about, result: { kind: "refused", why, markSize, markTimeMs } };
}

function readHead(input: ByteReader): HeadAnswer {
  const id = input.safeU64("id");
  const at = input.offset;
  const code = input.u8("result");
  if (code === HEAD) {
    const size = input.safeU64("size");
    const timeMs = input.safeU64("time");
    return { id, result: { kind: "head", size, timeMs, note: text(input, "note") } };
  }
  if (code !== FAILED) throw input.error("result", at, `is ${code}, which is unknown`);
  return {
    id,
    result: { kind: "failed", code: input.lp16("code"), message: input.lp16("message") },
  };
}

function begin(payload: Uint8Array, what: string): ByteReader {
  const input = new ByteReader(payload, what);
  const version = input.u8("version");
  if (version !== VERSION) throw input.error("version", 0, `is ${version}, not ${VERSION}`);
  return input;
}

function list<T>(input: ByteReader, read: () => T): T[] {
  const at = input.offset;
  const count = input.u32("count");
  if (count > COSIGN_ITEMS_MAX) throw input.error("count", at, `is ${count}, over the limit`);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}

function text(input: ByteReader, field: string): string {
  const at = input.offset;
  const decoded = decodeUtf8(input.lp32(field));
  if (decoded === undefined) throw input.error(field, at, "is not UTF-8");
  return decoded;
}
