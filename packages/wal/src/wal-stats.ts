/** Figures of a log for metrics, and for the engine's judgement of its disk. */
import type { GroupId } from "@authledger/types";
import type { AppendCounts } from "./write/appender.js";
import type { SyncTimes } from "./write/sync-meter.js";

export interface WalStats extends Readonly<AppendCounts> {
  /** Of writes with their syncs: one for each batch, one for each new segment. */
  readonly syncs: SyncTimes;
  readonly queuedAppends: number;
  readonly queuedBytes: number;
  readonly segments: number;
  /** Bytes of one segment. */
  readonly segmentBytes: number;
  /** Bytes of all segments in use. */
  readonly logBytes: number;
  /** Segments kept for reuse, without the one prepared to be next. */
  readonly spareSegments: number;
  readonly segmentsFilled: number;
  readonly segmentsReused: number;
  /** The group whose unreleased entries hold the oldest segment, if any; flush it to free the log. */
  readonly oldestGroup: GroupId | undefined;
  /** How many segments lie between that one and the newest. */
  readonly oldestGroupSegments: number;
  /** Memory of cached batches, and of the index of entries. */
  readonly cacheBytes: number;
  readonly indexBytes: number;
}
