/**
 * A group of cores under the hand of a test: nothing happens that the test does not ask for. Messages wait in a list,
 * appends wait until they are told durable, commits are applied at once.
 */
import {
  type Action,
  type ConfigurationChange,
  Core,
  type CoreOptions,
  decodeConfigurationChange,
  type Entry,
  type Event,
  type HardState,
  isConfigurationChange,
  type Membership,
  type Message,
  type MessageType,
} from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import { MemoryLog } from "./memory-log.js";

export type Append = Extract<Action, { kind: "append" }>;

export const node = (n: number): NodeId => nodeId(BigInt(n));
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

export function membershipOf(
  voters: readonly number[],
  learners: readonly number[] = [],
): Membership {
  return {
    voters: voters.map(node),
    learners: learners.map(node),
    outgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
}

export function changeOf(
  spec: string,
  transition: ConfigurationChange["transition"] = "auto",
): ConfigurationChange {
  const actions = { v: "add-voter", l: "add-learner", r: "remove", u: "update" } as const;
  const changes = spec
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => ({
      action: actions[word[0] as keyof typeof actions],
      node: node(Number(word.slice(1))),
    }));
  return { transition, changes, context: new Uint8Array(0) };
}

/** One node: a core, its log, and what the core asked for. */
export class TestNode {
  readonly id: NodeId;
  core: Core;
  /** What is durable: the log as it would be found after a crash. */
  readonly log: MemoryLog;
  hardState: HardState;
  membership: Membership;
  readonly appends: Append[] = [];
  readonly actions: Action[] = [];
  readonly applied: Entry[] = [];
  readonly #options: Partial<CoreOptions>;
  readonly #post: (message: Message) => void;
  isApplying = true;

  constructor(
    id: NodeId,
    membership: Membership,
    options: Partial<CoreOptions>,
    post: (message: Message) => void,
    log: MemoryLog = new MemoryLog(),
    hardState: HardState = { term: 0, vote: undefined, commit: 0 },
  ) {
    this.id = id;
    this.membership = membership;
    this.log = log;
    this.hardState = hardState;
    this.#options = options;
    this.#post = post;
    this.core = this.#begin({});
  }

  /** Takes an event, and does all that follows but what waits for the disk. */
  step(event: Event): Action[] {
    const actions: Action[] = [];
    this.core.step(event, actions);
    this.actions.push(...actions);
    for (const action of actions) this.#take(action);
    return actions;
  }

  /** The oldest `count` appends are durable. */
  sync(count: number = this.appends.length): void {
    const done = this.appends.splice(0, count);
    if (done.length === 0) return;
    for (const append of done) this.#write(append);
    this.step({ kind: "durable", append: done.at(-1)!.append });
    for (const append of done) for (const message of append.whenDurable) this.#post(message);
  }

  /** Loses everything that was not durable, and begins again. */
  restart(options: Partial<CoreOptions> = {}): void {
    this.appends.length = 0;
    this.core = this.#begin(options);
  }

  /** What happened of one kind since the last call. */
  take<K extends Action["kind"]>(kind: K): Extract<Action, { kind: K }>[] {
    const found = this.actions.filter((action) => action.kind === kind);
    this.actions.length = 0;
    return found as Extract<Action, { kind: K }>[];
  }

  #begin(options: Partial<CoreOptions>): Core {
    return new Core({
      id: this.id,
      log: this.log,
      hardState: this.hardState,
      applied: this.applied.at(-1)?.index ?? this.log.firstIndex - 1,
      membership: this.membership,
      electionTicks: 10,
      heartbeatTicks: 1,
      jitter: () => 0,
      ...this.#options,
      ...options,
    });
  }

  #take(action: Action): void {
    if (action.kind === "append") this.appends.push(action);
    else if (action.kind === "send") this.#post(action.message);
    else if (action.kind === "membership") this.membership = action.membership;
    else if (action.kind === "apply" && this.isApplying) this.apply(action.from, action.to);
  }

  apply(from: number, to: number): void {
    for (const entry of this.log.entries(from, to + 1, Number.POSITIVE_INFINITY)) {
      if (isConfigurationChange(entry.payload)) {
        const change = decodeConfigurationChange(entry.payload);
        this.step({ kind: "apply-change", index: entry.index, change });
      }
      this.applied.push(entry);
    }
    this.step({ kind: "applied", index: to });
  }

  #write({ hardState, truncateFrom, entries, snapshot }: Append): void {
    if (hardState !== undefined) this.hardState = hardState;
    if (snapshot !== undefined) this.log.restore(snapshot);
    if (truncateFrom !== undefined) this.log.truncate(truncateFrom);
    this.log.append(entries);
  }
}

export class TestGroup {
  readonly nodes: Map<NodeId, TestNode> = new Map();
  messages: Message[] = [];
  /** Whether votes say what is committed; those of versions before this one did not. */
  doVotesTell = true;
  readonly options: Partial<CoreOptions>;

  constructor(voters: number, options: Partial<CoreOptions> = {}) {
    this.options = options;
    const ids = Array.from({ length: voters }, (_, i) => i + 1);
    for (const id of ids) this.add(id, membershipOf(ids));
  }

  add(id: number, membership: Membership, log?: MemoryLog, hardState?: HardState): TestNode {
    const post = (message: Message): void => {
      const isVote = "commitTerm" in message && !message.reject;
      const silent = isVote && !this.doVotesTell ? { commit: 0, commitTerm: 0 } : {};
      this.messages.push({ ...message, ...silent });
    };
    const added = new TestNode(node(id), membership, this.options, post, log, hardState);
    this.nodes.set(added.id, added);
    return added;
  }

  node(id: number): TestNode {
    return this.nodes.get(node(id))!;
  }

  /** Delivers and syncs until nothing is left to do. Messages that `drops` names are lost. */
  settle(drops: (message: Message) => boolean = () => false): void {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      for (const one of this.nodes.values()) one.sync();
      const messages = this.messages.splice(0);
      if (messages.length === 0) {
        if ([...this.nodes.values()].every((one) => one.appends.length === 0)) return;
        continue;
      }
      for (const message of messages) {
        if (drops(message)) continue;
        this.nodes.get(message.to)?.step({ kind: "message", message });
      }
    }
    throw new Error("the group does not come to rest");
  }

  /** Makes `id` the leader of a settled group. */
  elect(id: number): TestNode {
    const elected = this.node(id);
    elected.step({ kind: "campaign" });
    this.settle();
    if (elected.core.role !== "leader") throw new Error(`node ${id} was not elected`);
    return elected;
  }

  propose(id: number, payload: string): void {
    this.node(id).step({ kind: "propose", proposal: 1, payloads: [bytes(payload)] });
  }

  tick(id: number, ticks = 1): void {
    for (let i = 0; i < ticks; i++) this.node(id).step({ kind: "tick" });
  }

  /** Takes the messages of one type to one node off the list. */
  takeMessages<T extends MessageType>(type: T, to?: number): Extract<Message, { type: T }>[] {
    const isTaken = (message: Message): boolean =>
      message.type === type && (to === undefined || message.to === node(to));
    const taken = this.messages.filter(isTaken);
    this.messages = this.messages.filter((message) => !isTaken(message));
    return taken as Extract<Message, { type: T }>[];
  }
}
