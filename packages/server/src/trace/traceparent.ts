/** The header of W3C Trace Context (level 1, section 3.2): `00-<trace id>-<parent id>-<flags>`. */

export const TRACEPARENT_KEY = "traceparent";

/** Where a call is in a trace. */
export interface TraceParent {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  /** Whoever began the trace records it. */
  readonly isSampled: boolean;
}

/** Later versions may have more behind the flags; version ff is never valid (section 3.2.2.1). */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const SAMPLED = 1;
const LENGTH_MAX = 256;

/** Undefined for what is not well-formed, which is as if it had not been sent (section 4.3). */
export function parseTraceparent(text: unknown): TraceParent | undefined {
  if (typeof text !== "string" || text.length > LENGTH_MAX) return undefined;
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  const isSampled = (Number.parseInt(flags!, 16) & SAMPLED) === SAMPLED;
  return { traceId: traceId!, spanId: spanId!, isSampled };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}
