/**
 * Where a list goes on: the height and the time that all its pages are of, and the path of its next row. Opaque to the
 * front, which authenticates it as part of a page token.
 *
 *     u64 height || u64 time_ms || path48
 */
import { PATH_BYTES } from "@authledger/proof";
import { ByteReader, ByteWriter } from "@authledger/types";

export interface ListPosition {
  readonly height: number;
  /** What is past it counts as expired, on every page as on the first. */
  readonly timeMs: number;
  readonly path: Uint8Array;
}

export function encodeListPosition({ height, timeMs, path }: ListPosition): Uint8Array {
  return new ByteWriter(64).u64(height).u64(timeMs).bytes(path).finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeListPosition(bytes: Uint8Array): ListPosition {
  const input = new ByteReader(bytes, "list position");
  const position = {
    height: input.safeU64("height"),
    timeMs: input.safeU64("time"),
    path: input.bytes(PATH_BYTES, "path"),
  };
  input.end();
  return position;
}
