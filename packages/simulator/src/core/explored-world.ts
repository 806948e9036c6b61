/**
 * A world for the explorer: a few nodes, the messages on their way, and what may still happen to them. A world never
 * changes; `after` makes the next one, which shares all nodes but the one that something happened to.
 */
import type { Action, Event, Membership, Message } from "@authledger/raft";
import { isConfigurationChange } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { Core, CoreModule } from "./core-module.js";
import { DurableLog } from "./durable-log.js";
import { type Fingerprint, fingerprintOf } from "./fingerprint.js";
import { FOUNDING, Judge, type JudgedNode } from "./judge.js";
import { nameOf } from "./machine.js";
import type { Shape } from "./shapes.js";
import { describeAction, describeEvent, describeMessage } from "./trace.js";

/** Something that may happen next. */
export type Choice =
  | { readonly kind: "deliver"; readonly message: Message; readonly stays: boolean }
  | {
      readonly kind: "timeout" | "heartbeat" | "sync" | "crash" | "propose" | "change" | "transfer";
      readonly at: number;
    };

/** How often each thing may still happen. */
export interface Budgets {
  readonly timeouts: readonly number[];
  readonly crashes: number;
  readonly heartbeats: number;
  readonly proposals: number;
  readonly changes: number;
  readonly transfers: number;
  readonly duplicates: number;
}

class ExploredNode implements JudgedNode {
  readonly id: NodeId;
  readonly log: DurableLog;
  readonly core: Core;
  readonly checkpoint: number = FOUNDING.index;
  readonly beforeLoss: undefined = undefined;
  membership: Membership;
  fingerprint: Fingerprint | undefined = undefined;

  constructor(id: NodeId, log: DurableLog, core: Core, membership: Membership) {
    this.id = id;
    this.log = log;
    this.core = core;
    this.membership = membership;
  }

  clone(): ExploredNode {
    const log = this.log.clone();
    return new ExploredNode(this.id, log, this.core.clone(log, noJitter), this.membership);
  }
}

const noJitter = (): number => 0;
const TIMEOUT_TICKS = 2;
const PAYLOAD = Uint8Array.of(0, 7);

/** What stays the same in a whole search. */
export interface Search {
  readonly module: CoreModule;
  readonly shape: Shape;
}

export class ExploredWorld {
  readonly #search: Search;
  readonly #nodes: ExploredNode[];
  readonly #judge: Judge;
  #messages: Message[];
  #budgets: Budgets;
  /** What happens while this world is made, where somebody wants to read it. */
  #story: string[] | undefined;

  private constructor(
    search: Search,
    nodes: ExploredNode[],
    judge: Judge,
    messages: Message[],
    budgets: Budgets,
  ) {
    this.#search = search;
    this.#nodes = nodes;
    this.#judge = judge;
    this.#messages = messages;
    this.#budgets = budgets;
  }

  /** The beginning that the shape describes. */
  static begin(search: Search): ExploredWorld {
    const { shape } = search;
    const judge = new Judge(shape.membership);
    const nodes = shape.nodes.map(({ id, log: entries, term, vote, commit }) => {
      const log = new DurableLog();
      log.found(FOUNDING.index, FOUNDING.term);
      for (const image of [log.visible, log.durable]) {
        image.entries.push(...entries);
        image.hardState = { term, vote, commit };
      }
      const { membership } = shape;
      const node = new ExploredNode(id, log, startCore(search, id, log, membership), membership);
      judge.admit(node);
      return node;
    });
    judge.begin(shape.committed, nodes);
    const budgets = { ...shape.budgets, timeouts: nodes.map(() => shape.budgets.timeouts) };
    const world = new ExploredWorld(search, nodes, judge, [], budgets);
    for (const node of nodes) world.#started(node);
    return world;
  }

  /** Where the search is: equal worlds have the same future. */
  get fingerprint(): Fingerprint {
    let messages = 0;
    // A sum: whichever was sent first does not matter.
    for (const message of this.#messages) {
      messages = (messages + fingerprintOfMessage(message)) % Number.MAX_SAFE_INTEGER;
    }
    const nodes = this.#nodes.map((node) => {
      node.fingerprint ??= fingerprintOf(`${node.core.fingerprint()} ${describeDisk(node.log)}`);
      return node.fingerprint;
    });
    const { timeouts, ...rest } = this.#budgets;
    const budgets = Object.values(rest).join();
    return fingerprintOf(`${nodes} ${messages} ${timeouts} ${budgets} ${this.#judge.past}`);
  }

  /** All that may happen next. */
  choices(): Choice[] {
    const choices: Choice[] = [];
    const seen = new Set<Fingerprint>();
    for (const message of this.#messages) {
      const fingerprint = fingerprintOfMessage(message);
      if (seen.has(fingerprint)) continue;
      seen.add(fingerprint);
      choices.push({ kind: "deliver", message, stays: false });
      if (this.#budgets.duplicates > 0) choices.push({ kind: "deliver", message, stays: true });
    }
    for (let at = 0; at < this.#nodes.length; at++) this.#choicesAt(at, choices);
    return choices;
  }

  #choicesAt(at: number, choices: Choice[]): void {
    const { core, log } = this.#nodes[at]!;
    const { timeouts, crashes, heartbeats, proposals, changes, transfers } = this.#budgets;
    const { shape } = this.#search;
    const isLeader = core.role === "leader";
    if (log.pending.length > 0) choices.push({ kind: "sync", at });
    if (!isLeader && timeouts[at]! > 0 && core.term < shape.termMax) {
      choices.push({ kind: "timeout", at });
    }
    // Behind a crash that loses nothing there is nothing new but the role that is lost.
    if (crashes > 0 && (log.pending.length > 0 || core.role !== "follower")) {
      choices.push({ kind: "crash", at });
    }
    if (!isLeader) return;
    if (heartbeats > 0) choices.push({ kind: "heartbeat", at });
    if (proposals > 0) choices.push({ kind: "propose", at });
    if (changes > 0 && shape.changes.length > 0) choices.push({ kind: "change", at });
    if (transfers > 0) choices.push({ kind: "transfer", at });
  }

  /** The world in which this has happened. Throws a Violation where a rule is broken. */
  after(choice: Choice, story?: string[]): ExploredWorld {
    const world = new ExploredWorld(
      this.#search,
      this.#nodes.slice(),
      this.#judge,
      this.#messages,
      this.#budgets,
    );
    const at = choice.kind === "deliver" ? this.#indexOf(choice.message.to) : choice.at;
    if (choice.kind === "deliver") world.#deliver(choice);
    if (at < 0) return world;
    const node = this.#nodes[at]!.clone();
    world.#nodes[at] = node;
    const next = new ExploredWorld(
      this.#search,
      world.#nodes,
      this.#judge.clone(world.#nodes),
      world.#messages.slice(),
      world.#budgets,
    );
    next.#story = story;
    story?.push(describeChoice(choice, node.id));
    next.#happen(choice, at, node);
    next.#story = undefined;
    return next;
  }

  #deliver({ message, stays }: Extract<Choice, { kind: "deliver" }>): void {
    if (stays) {
      this.#spend({ duplicates: this.#budgets.duplicates - 1 });
      return;
    }
    const wanted = fingerprintOfMessage(message);
    const at = this.#messages.findIndex((one) => fingerprintOfMessage(one) === wanted);
    this.#messages = this.#messages.toSpliced(at, 1);
  }

  #spend(changed: Partial<Budgets>): void {
    this.#budgets = { ...this.#budgets, ...changed };
  }

  #indexOf(id: NodeId): number {
    return this.#nodes.findIndex((node) => node.id === id);
  }

  #happen(choice: Choice, at: number, node: ExploredNode): void {
    const budgets = this.#budgets;
    switch (choice.kind) {
      case "deliver":
        this.#step(node, { kind: "message", message: choice.message });
        break;
      case "timeout":
        this.#spend({ timeouts: budgets.timeouts.with(at, budgets.timeouts[at]! - 1) });
        this.#timeOut(node);
        break;
      case "heartbeat":
        this.#spend({ heartbeats: budgets.heartbeats - 1 });
        this.#step(node, { kind: "tick" });
        break;
      case "sync":
        this.#sync(node);
        break;
      case "crash":
        this.#spend({ crashes: budgets.crashes - 1 });
        this.#crash(at, node);
        break;
      default:
        this.#ask(choice.kind, node);
    }
  }

  #ask(kind: "propose" | "change" | "transfer", node: ExploredNode): void {
    const budgets = this.#budgets;
    const { changes } = this.#search.shape;
    if (kind === "propose") {
      this.#spend({ proposals: budgets.proposals - 1 });
      this.#step(node, { kind: "propose", proposal: 1, payloads: [PAYLOAD] });
    } else if (kind === "change") {
      this.#spend({ changes: budgets.changes - 1 });
      const change = changes[budgets.changes % changes.length]!;
      this.#step(node, { kind: "propose-change", proposal: 2, change });
    } else {
      this.#spend({ transfers: budgets.transfers - 1 });
      const to = this.#nodes.find(({ id }) => id !== node.id)!.id;
      this.#step(node, { kind: "transfer", to });
    }
  }

  /** The election timeout of a node passes; with sticky voters that takes its time. */
  #timeOut(node: ExploredNode): void {
    const { core } = node;
    const { term, role } = core;
    if (!this.#search.shape.checkQuorum) {
      this.#step(node, { kind: "campaign" });
      return;
    }
    for (let tick = 0; tick < 2 * TIMEOUT_TICKS; tick++) {
      this.#step(node, { kind: "tick" });
      if (core.term !== term || core.role !== role) return;
    }
  }

  #sync(node: ExploredNode): void {
    const batches = node.log.synced(node.log.pending.length);
    for (const batch of batches) {
      this.#judge.persisted(node, batch);
      for (const message of batch.whenDurable) this.#send(node, message);
    }
    this.#step(node, { kind: "durable", append: batches.at(-1)!.append });
  }

  #crash(at: number, node: ExploredNode): void {
    const { log } = node;
    log.crash(0);
    const { membership } = this.#search.shape;
    const core = startCore(this.#search, node.id, log, membership);
    const started = new ExploredNode(node.id, log, core, membership);
    this.#nodes[at] = started;
    this.#judge.bury(started);
    this.#judge.restarted(started, core);
    this.#started(started);
  }

  /** What a start finds committed is applied at once. */
  #started(node: ExploredNode): void {
    this.#step(node, { kind: "turn" });
  }

  #step(node: ExploredNode, event: Event): void {
    const { core } = node;
    const actions: Action[] = [];
    core.step(event, actions);
    if (event.kind !== "turn") this.#story?.push(`  ${nameOf(node.id)} <- ${describeEvent(event)}`);
    const follow: Event[] = [];
    for (const action of actions) {
      this.#story?.push(`  ${nameOf(node.id)}    ${describeAction(action)}`);
      this.#perform(node, action, follow);
    }
    this.#judge.after(node, core);
    for (const next of follow) this.#step(node, next);
    if (!this.#search.shape.isDiskSlow && node.log.pending.length > 0) this.#sync(node);
  }

  #perform(node: ExploredNode, action: Action, follow: Event[]): void {
    switch (action.kind) {
      case "append":
        this.#judge.appending(node, action, node.core);
        node.log.take(action);
        break;
      case "send":
        this.#send(node, action.message);
        break;
      case "apply":
        for (let index = action.from; index <= action.to; index++) {
          const { payload } = node.log.visible.entry(index)!;
          if (!isConfigurationChange(payload)) continue;
          const change = this.#search.module.decodeConfigurationChange(payload);
          follow.push({ kind: "apply-change", index, change });
        }
        follow.push({ kind: "applied", index: action.to });
        break;
      case "membership":
        node.membership = action.membership;
        this.#judge.membershipIs(action.index, action.membership, node.id);
        break;
      default:
    }
  }

  #send(node: ExploredNode, message: Message): void {
    this.#judge.leaving(node, message);
    this.#messages.push(message);
  }
}

function startCore(search: Search, id: NodeId, log: DurableLog, membership: Membership): Core {
  const { module, shape } = search;
  return new module.Core({
    id,
    log,
    hardState: log.durable.hardState,
    applied: FOUNDING.index,
    membership,
    electionTicks: TIMEOUT_TICKS,
    heartbeatTicks: 1,
    jitter: noJitter,
    preVote: shape.preVote,
    checkQuorum: shape.checkQuorum,
  });
}

const knownMessages: WeakMap<Message, Fingerprint> = new WeakMap();

/** Messages never change, and many worlds share them. */
function fingerprintOfMessage(message: Message): Fingerprint {
  let known = knownMessages.get(message);
  if (known === undefined) {
    known = fingerprintOf(describeMessage(message));
    knownMessages.set(message, known);
  }
  return known;
}

/** What is on a disk and on its way there. */
function describeDisk({ durable, pending }: DurableLog): string {
  const { hardState, offset, entries } = durable;
  const terms = (list: readonly { readonly term: number }[]): string =>
    list.map(({ term }) => term).join();
  const batches = pending.map(
    (batch) =>
      `${batch.hardState?.term} ${batch.hardState?.vote} ${batch.truncateFrom} ${terms(batch.entries)} ${batch.whenDurable.map(describeMessage)}`,
  );
  return `${hardState.term} ${hardState.vote} ${hardState.commit} ${offset} ${terms(entries)} ${batches}`;
}

function describeChoice(choice: Choice, id: NodeId): string {
  if (choice.kind !== "deliver") return `${choice.kind} ${nameOf(id)}`;
  return `deliver ${describeMessage(choice.message)}${choice.stays ? " (and keep a copy)" : ""}`;
}
