/**
 * Clients of a run: they write and read through any node, and remember what they were told.
 *
 * Every write is proposed once under a number of its own, so an entry of that number is in the committed log at most
 * once. A read must see everything that was acknowledged or seen before it began (dissertation 6.4).
 */
import type { Action } from "@authledger/raft";
import type { Machine } from "./machine.js";
import type { Listener, Owner } from "./owner.js";
import type { Run } from "./run.js";
import { Violation } from "./violation.js";

/** First byte of what is not a change of the configuration; then the number of the operation. */
const OPERATION_BYTES = 5;

export class Clients implements Listener {
  readonly #run: Run;
  #owner!: Owner;
  #lastOperation = 0;
  #lastProposal = 0;
  #lastRead = 0;
  /** Index at which each acknowledged operation was committed. */
  readonly #acknowledged: Map<number, number> = new Map();
  readonly #committed: Set<number> = new Set();
  /** Up to here somebody has applied the log. */
  #seenTo = 0;
  /** The least index that a read which begins now must see. */
  #watermark = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  /** The owner that clients talk to. Called once. */
  connect(owner: Owner): void {
    this.#owner = owner;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** Writes through a node; `count` entries at once. */
  propose(machine: Machine, { count, bytes }: { count: number; bytes: number }): void {
    if (machine.core === undefined) return;
    const proposal = ++this.#lastProposal;
    const first = this.#lastOperation + 1;
    this.#lastOperation += count;
    machine.submitted.set(proposal, { first, count });
    const payloads = Array.from({ length: count }, (_, i) => payloadOf(first + i, bytes));
    this.#owner.step(machine, { kind: "propose", proposal, payloads });
  }

  read(machine: Machine): void {
    if (machine.core === undefined) return;
    const context = ++this.#lastRead;
    machine.reads.set(context, { required: this.#watermark, index: undefined });
    this.#owner.step(machine, { kind: "read", context });
  }

  action(machine: Machine, action: Action): void {
    const { sometimes } = this.#run;
    switch (action.kind) {
      case "proposed":
        this.#proposed(machine, action);
        break;
      case "dropped":
        machine.submitted.delete(action.proposal);
        sometimes.hit(
          action.why === "too-many-uncommitted"
            ? "proposal dropped for its size"
            : "proposal refused",
        );
        break;
      case "read-ready":
        this.#readReady(machine, action.context, action.index);
        break;
      case "read-dropped":
        machine.reads.delete(action.context);
        sometimes.hit("read dropped");
        break;
      default:
    }
  }

  #proposed(machine: Machine, action: Extract<Action, { kind: "proposed" }>): void {
    const { proposal, index, term } = action;
    const submitted = machine.submitted.get(proposal);
    machine.submitted.delete(proposal);
    if (submitted === undefined) return;
    for (let i = 0; i < submitted.count; i++) {
      machine.proposals.set(index + i, { operation: submitted.first + i, term });
    }
  }

  applied(machine: Machine, index: number, term: number, payload: Uint8Array): void {
    const operation = operationOf(payload);
    if (index > this.#seenTo) {
      this.#seenTo = index;
      if (operation !== undefined) {
        if (this.#committed.has(operation)) {
          throw new Violation("a proposal is committed at most once", { operation, index });
        }
        this.#committed.add(operation);
      }
    }
    const open = machine.proposals.get(index);
    if (open === undefined) return;
    machine.proposals.delete(index);
    if (open.term === term) this.#acknowledge(machine, index, open.operation, operation);
    else this.#run.sometimes.hit("entry of a deposed leader lost");
  }

  #acknowledge(
    machine: Machine,
    index: number,
    operation: number,
    found: number | undefined,
  ): void {
    const run = this.#run;
    if (found !== operation) {
      throw new Violation("an entry holds what was proposed for it", { index, operation, found });
    }
    this.#acknowledged.set(operation, index);
    this.#watermark = Math.max(this.#watermark, index);
    run.sometimes.hit("entry acknowledged");
    if (run.settings.voters === 1) run.sometimes.hit("group of one served");
    if (run.strikes("crash-after-client-ack"))
      this.#owner.crash(machine, "after a client's answer");
  }

  #readReady(machine: Machine, context: number, index: number): void {
    const read = machine.reads.get(context);
    if (read === undefined) {
      throw new Violation("a read is answered once", { node: machine.name, context });
    }
    if (index < read.required || index > this.#run.judge.commit) {
      throw new Violation("a read sees what was acknowledged before it began (dissertation 6.4)", {
        node: machine.name,
        index,
        required: read.required,
        commit: this.#run.judge.commit,
      });
    }
    machine.reads.set(context, { required: read.required, index });
    this.advanced(machine);
  }

  /** Answers the reads whose index is applied. */
  advanced(machine: Machine): void {
    const { sometimes } = this.#run;
    for (const [context, { index }] of machine.reads) {
      if (index === undefined || index > machine.state.index) continue;
      machine.reads.delete(context);
      this.#watermark = Math.max(this.#watermark, machine.state.index);
      const isLeader = machine.core?.role === "leader";
      sometimes.hit(isLeader ? "read served by the leader" : "read served by a follower");
    }
  }

  crashed(machine: Machine): void {
    for (const { operation } of machine.proposals.values())
      this.#run.say(() => `unknown: ${operation}`);
  }

  /** Everything that was acknowledged is committed, where it was said to be. */
  checkAcknowledged(): void {
    for (const [operation, index] of this.#acknowledged) {
      const entry = this.#run.judge.committed(index);
      if (entry === undefined || operationOf(entry.payload) !== operation) {
        throw new Violation("every acknowledged write is there once", { operation, index });
      }
    }
  }
}

function payloadOf(operation: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(OPERATION_BYTES, bytes));
  payload[1] = operation >>> 24;
  payload[2] = operation >>> 16;
  payload[3] = operation >>> 8;
  payload[4] = operation;
  return payload;
}

/** Undefined for the empty entry of a new term. */
function operationOf(payload: Uint8Array): number | undefined {
  if (payload.length < OPERATION_BYTES) return undefined;
  return ((payload[1]! << 24) | (payload[2]! << 16) | (payload[3]! << 8) | payload[4]!) >>> 0;
}
