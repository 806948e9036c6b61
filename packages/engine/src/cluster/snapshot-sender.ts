/**
 * Gives snapshots to followers that need one: one at a time to each, two at a time in all, the rest wait.
 *
 * It first offers the stream with an empty part; the follower says how much of it is there, so a broken link and a
 * restart of either side cost only what was on its way. Parts leave while less than a window is unanswered. Frames
 * may be lost, doubled and reordered: what is not answered in time is asked for, and where the answers stand still the
 * sender gives up and says so.
 */
import type { Clock, Timers } from "@authledger/io";
import { LedgerError, type NodeId } from "@authledger/types";
import type { BuiltSnapshot } from "./snapshot-builder.js";
import type { SnapshotAck, SnapshotChunk, SnapshotPurpose } from "./snapshot-frames.js";
import {
  SNAPSHOT_GIVE_UP_MS,
  SNAPSHOT_RETRY_MS,
  SNAPSHOT_WINDOW_CHUNKS,
  SNAPSHOTS_OUTGOING_MAX,
} from "./snapshot-limits.js";

export interface SnapshotSenderDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly acquire: (index: number) => Promise<BuiltSnapshot>;
  readonly release: (built: BuiltSnapshot) => void;
  /** False when it was dropped. */
  readonly send: (to: NodeId, chunk: SnapshotChunk) => boolean;
  /** A follower has the state, or it was given up; told once for each `begin` that was not stopped. */
  readonly onEnded: (to: NodeId, ok: boolean, why: string, purpose: SnapshotPurpose) => void;
}

export interface SnapshotRequest {
  readonly to: NodeId;
  /** The least log index that helps. */
  readonly index: number;
  readonly purpose: SnapshotPurpose;
  /** The sender's term. */
  readonly term: number;
}

interface Transfer {
  readonly request: SnapshotRequest;
  built: BuiltSnapshot | undefined;
  /** What the follower says is there. */
  acked: number;
  /** The end of what was sent. */
  sent: number;
  progressAtMs: number;
  askedAtMs: number;
}

/** What is being sent, for figures and tests. */
export interface SnapshotSenderStats {
  readonly active: number;
  readonly waiting: number;
  readonly bytesSent: number;
  readonly finished: number;
  readonly givenUp: number;
}

export class SnapshotSender {
  readonly #deps: SnapshotSenderDeps;
  readonly #active = new Map<NodeId, Transfer>();
  readonly #waiting = new Map<NodeId, SnapshotRequest>();
  readonly #counts = { bytesSent: 0, finished: 0, givenUp: 0 };
  #cancelTimer: (() => void) | undefined;

  constructor(deps: SnapshotSenderDeps) {
    this.#deps = deps;
  }

  get stats(): SnapshotSenderStats {
    return { active: this.#active.size, waiting: this.#waiting.size, ...this.#counts };
  }

  /**
   * Gives a follower a state of at least an index, unless it is being given one for the same purpose and term. One that
   * is to catch up is given no other one to rebuild itself with: what it gets does for that too, and the leader must hear
   * how it ends.
   */
  begin(request: SnapshotRequest): void {
    const { to } = request;
    const known = this.#active.get(to)?.request ?? this.#waiting.get(to);
    if (known !== undefined && does(known, request)) return;
    if (known !== undefined) this.stop(to);
    this.#waiting.set(to, request);
    this.#startNext();
  }

  /** Ends what is sent to a follower; nobody is told. */
  stop(to: NodeId): void {
    this.#waiting.delete(to);
    const transfer = this.#active.get(to);
    if (transfer !== undefined) this.#remove(to, transfer);
  }

  /** Ends everything that is sent for a purpose. */
  stopFor(purpose: SnapshotPurpose): void {
    const of = (request: SnapshotRequest): boolean => request.purpose === purpose;
    for (const [to, request] of [...this.#waiting]) if (of(request)) this.stop(to);
    for (const [to, { request }] of [...this.#active]) if (of(request)) this.stop(to);
  }

  stopAll(): void {
    this.#waiting.clear();
    for (const to of [...this.#active.keys()]) this.stop(to);
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** Ends everything that is sent, and says why: what was sent is of no use. */
  endAll(why: string): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [to, transfer] of [...this.#active]) this.#end(to, transfer, false, why);
    for (const [to, { purpose }] of waiting) this.#deps.onEnded(to, false, why, purpose);
  }

  onAck(from: NodeId, ack: SnapshotAck): void {
    const transfer = this.#active.get(from);
    const built = transfer?.built;
    if (transfer === undefined || built === undefined) return;
    if (!ack.uuid.every((byte, i) => byte === built.uuid[i])) return;
    if (ack.status === "installed") this.#end(from, transfer, true, "installed");
    else if (ack.status === "refused") this.#end(from, transfer, false, ack.reason);
    else if (ack.status === "wants" && ack.offset <= built.total)
      this.#advance(transfer, ack.offset);
  }

  #startNext(): void {
    for (const [to, request] of this.#waiting) {
      if (this.#active.size >= SNAPSHOTS_OUTGOING_MAX) return;
      this.#waiting.delete(to);
      const now = this.#deps.clock.monotonicMs();
      const transfer: Transfer = {
        request,
        built: undefined,
        acked: 0,
        sent: 0,
        progressAtMs: now,
        askedAtMs: now,
      };
      this.#active.set(to, transfer);
      void this.#open(to, transfer);
    }
    this.#watch();
  }

  async #open(to: NodeId, transfer: Transfer): Promise<void> {
    try {
      const built = await this.#deps.acquire(transfer.request.index);
      if (this.#active.get(to) !== transfer) {
        this.#deps.release(built);
        return;
      }
      transfer.built = built;
      transfer.progressAtMs = this.#deps.clock.monotonicMs();
      this.#offer(transfer);
    } catch (error) {
      if (this.#active.get(to) !== transfer) return;
      this.#end(to, transfer, false, LedgerError.from(error).message);
    }
  }

  /** Asks how much is there. */
  #offer(transfer: Transfer): void {
    transfer.askedAtMs = this.#deps.clock.monotonicMs();
    this.#send(transfer, 0, new Uint8Array(0));
  }

  #advance(transfer: Transfer, offset: number): void {
    const { chunkBytes, total } = transfer.built!;
    // Only whole parts are taken; anything else is of a stream that is not ours, and begins anew.
    const isWhole = offset === total || offset % chunkBytes === 0;
    const acked = isWhole ? offset : 0;
    const now = this.#deps.clock.monotonicMs();
    if (acked > transfer.acked) transfer.progressAtMs = now;
    // It wants less than was on its way: something was lost, or it has begun anew.
    const isBehind = acked < transfer.acked || transfer.sent < acked;
    transfer.acked = acked;
    if (isBehind) transfer.sent = acked;
    transfer.askedAtMs = now;
    // Where all has come the follower checks it, which takes its time: it answers for as long as it does.
    if (acked === total) transfer.progressAtMs = now;
    this.#fill(transfer);
  }

  #fill(transfer: Transfer): void {
    const { chunkBytes, total } = transfer.built!;
    const end = Math.min(total, transfer.acked + SNAPSHOT_WINDOW_CHUNKS * chunkBytes);
    while (transfer.sent < end) {
      const chunk = this.#read(transfer, transfer.sent);
      if (chunk === undefined || !this.#send(transfer, transfer.sent, chunk)) return;
      transfer.sent += chunk.length;
      this.#counts.bytesSent += chunk.length;
    }
  }

  /** The file may be gone, where a newer state was built for another follower. */
  #read(transfer: Transfer, offset: number): Uint8Array | undefined {
    try {
      return transfer.built!.chunk(offset);
    } catch (error) {
      this.#end(transfer.request.to, transfer, false, LedgerError.from(error).message);
      return undefined;
    }
  }

  #send(transfer: Transfer, offset: number, data: Uint8Array): boolean {
    const { request, built } = transfer;
    const { uuid, index, term, total, chains, chunkBytes } = built!;
    const chain = chains[Math.ceil((offset + data.length) / chunkBytes)]!;
    const { purpose, to, term: leaderTerm } = request;
    const head = { purpose, leaderTerm, uuid, index, term, total };
    return this.#deps.send(to, { ...head, offset, chain, data });
  }

  #watch(): void {
    if (this.#cancelTimer !== undefined || this.#active.size === 0) return;
    this.#cancelTimer = this.#deps.timers.after(SNAPSHOT_RETRY_MS / 2, () => {
      this.#cancelTimer = undefined;
      for (const [to, transfer] of [...this.#active]) this.#look(to, transfer);
      this.#watch();
    });
  }

  #look(to: NodeId, transfer: Transfer): void {
    if (transfer.built === undefined) return;
    const now = this.#deps.clock.monotonicMs();
    if (now - transfer.progressAtMs >= SNAPSHOT_GIVE_UP_MS) {
      this.#end(to, transfer, false, `no progress for ${SNAPSHOT_GIVE_UP_MS} ms`);
    } else if (now - transfer.askedAtMs >= SNAPSHOT_RETRY_MS) {
      transfer.sent = transfer.acked;
      this.#offer(transfer);
    }
  }

  #end(to: NodeId, transfer: Transfer, ok: boolean, why: string): void {
    this.#remove(to, transfer);
    if (ok) this.#counts.finished++;
    else this.#counts.givenUp++;
    this.#deps.onEnded(to, ok, why, transfer.request.purpose);
  }

  #remove(to: NodeId, transfer: Transfer): void {
    this.#active.delete(to);
    if (transfer.built !== undefined) this.#deps.release(transfer.built);
    this.#startNext();
  }
}

/** Does what is under way do for another request of the same node? */
function does(known: SnapshotRequest, request: SnapshotRequest): boolean {
  if (known.purpose !== request.purpose) return known.purpose === "catch-up";
  return known.term === request.term;
}
