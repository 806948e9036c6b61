/**
 * What the leader knows of one node, and how it sends to it: *probe* asks where the logs agree with one message at a
 * time, *replicate* streams ahead of the answers, *snapshot* waits until a state has been delivered.
 *
 * `match` is what the node has acknowledged as durable: a hint of a rejection never raises it (museum row 7).
 */
import type { NodeId } from "@authledger/types";
import type { Inflights } from "./inflights.js";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  readonly id: NodeId;
  /** The last entry that the node is known to have durably. */
  match = 0;
  /** The entry that is sent next. */
  next: number;
  state: ProgressState = "probe";
  /** Nothing leaves until the node answers. */
  isPaused = false;
  /** In state snapshot: the least index of the state that is on its way. */
  pendingSnapshot = 0;
  /** It was heard from since the last check of the quorum. */
  isActive = false;
  isLearner = false;
  /** It said that it may have lost what it acknowledged: what it acknowledges now does not count for a commit. */
  isRecovering = false;
  /**
   * In this term, and under these voters, it has acknowledged an entry that was sent to members of this configuration alone, with the
   * word that the change that made it is committed. True as well where the leader was the only voter before.
   */
  knowsConfiguration = false;
  /** The highest commit index it was told. */
  sentCommit = 0;
  /** The latest read round that it acknowledged in this term. */
  ackedRound = 0;
  readonly inflights: Inflights;

  constructor(id: NodeId, next: number, inflights: Inflights) {
    this.id = id;
    this.next = next;
    this.inflights = inflights;
  }

  /** A new term of this node: nothing is known of the other. */
  reset(next: number): void {
    this.match = 0;
    this.next = next;
    this.isActive = false;
    this.isRecovering = false;
    this.knowsConfiguration = false;
    this.sentCommit = 0;
    this.ackedRound = 0;
    this.#become("probe");
  }

  get mayNotSend(): boolean {
    return this.isPaused || this.state === "snapshot";
  }

  becomeProbe(): void {
    // A state that was delivered reaches at least so far, though the node has not said so yet.
    const next =
      this.state === "snapshot"
        ? Math.max(this.match + 1, this.pendingSnapshot + 1)
        : this.match + 1;
    this.#become("probe");
    this.#goBackTo(next);
  }

  becomeReplicate(): void {
    this.#become("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#become("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** A message with `count` entries left. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.isPaused = this.inflights.isFull;
    } else if (count > 0) {
      this.isPaused = true;
    }
  }

  /** Whether telling it this commit index can make it commit more. */
  canLearnCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The node acknowledged `index`. False when that is old. */
  acknowledge(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isPaused = false;
    return true;
  }

  /** The node refused `refused`; its log may agree at `hint`. False when that answer is old. */
  refuse(refused: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (refused <= this.match) return false;
      this.#goBackTo(this.match + 1);
      return true;
    }
    // A probe has one message on its way; an answer to another one is old.
    if (this.next - 1 !== refused) return false;
    this.#goBackTo(Math.max(Math.min(refused, hint + 1), this.match + 1));
    this.isPaused = false;
    return true;
  }

  /** The node has lost what it acknowledged: everything above `hint` is unknown again. Never unsafe. */
  forgetAbove(hint: number): void {
    this.match = Math.min(this.match, hint);
    this.becomeProbe();
  }

  clone(): Progress {
    const copy = new Progress(this.id, this.next, this.inflights.clone());
    copy.match = this.match;
    copy.state = this.state;
    copy.isPaused = this.isPaused;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.isActive = this.isActive;
    copy.isLearner = this.isLearner;
    copy.isRecovering = this.isRecovering;
    copy.knowsConfiguration = this.knowsConfiguration;
    copy.sentCommit = this.sentCommit;
    copy.ackedRound = this.ackedRound;
    return copy;
  }

  #goBackTo(next: number): void {
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
  }

  #become(state: ProgressState): void {
    this.state = state;
    this.isPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }
}

/** What a leader knows of one node. */
export interface ProgressStatus {
  readonly node: NodeId;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly isPaused: boolean;
  readonly isActive: boolean;
  readonly isLearner: boolean;
  /** It may have lost what it acknowledged: it counts for nothing until it says otherwise. */
  readonly isRecovering: boolean;
  readonly inflight: number;
  /** Nothing more may be on its way to it. */
  readonly isFull: boolean;
  readonly pendingSnapshot: number;
}

export function statusOf(progress: Progress): ProgressStatus {
  return {
    node: progress.id,
    match: progress.match,
    next: progress.next,
    state: progress.state,
    isPaused: progress.mayNotSend,
    isActive: progress.isActive,
    isLearner: progress.isLearner,
    isRecovering: progress.isRecovering,
    inflight: progress.inflights.count,
    isFull: progress.inflights.isFull,
    pendingSnapshot: progress.pendingSnapshot,
  };
}
