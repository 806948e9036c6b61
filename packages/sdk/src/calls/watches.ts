/** Watches of a vault: its blocks, and changes that match a filter. */
import { read } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import type { Session } from "../session.js";
import { FollowedHistory } from "../verify/followed-history.js";
import { checkTransactions, hashOfHeader } from "../verify/proven-values.js";
import { type Change, type ChangeFilter, changeOf, filterMessage } from "./changes.js";
import { malformed, plain } from "./convert.js";
import { type ResumeOptions, resuming } from "./resuming.js";

const { watchBlocks: WATCH_BLOCKS, watchChanges: WATCH_CHANGES } = read.ReadServiceService;

const HEARTBEAT_MS_DEFAULT = 5_000;
/** Heartbeats that may be missed before a connection counts as lost. */
const HEARTBEATS_MISSED = 3;

/**
 * `history`: what was there before the watch began; `live`: what comes, as it comes; `lagging`: it was live, and this
 * program did not take what came in time. Nothing is lost then, it is only late.
 */
export type WatchState = "history" | "live" | "lagging";

/** Where a watch is. */
export interface WatchProgress {
  readonly kind: "progress";
  readonly state: WatchState;
  /** Everything below it has been given: a watch from here misses nothing. */
  readonly nextHeight: bigint;
  readonly tipHeight: bigint;
  /** The node's time, in milliseconds. */
  readonly timeMs: bigint;
}

export interface WatchedBlock {
  readonly kind: "block";
  readonly height: bigint;
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  /** Canonical bytes in order; none unless they were asked for. */
  readonly transactions: readonly Uint8Array[];
  /** True when the client verifies: the block is in the signed history. */
  readonly isVerified: boolean;
}

export interface WatchedChange {
  readonly kind: "change";
  readonly change: Change;
}

export interface WatchOptions extends ResumeOptions {
  /** How often the node says that it is there, in milliseconds: 1,000 to 60,000. Default 5,000. */
  readonly heartbeatMs?: number | undefined;
  readonly requestId?: string | undefined;
}

export interface WatchBlocksOptions extends WatchOptions {
  /** The first block that is wanted. Default: the next one to come. */
  readonly from?: bigint | undefined;
  /** Give the transactions too. Default false. */
  readonly transactions?: boolean | undefined;
}

export interface WatchChangesOptions extends WatchOptions {
  /** The first block that is looked at. Default: the next one to come. */
  readonly from?: bigint | undefined;
}

/** A message of a watch of blocks, its headers shown to be the signed history where the client verifies. */
interface OpenedBlocks {
  readonly blocks: read.WatchBlocksResponse["blocks"];
  readonly headers: readonly Uint8Array[];
  readonly progress: read.WatchProgress;
}

export async function* watchBlocks(
  session: Session,
  options: WatchBlocksOptions,
): AsyncGenerator<WatchedBlock | WatchProgress> {
  const { transactions = false } = options;
  let next = options.from;
  const isVerified = session.verifier() !== undefined;
  let history: FollowedHistory | undefined;
  // Verified within the attempt: a question that has no answer now is cured like a stream that was lost.
  async function* open(): AsyncGenerator<OpenedBlocks> {
    const heartbeatMs = heartbeatOf(options);
    const request = { ...session.vault(), fromHeight: next, transactions, heartbeatMs };
    const stream = session.stream(WATCH_BLOCKS, request, streamOptions(options));
    for await (const { blocks, progress } of stream) {
      if (progress === undefined) throw malformed("a watch without its progress");
      next ??= progress.nextHeight - BigInt(blocks.length);
      const headers = blocks.map(({ header }) => plain(header));
      if (isVerified) {
        const { signal } = options;
        const followed = history ?? (await FollowedHistory.from(session, next, () => ({ signal })));
        // What it took without an end cannot be taken back: the next attempt follows anew from `next`.
        history = undefined;
        await followed.accept(headers);
        history = followed;
      }
      yield { blocks, headers, progress };
    }
  }
  for await (const { blocks, headers, progress } of resuming(open, options)) {
    for (const [i, block] of blocks.entries()) {
      const header = headers[i]!;
      const bodies = block.transactions.map(plain);
      requireHeight(header, next!);
      if (transactions) checkTransactions(header, bodies);
      yield {
        kind: "block",
        height: next!,
        header,
        blockHash: hashOfHeader(header),
        transactions: bodies,
        isVerified,
      };
      next = next! + 1n;
    }
    yield progressOf(progress);
  }
}

export async function* watchChanges(
  session: Session,
  filter: ChangeFilter,
  options: WatchChangesOptions,
): AsyncGenerator<WatchedChange | WatchProgress> {
  let start: read.WatchChangesRequest["start"] =
    options.from === undefined ? undefined : { $case: "fromHeight", value: options.from };
  const heartbeatMs = heartbeatOf(options);
  const open = (): AsyncIterable<read.WatchChangesResponse> =>
    session.stream(
      WATCH_CHANGES,
      { ...session.vault(), filter: filterMessage(filter), start, heartbeatMs },
      streamOptions(options),
    );
  for await (const { changes, progress, resumeToken } of resuming(open, options)) {
    if (progress === undefined) throw malformed("a watch without its progress");
    // Behind this whole message: who stops within it begins again at a height.
    start = { $case: "resumeToken", value: plain(resumeToken) };
    for (const change of changes) yield { kind: "change", change: changeOf(change) };
    yield progressOf(progress);
  }
}

function heartbeatOf({ heartbeatMs = HEARTBEAT_MS_DEFAULT }: WatchOptions): number {
  if (Number.isInteger(heartbeatMs) && heartbeatMs > 0) return heartbeatMs;
  throw new LedgerError("INVALID_ARGUMENT", `heartbeatMs: ${heartbeatMs} is no whole number`, {
    details: { field: "heartbeatMs" },
  });
}

function streamOptions(options: WatchOptions) {
  const { signal, requestId } = options;
  return { signal, requestId, silenceMs: HEARTBEATS_MISSED * heartbeatOf(options) };
}

/** Blocks come one behind the other; the height is part of the header, so a server cannot misname them. */
function requireHeight(header: Uint8Array, height: bigint): void {
  const actual =
    header.length < 48 ? -1n : new DataView(header.buffer, header.byteOffset).getBigUint64(40);
  if (actual !== height) throw malformed(`block ${actual} where block ${height} must be`);
}

const STATES: { readonly [state: number]: WatchState } = {
  [read.WatchState.WATCH_STATE_HISTORY]: "history",
  [read.WatchState.WATCH_STATE_LIVE]: "live",
  [read.WatchState.WATCH_STATE_LAGGING]: "lagging",
};

function progressOf({ state, nextHeight, tipHeight, timeMs }: read.WatchProgress): WatchProgress {
  const name = STATES[state];
  if (name === undefined) throw malformed(`a watch in the state ${state}`);
  return { kind: "progress", state: name, nextHeight, tipHeight, timeMs };
}
