/** What the core reads of the log that its owner keeps, and what an entry and a snapshot are to it. */
import type { Membership } from "./configuration.js";

/** One entry. Its payload is opaque, but for changes of the configuration, which `isConfigurationChange` tells. */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly payload: Uint8Array;
}

/** A state that stands for all entries up to `index`. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly membership: Membership;
}

/**
 * The log as its owner keeps it: what was handed out by `append` actions and taken. Reads are synchronous. The core
 * keeps what it has not been told durable by itself and asks here only for what lies before.
 */
export interface LogReader {
  /** Index of the oldest entry that is there; `lastIndex + 1` when there is none. */
  readonly firstIndex: number;
  /** Index of the newest entry; `firstIndex - 1` when there is none. */
  readonly lastIndex: number;
  /** The term of an entry, also of the one before `firstIndex`; undefined where the log does not know it (museum row 19). */
  term(index: number): number | undefined;
  /** The entries of `[from, to)`: at least one, and then as many as `bytesMax` of payload allow. */
  entries(from: number, to: number, bytesMax: number): readonly Entry[];
}
