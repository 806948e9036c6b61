/**
 * What the only voter of a group appends leaves for others when it is durable here, and not before.
 *
 *   INV-GROUP-12  While a node is the only voter of its group no other node has an entry that this one may lose.
 *
 * Where several vote, entries leave beside the sync, which saves its time: they count on others' disks too. The only voter commits
 * by its own disk alone, so nobody waits longer for an answer. But what it lost in the sync, a learner would have: of
 * the change that makes it a voter it could never tell whether it was committed, and neither of the two would come to lead.
 * Entries that left beside the sync while another voted, and are not durable when its removal is applied, are no part of that:
 * none of them makes anybody a voter (INV-RAFT-14).
 *
 * The order of what is sent to a peer stays, for entries that come before others are refused. Heartbeats pass.
 */
import type { Message } from "@authledger/raft";
import type { NodeId } from "@authledger/types";

type Append = Extract<Message, { type: "append" }>;

export class SyncFirst {
  readonly #send: (message: Message) => void;
  readonly #sendable: () => number;
  #waiting: Append[] = [];

  /** @param sendable up to which index entries may leave: what is durable here; all, where others vote too */
  constructor(send: (message: Message) => void, sendable: () => number) {
    this.#send = send;
    this.#sendable = sendable;
  }

  /** Hands a message over, now or when its entries may leave. */
  send(message: Message): void {
    if (message.type !== "append") {
      this.#send(message);
      return;
    }
    const last = this.#waiting.findLastIndex(({ to }) => to === message.to);
    if (last < 0 && lastOf(message) <= this.#sendable()) this.#send(message);
    else if (last >= 0 && holds(message, this.#waiting[last]!)) this.#waiting[last] = message;
    else this.#waiting.push(message);
  }

  /** More may leave now, perhaps. */
  release(): void {
    if (this.#waiting.length === 0) return;
    const sendable = this.#sendable();
    const ready: Append[] = [];
    const behind = new Set<NodeId>();
    this.#waiting = this.#waiting.filter((message) => {
      if (lastOf(message) > sendable) behind.add(message.to);
      if (!behind.has(message.to)) ready.push(message);
      return behind.has(message.to);
    });
    for (const message of ready) this.#send(message);
  }

  /** This node leads no more, or begins anew: what waits may never be in its log. */
  clear(): void {
    this.#waiting = [];
  }
}

function lastOf({ index, entries }: Append): number {
  return index + entries.length;
}

/** A node that is not known to answer is asked again with every heartbeat: that must not add up while a disk is slow. */
function holds(message: Append, before: Append): boolean {
  return message.index === before.index && message.entries.length >= before.entries.length;
}
