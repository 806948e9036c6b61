/**
 * Block headers, 244 bytes (commitment.md, "Header"). The block hash is the RFC 6962 leaf hash of the header,
 * so the chain link is computable by anyone from public fields.
 */
import { ByteReader, ByteWriter, type Hasher, LedgerError } from "@authledger/types";
import { leafHash } from "./log/merkle-log.js";
import { reject } from "./rejection.js";
import { SUITE_SHA256 } from "./tags.js";

export const HEADER_BYTES = 244;
const MAGIC = "LVH1";
/** Both directions of tuples are committed. */
const FLAG_BOTH_DIRECTIONS = 0x01;

export interface BlockHeader {
  readonly bothDirections: boolean;
  readonly vaultRef: Uint8Array;
  /** 0 = genesis. */
  readonly height: number;
  readonly timestampMs: number;
  readonly term: number;
  readonly index: number;
  readonly transactionCount: number;
  readonly transactionRoot: Uint8Array;
  /** block_hash(height - 1), zeros at genesis. */
  readonly previousHash: Uint8Array;
  /** MTH(headers[0, height)). */
  readonly historyRoot: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly leafCount: number;
  readonly configHash: Uint8Array;
}

const headerWriter = new ByteWriter(HEADER_BYTES);

export function encodeHeader(header: BlockHeader): Uint8Array {
  const out = headerWriter.clear();
  out
    .utf8(MAGIC)
    .u8(SUITE_SHA256)
    .u8(header.bothDirections ? FLAG_BOTH_DIRECTIONS : 0)
    .u16(0);
  out.bytes(header.vaultRef).u64(header.height).u64(header.timestampMs);
  out.u64(header.term).u64(header.index).u32(header.transactionCount);
  out.bytes(header.transactionRoot).bytes(header.previousHash).bytes(header.historyRoot);
  out.bytes(header.stateRoot).u64(header.leafCount).bytes(header.configHash);
  return out.finish();
}

/** Reads a header that nobody vouches for. Byte fields are views. @throws LedgerError PROOF_INVALID */
export function decodeHeader(bytes: Uint8Array): BlockHeader {
  if (bytes.length !== HEADER_BYTES) {
    throw reject("header", `a header has ${HEADER_BYTES} bytes, not ${bytes.length}`);
  }
  try {
    return read(new ByteReader(bytes, "header"));
  } catch (error) {
    if (error instanceof LedgerError && error.code === "CODEC_DECODE") {
      throw reject("header", error.message);
    }
    throw error;
  }
}

function read(input: ByteReader): BlockHeader {
  const magic = String.fromCharCode(...input.bytes(4, "magic"));
  const suite = input.u8("suite");
  const flags = input.u8("flags");
  const zero = input.u16("zero");
  if (magic !== MAGIC || suite !== SUITE_SHA256 || zero !== 0 || flags > FLAG_BOTH_DIRECTIONS) {
    throw reject("header", "magic, suite, flags or zero bits of a header are wrong");
  }
  return {
    bothDirections: flags === FLAG_BOTH_DIRECTIONS,
    vaultRef: input.bytes(32, "vault_ref"),
    height: input.safeU64("height"),
    timestampMs: input.safeU64("timestamp"),
    term: input.safeU64("term"),
    index: input.safeU64("index"),
    transactionCount: input.u32("tx_count"),
    transactionRoot: input.bytes(32, "tx_root"),
    previousHash: input.bytes(32, "prev_hash"),
    historyRoot: input.bytes(32, "history_root"),
    stateRoot: input.bytes(32, "state_root"),
    leafCount: input.safeU64("leaf count"),
    configHash: input.bytes(32, "config_hash"),
  };
}

/** SHA-256(0x00 || header). */
export function blockHash(hasher: Hasher, header: Uint8Array): Uint8Array {
  return leafHash(hasher, header);
}
