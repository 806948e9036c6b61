/** Which writes of an entry are traced, as the leader tells it to its group (docs/format/peer.md). */
import { ByteReader, ByteWriter, fromHex, toHex } from "@authledger/types";
import type { TraceContext } from "../tracer.js";
import { TRACES_OF_ENTRY_MAX } from "./cluster-limits.js";

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export interface TraceFrame {
  /** Of the entry: at one index entries of several terms may have been proposed. */
  readonly term: number;
  readonly index: number;
  /** The spans of the leader below which the others put theirs: 1 to TRACES_OF_ENTRY_MAX. */
  readonly parents: readonly TraceContext[];
}

export function encodeTraceFrame({ term, index, parents }: TraceFrame): Uint8Array {
  const w = new ByteWriter().varint(term).varint(index).u8(parents.length);
  for (const { traceId, spanId } of parents) w.bytes(fromHex(traceId)).bytes(fromHex(spanId));
  return w.finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeTraceFrame(frame: Uint8Array): TraceFrame {
  const r = new ByteReader(frame, "trace frame");
  const term = r.varint("term");
  const index = r.varint("index");
  const at = r.offset;
  const count = r.u8("traces");
  if (count === 0 || count > TRACES_OF_ENTRY_MAX) {
    throw r.error("traces", at, `is ${count}; 1 to ${TRACES_OF_ENTRY_MAX} are allowed`);
  }
  const parents: TraceContext[] = [];
  for (let i = 0; i < count; i++) {
    const traceId = toHex(r.bytes(TRACE_ID_BYTES, "trace id"));
    const spanId = toHex(r.bytes(SPAN_ID_BYTES, "span id"));
    parents.push({ traceId, spanId });
  }
  r.end();
  return { term, index, parents };
}
