/** Gives the leadership to another node, and tells who asked what became of it. */
import type { Timers } from "@authledger/io";
import { LedgerError, type NodeId } from "@authledger/types";
import { HAND_OVER_MS } from "./cluster-limits.js";
import type { RaftGroup } from "./raft-group.js";

interface Move {
  readonly to: NodeId;
  readonly done: (term: number) => void;
  readonly failed: (error: LedgerError) => void;
}

export class LeaderMoves {
  readonly #group: RaftGroup;
  readonly #timers: Timers;
  #moves: Move[] = [];

  constructor(group: RaftGroup, timers: Timers) {
    this.#group = group;
    this.#timers = timers;
  }

  /** Resolves with the term in which the node leads. @throws LedgerError TRANSFER_FAILED */
  to(node: NodeId): Promise<number> {
    return new Promise((done, failed) => {
      const move = { to: node, done, failed };
      this.#moves.push(move);
      // Once this node has stepped down nobody tells it that the other one was not elected either.
      this.#timers.after(HAND_OVER_MS, () => this.#giveUp(move));
      this.#group.transfer(node);
      this.onRole();
    });
  }

  /** Gives the leadership to the voter that has most of the log, if one answers; within a bounded time. */
  async handOver(own: NodeId): Promise<boolean> {
    const { voters } = this.#group.configuration.membership;
    const candidates = this.#group.progress.filter(
      ({ node, isActive, isRecovering, state }) =>
        node !== own && isActive && !isRecovering && state === "replicate" && voters.includes(node),
    );
    candidates.sort((a, b) => b.match - a.match);
    const [best] = candidates;
    if (this.#group.role !== "leader" || best === undefined) return false;
    const moved = this.to(best.node).then(
      () => true,
      () => false,
    );
    return Promise.race([moved, this.#timeout()]);
  }

  onRole(): void {
    const { leader, term } = this.#group;
    if (leader === undefined) return;
    const settled = this.#moves.filter(({ to }) => to === leader);
    this.#moves = this.#moves.filter(({ to }) => to !== leader);
    for (const { done } of settled) done(term);
  }

  onTransferFailed(to: NodeId): void {
    const failed = this.#moves.filter((move) => move.to === to);
    this.#moves = this.#moves.filter((move) => move.to !== to);
    for (const move of failed) move.failed(transferFailed(to));
  }

  stop(error: LedgerError): void {
    for (const { failed } of this.#moves.splice(0)) failed(error);
  }

  #giveUp(move: Move): void {
    if (!this.#moves.includes(move)) return;
    this.#moves = this.#moves.filter((one) => one !== move);
    move.failed(transferFailed(move.to));
  }

  #timeout(): Promise<boolean> {
    return new Promise((resolve) => void this.#timers.after(HAND_OVER_MS, () => resolve(false)));
  }
}

function transferFailed(to: NodeId): LedgerError {
  return new LedgerError("TRANSFER_FAILED", `node ${to} did not take the leadership over`);
}
