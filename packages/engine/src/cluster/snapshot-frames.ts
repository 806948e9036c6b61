/**
 * What two nodes say to each other while one gives the other a snapshot (docs/format/replica-snapshot.md): parts of a
 * stream, and what the receiver wants next.
 *
 *   INV-REPLICA-4  A part is taken only where it continues what is there: its running hash covers every byte before
 *                  it, so a file that was begun with other bytes is begun again.
 */
import { crc32 } from "node:zlib";
import {
  decodeUtf8,
  defineLayout,
  type Hasher,
  type Layout,
  LedgerError,
  utf8,
} from "@authledger/types";
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_REASON_BYTES_MAX } from "./snapshot-limits.js";

const VERSION = 1;

const CHUNK_FIELDS = [
  { name: "version", type: "u8", doc: "1" },
  {
    name: "purpose",
    type: "u8",
    doc: "1: a follower of the leader catches up; 2: a replica rebuilds itself",
  },
  {
    name: "leaderTerm",
    type: "u64",
    doc: "term of the leader that sends it; of another sender its own",
  },
  { name: "uuid", type: "bytes", size: 16, doc: "names the stream" },
  { name: "index", type: "u64", doc: "log index of the state" },
  { name: "term", type: "u64", doc: "term of that entry" },
  { name: "total", type: "u64", doc: "bytes of the stream" },
  { name: "offset", type: "u64", doc: "where in the stream the part begins" },
  { name: "crc", type: "u32", doc: "crc32 of the part" },
  { name: "chain", type: "bytes", size: 32, doc: "running SHA-256 behind the part" },
] as const;
export const SNAPSHOT_CHUNK: Layout<typeof CHUNK_FIELDS> = defineLayout(
  "snapshot chunk",
  CHUNK_FIELDS,
  { littleEndian: false },
);

const ACK_FIELDS = [
  { name: "version", type: "u8", doc: "1" },
  {
    name: "status",
    type: "u8",
    doc: "1: wants more; 2: installed; 3: refused; 4: asks for a snapshot",
  },
  { name: "uuid", type: "bytes", size: 16, doc: "of which stream; zero where it asks for one" },
  {
    name: "index",
    type: "u64",
    doc: "log index of the state; where it asks for one, the least that helps",
  },
  {
    name: "offset",
    type: "u64",
    doc: "bytes that are there; the total while it is checked and installed",
  },
] as const;
/** The reason of a refusal follows, as UTF-8. */
export const SNAPSHOT_ACK: Layout<typeof ACK_FIELDS> = defineLayout("snapshot ack", ACK_FIELDS, {
  littleEndian: false,
});

const PURPOSES = { "catch-up": 1, rebuild: 2 } as const;
export type SnapshotPurpose = keyof typeof PURPOSES;

const STATUSES = { wants: 1, installed: 2, refused: 3, asks: 4 } as const;
type SnapshotStatus = keyof typeof STATUSES;

export interface SnapshotChunk {
  readonly purpose: SnapshotPurpose;
  readonly leaderTerm: number;
  readonly uuid: Uint8Array;
  readonly index: number;
  readonly term: number;
  readonly total: number;
  readonly offset: number;
  readonly chain: Uint8Array;
  /** Empty in an offer, which asks how far the receiver is. */
  readonly data: Uint8Array;
}

export interface SnapshotAck {
  readonly status: SnapshotStatus;
  readonly uuid: Uint8Array;
  readonly index: number;
  readonly offset: number;
  /** Why it is refused; else empty. */
  readonly reason: string;
}

export function encodeChunk(chunk: SnapshotChunk): Uint8Array {
  const { data } = chunk;
  const out = new Uint8Array(SNAPSHOT_CHUNK.size + data.length);
  const purpose = PURPOSES[chunk.purpose];
  SNAPSHOT_CHUNK.write(out, { ...chunk, version: VERSION, purpose, crc: crc32(data) });
  out.set(data, SNAPSHOT_CHUNK.size);
  return out;
}

/** Byte fields are views. @throws LedgerError SNAPSHOT_CORRUPT */
export function decodeChunk(bytes: Uint8Array): SnapshotChunk {
  const { version, purpose, crc, ...rest } = readLayout(SNAPSHOT_CHUNK, bytes);
  const data = bytes.subarray(SNAPSHOT_CHUNK.size);
  if (data.length > SNAPSHOT_CHUNK_BYTES) throw damaged(`a part of ${data.length} bytes`);
  if (version !== VERSION) throw damaged(`a part of version ${version}`);
  if (crc !== crc32(data)) throw damaged(`the crc32 of a part at ${rest.offset} does not match`);
  if (!(rest.offset + data.length <= rest.total)) {
    throw damaged(`a part at ${rest.offset} reaches beyond ${rest.total}`);
  }
  return { ...rest, purpose: nameOf(PURPOSES, purpose, "purpose"), data };
}

export function encodeAck(ack: SnapshotAck): Uint8Array {
  const reason = utf8(ack.reason).subarray(0, SNAPSHOT_REASON_BYTES_MAX);
  const out = new Uint8Array(SNAPSHOT_ACK.size + reason.length);
  SNAPSHOT_ACK.write(out, { ...ack, version: VERSION, status: STATUSES[ack.status] });
  out.set(reason, SNAPSHOT_ACK.size);
  return out;
}

/** @throws LedgerError SNAPSHOT_CORRUPT */
export function decodeAck(bytes: Uint8Array): SnapshotAck {
  const { version, status, ...rest } = readLayout(SNAPSHOT_ACK, bytes);
  if (version !== VERSION) throw damaged(`an answer of version ${version}`);
  const reason = bytes.subarray(SNAPSHOT_ACK.size);
  if (reason.length > SNAPSHOT_REASON_BYTES_MAX) throw damaged("a reason that is too long");
  const text = decodeUtf8(reason) ?? "(unreadable)";
  return { ...rest, status: nameOf(STATUSES, status, "status"), reason: text };
}

/** The running hash before the first part. */
export function firstChain(uuid: Uint8Array, hasher: Hasher): Uint8Array {
  return hasher.sha256(uuid);
}

/** The running hash behind a part. */
export function nextChain(before: Uint8Array, data: Uint8Array, hasher: Hasher): Uint8Array {
  const input = new Uint8Array(before.length + data.length);
  input.set(before);
  input.set(data, before.length);
  return hasher.sha256(input);
}

function readLayout<T>(layout: { read(from: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return layout.read(bytes);
  } catch (error) {
    throw damaged(LedgerError.from(error).message);
  }
}

function nameOf<T extends Readonly<Record<string, number>>>(
  codes: T,
  code: number,
  what: string,
): keyof T & string {
  for (const [name, one] of Object.entries(codes)) if (one === code) return name;
  throw damaged(`${what} ${code} is none`);
}

function damaged(why: string): LedgerError {
  return new LedgerError(
    "SNAPSHOT_CORRUPT",
    `a frame of a replica's snapshot is not right: ${why}`,
  );
}
