/**
 * Where a list of decisions goes on: the height and time that all its pages are of, and the evaluator's cursor. Opaque to the
 * front, which authenticates it as part of a page token.
 *
 *     u64 height || u64 time_ms || cursor
 */
import { ByteReader, ByteWriter } from "@authledger/types";

export interface DecisionPosition {
  readonly height: number;
  /** What is past it counts as expired, on every page as on the first. */
  readonly timeMs: number;
  readonly cursor: Uint8Array;
}

export function encodeDecisionPosition(position: DecisionPosition): Uint8Array {
  const { height, timeMs, cursor } = position;
  return new ByteWriter(16 + cursor.length).u64(height).u64(timeMs).bytes(cursor).finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeDecisionPosition(bytes: Uint8Array): DecisionPosition {
  const input = new ByteReader(bytes, "position of a list");
  const height = input.safeU64("height");
  const timeMs = input.safeU64("time");
  return { height, timeMs, cursor: input.bytes(input.remaining, "cursor") };
}
