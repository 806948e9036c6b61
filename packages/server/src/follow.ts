/**
 * The course of a watch: what is there, then what comes, with heartbeats between.
 *
 *   INV-FOLLOW-1  Batches are read one behind the other from where the one before ended, so that there is neither
 *                 gap nor duplicate between history and live, or when a slow client falls behind.
 *   INV-FOLLOW-2  A message comes at least every heartbeat, whatever the vault or the filter does.
 *
 * An engine that answers at once, and messages that are sent at once, never leave the loop to others: between two batches
 * of what is there already everybody else has a turn.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { HistoryPoint } from "@authledger/engine";
import { read } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { VaultMoves } from "./vault-moves.js";

const HEARTBEAT_MS_DEFAULT = 5_000;
const HEARTBEAT_MS_MIN = 1_000;
const HEARTBEAT_MS_MAX = 60_000;
/** Batches in which nothing matches are told of this often. */
const PROGRESS_MS = 1_000;
/** A live watch that is so many blocks behind after a batch has a client that is too slow for its vault. */
const LAG_BLOCKS = 64;

/** What one read of a watch brought. */
export interface Batch extends HistoryPoint {
  readonly isEmpty: boolean;
  /** Everything below this height has been read. */
  readonly nextHeight: number;
}

export interface FollowOptions {
  readonly vault: number;
  readonly heartbeatMs: number;
  readonly signal: AbortSignal;
}

/** Yields batches that are worth a message, with what to say about where the watch is. */
export async function* follow<B extends Batch>(
  moves: VaultMoves,
  { vault, heartbeatMs, signal }: FollowOptions,
  readNext: () => Promise<B>,
): AsyncGenerator<{ readonly batch: B; readonly progress: read.WatchProgress }> {
  const subscription = moves.subscribe(vault);
  try {
    let state: read.WatchState = read.WatchState.WATCH_STATE_HISTORY;
    let toldAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      subscription.clear();
      const batch = await readNext();
      const behind = batch.size - batch.nextHeight;
      const next = stateAfter(state, behind);
      const isDue = performance.now() - toldAtMs >= (behind > 0 ? PROGRESS_MS : heartbeatMs);
      if (!batch.isEmpty || next !== state || isDue) {
        state = next;
        yield { batch, progress: progressOf(batch, state) };
        toldAtMs = performance.now();
      }
      if (behind > 0) {
        await turn();
        continue;
      }
      await subscription.moved(Math.max(0, toldAtMs + heartbeatMs - performance.now()), signal);
    }
  } finally {
    subscription.close();
  }
}

function stateAfter(state: read.WatchState, behind: number): read.WatchState {
  if (behind === 0) return read.WatchState.WATCH_STATE_LIVE;
  const isTooSlow = state === read.WatchState.WATCH_STATE_LIVE && behind > LAG_BLOCKS;
  return isTooSlow ? read.WatchState.WATCH_STATE_LAGGING : state;
}

function progressOf(batch: Batch, state: read.WatchState): read.WatchProgress {
  return {
    state,
    nextHeight: BigInt(batch.nextHeight),
    tipHeight: BigInt(batch.size - 1),
    timeMs: BigInt(batch.timeMs),
  };
}

/** @throws LedgerError INVALID_ARGUMENT */
export function heartbeatOf(ms: number): number {
  if (ms === 0) return HEARTBEAT_MS_DEFAULT;
  if (ms >= HEARTBEAT_MS_MIN && ms <= HEARTBEAT_MS_MAX) return ms;
  const message = `heartbeat_ms is ${ms}; it is from ${HEARTBEAT_MS_MIN} to ${HEARTBEAT_MS_MAX}`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "heartbeat_ms" } });
}
