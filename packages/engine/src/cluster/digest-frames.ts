/**
 * What replicas tell each other to find out whether their states are the same, and where they part
 * (docs/format/digest.md). Big-endian; every frame begins with u8 version = 1 and u8 kind.
 *
 *     1 report   u8 n, n x (u64 index, digest32): group digests, the newest last
 *     2 heads    u64 request, u64 applied index, u16 n, n x (u32 vault, u48 height, block hash 32)
 *     3 parted   u64 request, u64 applied index, u8 found, if 1: u32 vault, u48 height
 *     4 buckets  u64 request, u32 vault, u48 height
 *     5 hashes   u64 request, 256 x hash32; nothing where the sender does not have that height
 *     6 leaves   u64 request, u32 vault, u48 height, u8 bucket, u8 is behind, if 1: path48
 *     7 records  u64 request, u16 n, n x (path48, SHA-256 of the record); nothing as above
 */
import { PATH_BYTES } from "@authledger/proof";
import type { ComparedLeaf, VaultHead } from "@authledger/state";
import { ByteReader, ByteWriter, HASH_BYTES } from "@authledger/types";
import { COMPARED_HEADS_MAX, COMPARED_LEAVES_MAX, DIGEST_POINTS_MAX } from "./digest-limits.js";

const VERSION = 1;
const BUCKETS_BYTES = 256 * HASH_BYTES;

/** The group digest behind an entry. */
export interface DigestPoint {
  readonly index: number;
  readonly digest: Uint8Array;
}

export type DigestFrame =
  | { readonly kind: "report"; readonly points: readonly DigestPoint[] }
  | {
      readonly kind: "heads";
      readonly request: number;
      readonly applied: number;
      readonly heads: readonly VaultHead[];
    }
  | {
      readonly kind: "parted";
      readonly request: number;
      readonly applied: number;
      readonly found: { readonly vault: number; readonly height: number } | undefined;
    }
  | {
      readonly kind: "buckets";
      readonly request: number;
      readonly vault: number;
      readonly height: number;
    }
  | { readonly kind: "hashes"; readonly request: number; readonly hashes: Uint8Array | undefined }
  | {
      readonly kind: "leaves";
      readonly request: number;
      readonly vault: number;
      readonly height: number;
      readonly bucket: number;
      readonly after: Uint8Array | undefined;
    }
  | {
      readonly kind: "records";
      readonly request: number;
      readonly leaves: readonly ComparedLeaf[] | undefined;
    };

const KINDS = ["report", "heads", "parted", "buckets", "hashes", "leaves", "records"] as const;

export function encodeDigestFrame(frame: DigestFrame): Uint8Array {
  const out = new ByteWriter(256).u8(VERSION).u8(KINDS.indexOf(frame.kind) + 1);
  if (frame.kind === "report") {
    out.u8(frame.points.length);
    for (const { index, digest } of frame.points) out.u64(index).bytes(digest);
    return out.finish();
  }
  out.u64(frame.request);
  switch (frame.kind) {
    case "heads":
      out.u64(frame.applied).u16(frame.heads.length);
      for (const { vault, height, blockHash } of frame.heads) {
        writeU48(out.u32(vault), height).bytes(blockHash);
      }
      break;
    case "parted":
      out.u64(frame.applied).u8(frame.found === undefined ? 0 : 1);
      if (frame.found !== undefined) writeU48(out.u32(frame.found.vault), frame.found.height);
      break;
    case "buckets":
      writeU48(out.u32(frame.vault), frame.height);
      break;
    case "hashes":
      if (frame.hashes !== undefined) out.bytes(frame.hashes);
      break;
    case "leaves":
      writeU48(out.u32(frame.vault), frame.height).u8(frame.bucket);
      out.u8(frame.after === undefined ? 0 : 1);
      if (frame.after !== undefined) out.bytes(frame.after);
      break;
    case "records":
      if (frame.leaves === undefined) break;
      out.u16(frame.leaves.length);
      for (const { path, hash } of frame.leaves) out.bytes(path).bytes(hash);
  }
  return out.finish();
}

/** Byte fields are views. @throws LedgerError CODEC_DECODE */
export function decodeDigestFrame(bytes: Uint8Array): DigestFrame {
  const from = new ByteReader(bytes, "digest frame");
  const version = from.u8("version");
  if (version !== VERSION) throw from.error("version", 0, `is ${version}, not ${VERSION}`);
  const code = from.u8("kind");
  const kind = KINDS[code - 1];
  if (kind === undefined) throw from.error("kind", 1, `is ${code}, which is none`);
  const frame = kind === "report" ? readReport(from) : readCompared(kind, from);
  from.end();
  return frame;
}

function readReport(from: ByteReader): DigestFrame {
  const points = readList(from, from.u8("points"), DIGEST_POINTS_MAX, () => {
    return { index: from.safeU64("index"), digest: from.bytes(HASH_BYTES, "digest") };
  });
  return { kind: "report", points };
}

function readCompared(
  kind: Exclude<(typeof KINDS)[number], "report">,
  from: ByteReader,
): DigestFrame {
  const request = from.safeU64("request");
  switch (kind) {
    case "heads": {
      const applied = from.safeU64("applied");
      const heads = readList(from, from.u16("heads"), COMPARED_HEADS_MAX, () => {
        const vault = from.u32("vault");
        const height = readU48(from);
        return { vault, height, blockHash: from.bytes(HASH_BYTES, "block hash") };
      });
      return { kind, request, applied, heads };
    }
    case "parted": {
      const applied = from.safeU64("applied");
      const isFound = from.u8("found") === 1;
      const found = isFound ? { vault: from.u32("vault"), height: readU48(from) } : undefined;
      return { kind, request, applied, found };
    }
    case "buckets":
      return { kind, request, vault: from.u32("vault"), height: readU48(from) };
    case "hashes": {
      const hashes = from.remaining === 0 ? undefined : from.bytes(BUCKETS_BYTES, "hashes");
      return { kind, request, hashes };
    }
    case "leaves": {
      const about = { vault: from.u32("vault"), height: readU48(from), bucket: from.u8("bucket") };
      const isBehind = from.u8("is behind") === 1;
      const after = isBehind ? from.bytes(PATH_BYTES, "path") : undefined;
      return { kind, request, ...about, after };
    }
    case "records": {
      if (from.remaining === 0) return { kind, request, leaves: undefined };
      const leaves = readList(from, from.u16("leaves"), COMPARED_LEAVES_MAX, () => {
        return { path: from.bytes(PATH_BYTES, "path"), hash: from.bytes(HASH_BYTES, "hash") };
      });
      return { kind, request, leaves };
    }
  }
}

function readList<T>(from: ByteReader, count: number, max: number, read: () => T): T[] {
  if (count > max) throw from.error("count", from.offset, `is ${count}, the limit is ${max}`);
  return Array.from({ length: count }, read);
}

function writeU48(out: ByteWriter, value: number): ByteWriter {
  return out.u16(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
}

function readU48(from: ByteReader): number {
  return from.u16("height") * 0x1_0000_0000 + from.u32("height");
}
