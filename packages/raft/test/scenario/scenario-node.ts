/**
 * One node of a scenario. What the core asks for is collected until the scenario lets the node work: in one go (the log
 * is written, committed entries are applied, messages leave), or with the disk and the applying as two threads
 * of their own that the scenario runs when it likes.
 */
import {
  type Action,
  Core,
  type CoreOptions,
  decodeConfigurationChange,
  type Entry,
  type Event,
  type HardState,
  isConfigurationChange,
  type Membership,
  type Message,
  type Role,
  type SnapshotMeta,
} from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { MemoryLog } from "../support/memory-log.js";
import {
  describeEntries,
  describeEntry,
  describeMessage,
  describeRole,
  describeSnapshot,
  indent,
} from "./describe.js";

type Append = Extract<Action, { kind: "append" }>;

/** On its way: a message between nodes, or what a thread of a node tells its own core. */
export type Envelope =
  | { readonly kind: "message"; readonly to: NodeId; readonly message: Message }
  | {
      readonly kind: "durable";
      readonly to: NodeId;
      readonly append: number;
      readonly described: string;
    }
  | {
      readonly kind: "applied";
      readonly to: NodeId;
      readonly index: number;
      readonly described: string;
    }
  /** A proposal that the owner of a follower passes on to the leader. */
  | {
      readonly kind: "forwarded";
      readonly to: NodeId;
      readonly event: Event;
      readonly described: string;
    };

/** What one Ready gives to the thread of the disk. */
interface AppendWork {
  readonly described: string;
  readonly appends: readonly Append[];
  readonly responses: readonly Envelope[];
}

interface ApplyWork {
  readonly described: string;
  readonly entries: readonly Entry[];
  readonly response: Envelope;
}

export interface ScenarioNodeOptions {
  readonly id: NodeId;
  readonly membership: Membership;
  readonly index: number;
  readonly isAsync: boolean;
  readonly core: Partial<CoreOptions>;
}

export class ScenarioNode {
  readonly id: NodeId;
  readonly core: Core;
  /** What the disk has. */
  readonly log: MemoryLog;
  readonly isAsync: boolean;
  membership: Membership;
  readonly appendWork: AppendWork[] = [];
  readonly applyWork: ApplyWork[] = [];
  dropped: string | undefined;
  #snapshot: SnapshotMeta;
  #sends: Envelope[] = [];
  #appends: Append[] = [];
  /** What the core has handed out for applying. */
  #handed: number;
  /** What the Readies have shown as committed. */
  #shown: number;
  /** The log as it will be when all appends are written. */
  readonly #whole: MemoryLog;
  #hardState: HardState;
  #role: Role = "follower";
  #leader: NodeId | undefined;

  constructor({ id, membership, index, isAsync, core }: ScenarioNodeOptions) {
    this.id = id;
    this.isAsync = isAsync;
    this.membership = membership;
    const term = index > 0 ? 1 : 0;
    this.log = new MemoryLog(index + 1, term);
    this.#whole = new MemoryLog(index + 1, term);
    this.#snapshot = { index, term, membership };
    this.#handed = index;
    this.#shown = index;
    this.#hardState = { term: 0, vote: undefined, commit: index };
    this.core = new Core({
      id,
      log: this.log,
      // A scenario begins in term 0 with a log of term 1, which no log on a disk could be.
      hardState: this.#hardState,
      applied: index,
      membership,
      electionTicks: 3,
      heartbeatTicks: 1,
      jitter: () => 2 / 3,
      ...core,
    });
  }

  get hasReady(): boolean {
    const { core } = this;
    const shows = core.role !== this.#role || core.leader !== this.#leader;
    return shows || this.#sends.length > 0 || this.#appends.length > 0 || this.#hasCommitted;
  }

  get #hasCommitted(): boolean {
    return this.#shown < this.#committedNow;
  }

  /** What a Ready shows: all that is committed, or with threads of its own what is durable as well. */
  get #committedNow(): number {
    const { pendingSnapshotIndex } = this;
    if (pendingSnapshotIndex !== undefined) return this.#shown;
    return this.isAsync ? this.#handed : this.core.commit;
  }

  private get pendingSnapshotIndex(): number | undefined {
    return this.#appends.find((append) => append.snapshot !== undefined)?.snapshot?.index;
  }

  step(event: Event): void {
    const actions: Action[] = [];
    this.core.step(event, actions);
    for (const action of actions) this.#collect(action);
  }

  #collect(action: Action): void {
    if (action.kind === "send") this.#send(action.message);
    else if (action.kind === "send-snapshot") this.#send(this.snapshotFor(action.to));
    else if (action.kind === "apply") this.#handed = action.to;
    else if (action.kind === "membership") this.membership = action.membership;
    else if (action.kind === "dropped") this.dropped = action.why;
    else if (action.kind === "append") {
      this.#appends.push(action);
      write(this.#whole, action);
    }
  }

  #send(message: Message): void {
    this.#sends.push({ kind: "message", to: message.to, message });
  }

  /** The core takes proposals on the leader only: elsewhere its owner passes them on. */
  forward(event: Event, payload: Uint8Array): void {
    const { leader } = this.core;
    if (leader === undefined) throw new Error("there is no leader to pass the proposal on to");
    const entries = describeEntries([{ index: 0, term: 0, payload }]);
    const described = `${this.id}->${leader} MsgProp Term:0 Log:0/0${entries}`;
    this.#sends.push({ kind: "forwarded", to: leader, event, described });
  }

  snapshotFor(to: NodeId): Message {
    const { term } = this.core;
    return { type: "snapshot", from: this.id, to, term, snapshot: this.#snapshot };
  }

  /** Takes all that the core has asked for since the last time; returns what it was. */
  processReady(post: (envelope: Envelope) => void): string {
    if (!this.hasReady) return "<empty Ready>";
    const appends = this.#appends.splice(0);
    const sends = this.#sends.splice(0);
    const committed = this.#showCommitted(appends);
    const lines = this.#describeReady(appends, committed);
    const messages = sends.map(describeEnvelope);
    for (const envelope of sends) post(envelope);
    if (this.isAsync) {
      messages.push(...this.#schedule(appends, committed));
    } else {
      for (const message of appends.flatMap((append) => append.whenDurable)) {
        messages.push(describeMessage(message));
        post({ kind: "message", to: message.to, message });
      }
      this.#work(appends, committed);
    }
    if (messages.length > 0) lines.push("Messages:", ...messages);
    return lines.join("\n");
  }

  #showCommitted(appends: readonly Append[]): readonly Entry[] {
    const snapshot = appends.find((append) => append.snapshot !== undefined)?.snapshot;
    if (snapshot !== undefined) this.#shown = snapshot.index;
    const from = this.#shown + 1;
    const to = snapshot === undefined ? this.#committedNow : this.#shown;
    this.#shown = Math.max(this.#shown, to);
    return from > to ? [] : this.#whole.entries(from, to + 1, Number.POSITIVE_INFINITY);
  }

  #describeReady(appends: readonly Append[], committed: readonly Entry[]): string[] {
    const { core } = this;
    const lines: string[] = [];
    const before = this.#hardState;
    const changed = appends.findLast((append) => append.hardState !== undefined)?.hardState;
    const entries = written(appends);
    const promises =
      changed !== undefined && (changed.term !== before.term || changed.vote !== before.vote);
    lines.push(`Ready MustSync=${entries.length > 0 || promises}:`);
    if (core.role !== this.#role || core.leader !== this.#leader) {
      lines.push(`Lead:${core.leader ?? 0} State:${describeRole(core.role)}`);
      this.#role = core.role;
      this.#leader = core.leader;
    }
    if (changed !== undefined) {
      this.#hardState = changed;
      const vote = changed.vote === undefined ? "" : ` Vote:${changed.vote}`;
      lines.push(`HardState Term:${changed.term}${vote} Commit:${changed.commit}`);
    }
    if (entries.length > 0) lines.push("Entries:", ...entries.map(describeEntry));
    const snapshot = appends.find((append) => append.snapshot !== undefined)?.snapshot;
    if (snapshot !== undefined) lines.push(`Snapshot ${describeSnapshot(snapshot)}`);
    if (committed.length > 0) lines.push("CommittedEntries:", ...committed.map(describeEntry));
    return lines;
  }

  /** In one go. */
  #work(appends: readonly Append[], committed: readonly Entry[]): void {
    for (const append of appends) write(this.log, append);
    this.#remember(appends);
    this.#applyChanges(committed);
    const last = appends.at(-1);
    if (last !== undefined) this.step({ kind: "durable", append: last.append });
    if (committed.length > 0) this.step({ kind: "applied", index: committed.at(-1)!.index });
  }

  #remember(appends: readonly Append[]): void {
    for (const { snapshot } of appends) if (snapshot !== undefined) this.#snapshot = snapshot;
  }

  #applyChanges(entries: readonly Entry[]): void {
    for (const { index, term, payload } of entries) {
      if (isConfigurationChange(payload)) {
        const change = decodeConfigurationChange(payload);
        this.step({ kind: "apply-change", index, change });
      }
      this.#snapshot = { index, term, membership: this.membership };
    }
  }

  /** Gives the work to the threads. */
  #schedule(appends: readonly Append[], committed: readonly Entry[]): string[] {
    const described: string[] = [];
    if (appends.length > 0) {
      const work = this.#appendWork(appends);
      this.appendWork.push(work);
      described.push(withResponses(work.described, work.responses.map(describeEnvelope)));
    }
    if (committed.length > 0) {
      const work = this.#applyWork(committed);
      this.applyWork.push(work);
      described.push(withResponses(work.described, [describeEnvelope(work.response)]));
    }
    return described;
  }

  #appendWork(appends: readonly Append[]): AppendWork {
    const { id, core } = this;
    const state = appends.findLast((append) => append.hardState !== undefined)?.hardState;
    let described = `${id}->AppendThread MsgStorageAppend Term:${state?.term ?? 0} Log:0/0`;
    if (state !== undefined) described += ` Commit:${state.commit}`;
    if (state?.vote !== undefined) described += ` Vote:${state.vote}`;
    described += describeEntries(written(appends));
    const responses = appends.flatMap((append) => this.#responses(append));
    if (core.durable < core.lastIndex) {
      const log = `${core.lastTerm}/${core.lastIndex}`;
      const done = `AppendThread->${id} MsgStorageAppendResp Term:${core.term} Log:${log}`;
      const { append } = appends.at(-1)!;
      responses.push({ kind: "durable", to: id, append, described: done });
    }
    return { described, appends, responses };
  }

  /** What leaves when the append is durable, with what the node says to itself. */
  #responses({ append, hardState, entries, whenDurable }: Append): Envelope[] {
    const { id, core } = this;
    const responses: Envelope[] = whenDurable.map((message) => ({
      kind: "message",
      to: message.to,
      message,
    }));
    const own = (described: string): void => {
      responses.push({ kind: "durable", to: id, append, described: `${id}->${id} ${described}` });
    };
    if (hardState?.vote === id && core.role === "candidate") {
      own(`MsgVoteResp Term:${hardState.term} Log:0/0`);
    }
    if (core.role === "leader" && entries.at(-1)?.term === core.term) {
      own(`MsgAppResp Term:${core.term} Log:0/${entries.at(-1)!.index}`);
    }
    return responses;
  }

  #applyWork(entries: readonly Entry[]): ApplyWork {
    const { id } = this;
    const described = `${id}->ApplyThread MsgStorageApply Term:0 Log:0/0${describeEntries(entries)}`;
    const done = `ApplyThread->${id} MsgStorageApplyResp Term:0 Log:0/0${describeEntries(entries)}`;
    const { index } = entries.at(-1)!;
    return { described, entries, response: { kind: "applied", to: id, index, described: done } };
  }

  /** The thread of the disk does its oldest work. */
  processAppendThread(post: (envelope: Envelope) => void): string {
    const work = this.appendWork.shift();
    if (work === undefined) return "no append work to perform";
    for (const append of work.appends) write(this.log, append);
    this.#remember(work.appends);
    for (const response of work.responses) post(response);
    return processed(work.described, work.responses);
  }

  processApplyThread(post: (envelope: Envelope) => void): string {
    const work = this.applyWork.shift();
    if (work === undefined) return "no apply work to perform";
    this.#applyChanges(work.entries);
    post(work.response);
    return processed(work.described, [work.response]);
  }
}

export function describeEnvelope(envelope: Envelope): string {
  return envelope.kind === "message" ? describeMessage(envelope.message) : envelope.described;
}

function processed(described: string, responses: readonly Envelope[]): string {
  return ["Processing:", described, "Responses:", ...responses.map(describeEnvelope)].join("\n");
}

function withResponses(described: string, responses: readonly string[]): string {
  if (responses.length === 0) return described;
  return `${described} Responses:[\n${indent(responses.join("\n"))}\n]`;
}

function write(log: MemoryLog, { snapshot, truncateFrom, entries }: Append): void {
  if (snapshot !== undefined) log.restore(snapshot);
  if (truncateFrom !== undefined) log.truncate(truncateFrom);
  log.append(entries);
}

/** The entries of several appends, without those that later ones cut off. */
function written(appends: readonly Append[]): Entry[] {
  let entries: Entry[] = [];
  for (const { truncateFrom, entries: more } of appends) {
    if (truncateFrom !== undefined) entries = entries.filter((entry) => entry.index < truncateFrom);
    entries.push(...more);
  }
  return entries;
}
