/** What happened in a run: a hash over all of it, and where it is wanted one line per event. */
import type { Action, Event, Message } from "@authledger/raft";
import { mix } from "../world/fault-plan.js";
import { nameOf } from "./machine.js";

/** Lines kept; a longer run keeps the end. */
const LINES_MAX = 200_000;

export class Trace {
  readonly #lines: string[] | undefined;
  #hash = 0x811c9dc5;

  constructor(isWritten: boolean) {
    this.#lines = isWritten ? [] : undefined;
  }

  /** Of all that happened, in its order. Equal runs have equal hashes. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  get isWritten(): boolean {
    return this.#lines !== undefined;
  }

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  /** Takes numbers into the hash. */
  add(a: number, b: number): void {
    this.#hash = mix(Math.imul(this.#hash, 31) ^ a) ^ b;
  }

  /** Says something in words; only where lines are written. */
  say(now: number, what: string): void {
    const lines = this.#lines;
    if (lines === undefined) return;
    lines.push(`${now.toFixed(3).padStart(10)}  ${what}`);
    if (lines.length > LINES_MAX) lines.splice(0, LINES_MAX / 2);
  }
}

/** A message in words. */
export function describeMessage(message: Message): string {
  const head = `${nameOf(message.from)}>${nameOf(message.to)} ${message.type} t${message.term}`;
  switch (message.type) {
    case "append": {
      const { index, logTerm, entries, commit } = message;
      const list = entries.map((entry) => `${entry.index}/t${entry.term}`).join(" ");
      return `${head} after ${index}/t${logTerm} [${list}] commit ${commit}`;
    }
    case "append-response": {
      const { index, reject, hint, logTerm } = message;
      return reject ? `${head} rejects ${index}, hint ${hint}/t${logTerm}` : `${head} has ${index}`;
    }
    case "heartbeat":
      return `${head} commit ${message.commit} round ${message.round}`;
    case "heartbeat-response":
      return `${head} round ${message.round}`;
    case "vote":
    case "pre-vote":
      return `${head} log ${message.index}/t${message.logTerm}${message.isTransfer ? " transfer" : ""}`;
    case "vote-response":
    case "pre-vote-response":
      // A vote says it as well; transcripts are read for who got one.
      return message.reject
        ? `${head} no, knows ${message.commit}/t${message.commitTerm} committed`
        : `${head} yes`;
    case "snapshot":
      return `${head} ${message.snapshot.index}/t${message.snapshot.term}`;
    case "timeout-now":
      return `${head} log ${message.index}/t${message.logTerm}`;
    case "transfer":
      return `${head} target ${nameOf(message.target)}`;
    case "read":
      return `${head} context ${message.context}`;
    case "read-response":
      return `${head} context ${message.context} index ${message.index}${message.reject ? " no" : ""}`;
    default:
      return head;
  }
}

/** An event in words. */
export function describeEvent(event: Event): string {
  switch (event.kind) {
    case "message":
      return describeMessage(event.message);
    case "propose":
      return `propose #${event.proposal}, ${event.payloads.length} entries`;
    case "propose-change": {
      const { transition, changes } = event.change;
      const list = changes.map(({ action, node }) => `${action} ${nameOf(node)}`).join(", ");
      return `propose change #${event.proposal} ${transition}: ${list || "leave joint"}`;
    }
    case "read":
      return `read ${event.context}`;
    case "durable":
      return `durable ${event.append}`;
    case "applied":
    case "apply-change":
      return `${event.kind} ${event.index}`;
    case "unreachable":
      return `unreachable ${nameOf(event.node)}`;
    case "snapshot-sent":
      return `snapshot-sent ${nameOf(event.node)} ${event.ok ? "delivered" : "lost"}`;
    case "transfer":
      return `transfer to ${nameOf(event.to)}`;
    default:
      return event.kind;
  }
}

/** An action in words. */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case "append":
      return describeAppend(action);
    case "send":
      return `send ${describeMessage(action.message)}`;
    case "apply":
      return `apply ${action.from}..${action.to}`;
    case "proposed":
      return `proposed #${action.proposal} at ${action.index}/t${action.term}`;
    case "dropped":
      return `dropped #${action.proposal}: ${action.why}`;
    case "read-ready":
      return `read ${action.context} ready at ${action.index}`;
    case "read-dropped":
      return `read ${action.context} dropped: ${action.why}`;
    case "send-snapshot":
      return `send snapshot >= ${action.index} to ${nameOf(action.to)}`;
    case "membership": {
      const { voters, learners, outgoing } = action.membership;
      const list = [voters, outgoing, learners].map((nodes) => nodes.map(nameOf).join(" "));
      return `membership at ${action.index}: voters ${list[0]}, outgoing ${list[1]}, learners ${list[2]}`;
    }
    case "role":
      return `is ${action.role} of t${action.term}`;
    default:
      return action.kind;
  }
}

function describeAppend(batch: Extract<Action, { kind: "append" }>): string {
  const parts = [`append ${batch.append}:`];
  const { hardState, truncateFrom, entries, snapshot, whenDurable: then } = batch;
  if (hardState !== undefined) {
    const vote = hardState.vote === undefined ? "nobody" : nameOf(hardState.vote);
    parts.push(`term ${hardState.term} vote ${vote} commit ${hardState.commit}`);
  }
  if (snapshot !== undefined) parts.push(`snapshot ${snapshot.index}/t${snapshot.term}`);
  if (truncateFrom !== undefined) parts.push(`cut from ${truncateFrom}`);
  if (entries.length > 0) {
    parts.push(entries.map((entry) => `${entry.index}/t${entry.term}`).join(" "));
  }
  if (then.length > 0)
    parts.push(`then ${then.map((m) => `${m.type} to ${nameOf(m.to)}`).join(", ")}`);
  return parts.join(" ");
}
