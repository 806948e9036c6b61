/**
 * Directed scenarios: a transcript says what is done, one command per line, and below each what the cores did. The judge
 * watches as it does everywhere.
 *
 *   nodes 3 [pre-vote] [check-quorum] [lease] [spread]   node n1 term 3 vote n2 commit 2 log 1 1 2     start
 *   campaign n1   tick n1 12   turn n1   propose n1   read n1   sync n1   crash n1   transfer n1 n2
 *   change n1 remove n4   deliver n1>n2 [type]   drop n1>n2 [type]   settle
 *   send n2>n1 append t3 after 3/t2 [4/t2] commit 5
 */
import {
  type Action,
  type Entry,
  type Event,
  isConfigurationChange,
  type MemberChange,
  type Membership,
  type Message,
} from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import type { Core, CoreModule } from "./core-module.js";
import { DurableLog } from "./durable-log.js";
import { FOUNDING, Judge, type JudgedNode } from "./judge.js";
import { nameOf } from "./machine.js";
import { describeAction, describeEvent, describeMessage } from "./trace.js";
import { asViolation, Violation } from "./violation.js";

interface ScenarioNode extends JudgedNode {
  core: Core;
  membership: Membership;
}

export interface Told {
  readonly transcript: string;
  readonly violation: Violation | undefined;
}

const ELECTION_TICKS = 10;
const CONTEXT = new Uint8Array();
const EVENTS_MAX = 500;

/** Does what the commands of a transcript say, and writes it again with what the cores did. */
export function tell(text: string, module: CoreModule): Told {
  const scenario = new Scenario(module);
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("    ")) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    try {
      scenario.run(line);
    } catch (error) {
      const violation = asViolation(error);
      lines.push(...scenario.take(), `    !! ${violation.message}`);
      return { transcript: `${lines.join("\n")}\n`, violation };
    }
    lines.push(...scenario.take());
  }
  return { transcript: `${lines.join("\n").trimEnd()}\n`, violation: undefined };
}

class Scenario {
  readonly #module: CoreModule;
  readonly #nodes: Map<NodeId, ScenarioNode> = new Map();
  readonly #lines: string[] = [];
  #judge!: Judge;
  #membership!: Membership;
  #options = { preVote: false, checkQuorum: false, readMode: "quorum" as "quorum" | "lease" };
  /** Nodes wait longer before they stand for election, each two ticks more than the one before. */
  #isSpread = false;
  #messages: Message[] = [];
  #count = 0;
  /** What was committed when each read began. */
  readonly #reads: Map<number, number> = new Map();

  constructor(module: CoreModule) {
    this.#module = module;
  }

  /** What happened since the last call. */
  take(): string[] {
    return this.#lines.splice(0).map((line) => `    ${line}`);
  }

  run(line: string): void {
    const [command = "", ...words] = line.split(" ");
    const node = this.#nodes.get(idOf(words[0] ?? ""));
    if (command === "nodes") this.#found(words);
    else if (command === "node") this.#prepare(node!, words);
    else if (command === "start") this.#start();
    else if (command === "deliver" || command === "drop") this.#route(command, words);
    else if (command === "settle") this.#settle();
    else if (command === "send") this.#deliver(messageOf(words));
    else if (node === undefined) throw new Error(`what is this? ${line}`);
    else this.#act(command, node, words);
  }

  #found(words: readonly string[]): void {
    const ids = Array.from({ length: Number(words[0]) }, (_, i) => nodeId(BigInt(i + 1)));
    this.#options = {
      preVote: words.includes("pre-vote"),
      checkQuorum: words.includes("check-quorum"),
      readMode: words.includes("lease") ? "lease" : "quorum",
    };
    this.#isSpread = words.includes("spread");
    this.#membership = {
      voters: ids,
      learners: [],
      outgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    this.#judge = new Judge(this.#membership);
    for (const id of ids) {
      const log = new DurableLog();
      log.found(FOUNDING.index, FOUNDING.term);
      const rest = { checkpoint: FOUNDING.index, beforeLoss: undefined };
      const core = this.#coreOf(id, log);
      const node = { id, log, core, membership: this.#membership, ...rest };
      this.#nodes.set(id, node);
      this.#judge.admit(node);
    }
  }

  #coreOf(id: NodeId, log: DurableLog): Core {
    return new this.#module.Core({
      id,
      log,
      hardState: log.durable.hardState,
      applied: FOUNDING.index,
      membership: this.#membership,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      jitter: () => (this.#isSpread ? (2 * (Number(id) - 1)) / ELECTION_TICKS : 0),
      ...this.#options,
    });
  }

  #prepare(node: ScenarioNode, words: readonly string[]): void {
    const number = (name: string): number => Number(words[words.indexOf(name) + 1]);
    const terms = words.slice(words.indexOf("log") + 1).map(Number);
    const vote = words.includes("vote") ? idOf(words[words.indexOf("vote") + 1]!) : undefined;
    const commit = words.includes("commit") ? number("commit") : FOUNDING.index;
    for (const image of [node.log.visible, node.log.durable]) {
      image.entries = words.includes("log") ? entriesOf(FOUNDING.index, terms) : [];
      image.hardState = { term: number("term"), vote, commit };
    }
  }

  #start(): void {
    const nodes = [...this.#nodes.values()];
    this.#judge.begin(Math.max(...nodes.map(({ log }) => log.durable.hardState.commit)), nodes);
    for (const node of nodes) {
      node.core = this.#coreOf(node.id, node.log);
      this.#judge.restarted(node, node.core);
      this.#step(node, { kind: "turn" });
    }
  }

  #act(command: string, node: ScenarioNode, words: readonly string[]): void {
    switch (command) {
      case "campaign":
        this.#step(node, { kind: "campaign" });
        break;
      case "tick":
        for (let i = 0; i < Number(words[1] ?? 1); i++) this.#step(node, { kind: "tick" });
        break;
      case "turn":
        this.#step(node, { kind: "turn" });
        break;
      case "propose":
        this.#step(node, {
          kind: "propose",
          proposal: ++this.#count,
          payloads: [Uint8Array.of(0, this.#count)],
        });
        break;
      case "read":
        this.#reads.set(++this.#count, this.#judge.commit);
        this.#step(node, { kind: "read", context: this.#count });
        break;
      case "sync":
        this.#sync(node);
        break;
      case "crash":
        this.#crash(node);
        break;
      case "transfer":
        this.#step(node, { kind: "transfer", to: idOf(words[1]!) });
        break;
      case "change":
        this.#change(node, words[1] as MemberChange["action"], idOf(words[2]!));
        break;
      default:
        throw new Error(`what is this? ${command}`);
    }
  }

  #change(node: ScenarioNode, action: MemberChange["action"], member: NodeId): void {
    this.#step(node, {
      kind: "propose-change",
      proposal: ++this.#count,
      change: { transition: "auto", changes: [{ action, node: member }], context: CONTEXT },
    });
  }

  #crash(node: ScenarioNode): void {
    node.log.crash(0);
    node.membership = this.#membership;
    node.core = this.#coreOf(node.id, node.log);
    this.#judge.restarted(node, node.core);
    this.#step(node, { kind: "turn" });
  }

  #sync(node: ScenarioNode): void {
    const batches = node.log.synced(node.log.pending.length);
    if (batches.length === 0) return;
    for (const batch of batches) {
      this.#judge.persisted(node, batch);
      for (const message of batch.whenDurable) this.#send(node, message);
    }
    this.#step(node, { kind: "durable", append: batches.at(-1)!.append });
  }

  /** Delivers, or loses, the oldest message of a link, of one type where it is named. */
  #route(command: "deliver" | "drop", [link = "", type]: readonly string[]): void {
    const [from, to] = link.split(">").map(idOf);
    const isMeant = (message: Message): boolean =>
      message.from === from && message.to === to && (type === undefined || message.type === type);
    const at = this.#messages.findIndex(isMeant);
    if (at < 0) throw new Error(`no ${type ?? "message"} is on its way over ${link}`);
    const [message] = this.#messages.splice(at, 1);
    if (command === "deliver") this.#deliver(message!);
  }

  #deliver(message: Message): void {
    const node = this.#nodes.get(message.to);
    if (node !== undefined) this.#step(node, { kind: "message", message });
  }

  /** Syncs and delivers until nothing is left. */
  #settle(): void {
    for (let events = 0; events < EVENTS_MAX; events++) {
      for (const node of this.#nodes.values()) this.#sync(node);
      const message = this.#messages.shift();
      if (message !== undefined) this.#deliver(message);
      else if ([...this.#nodes.values()].every(({ log }) => log.pending.length === 0)) return;
    }
    throw new Error("the group does not come to rest");
  }

  #step(node: ScenarioNode, event: Event): void {
    const actions: Action[] = [];
    node.core.step(event, actions);
    const isQuiet = (event.kind === "tick" || event.kind === "turn") && actions.length === 0;
    if (!isQuiet) this.#lines.push(`${nameOf(node.id)} <- ${describeEvent(event)}`);
    const follow: Event[] = [];
    for (const action of actions) {
      if (action.kind !== "send") {
        this.#lines.push(`${nameOf(node.id)}    ${describeAction(action)}`);
      }
      this.#perform(node, action, follow);
    }
    this.#judge.after(node, node.core);
    for (const { node: id, match } of node.core.role === "leader" ? node.core.progress : []) {
      this.#judge.matchIs(node.core, id, match);
    }
    for (const next of follow) this.#step(node, next);
  }

  #perform(node: ScenarioNode, action: Action, follow: Event[]): void {
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
          const change = this.#module.decodeConfigurationChange(payload);
          follow.push({ kind: "apply-change", index, change });
        }
        follow.push({ kind: "applied", index: action.to });
        break;
      case "read-ready":
        this.#answer(node, action.context, action.index);
        break;
      case "membership":
        node.membership = action.membership;
        this.#judge.membershipIs(action.index, action.membership, node.id);
        break;
      default:
    }
  }

  #answer(node: ScenarioNode, context: number, index: number): void {
    const required = this.#reads.get(context) ?? 0;
    if (index >= required) return;
    const details = { node: nameOf(node.id), index, required };
    throw new Violation("a read sees what was committed before it began (Raft 8)", details);
  }

  #send(node: ScenarioNode, message: Message): void {
    this.#judge.leaving(node, message);
    this.#messages.push(message);
    this.#lines.push(`${nameOf(node.id)}    sends ${describeMessage(message)}`);
  }
}

function idOf(name: string): NodeId {
  return nodeId(BigInt(/^n(\d+)$/.exec(name)?.[1] ?? 0));
}

/** Entries of these terms behind an index; one payload for each place and term, as all logs of a scenario have it. */
function entriesOf(after: number, terms: readonly number[]): Entry[] {
  return terms.map((term, i) => ({
    index: after + 1 + i,
    term,
    payload: Uint8Array.of(0, term),
  }));
}

/** A message as a transcript writes it: an append, or a request to start an election. */
function messageOf(words: readonly string[]): Message {
  const text = words.join(" ");
  const [from, to] = words[0]!.split(">").map(idOf) as [NodeId, NodeId];
  const term = Number(/ t(\d+)/.exec(text)?.[1]);
  const header = { from, to, term };
  const [, index, logTerm] = /(?:after|log) (\d+)\/t(\d+)/.exec(text)!.map(Number);
  if (words[1] === "timeout-now") {
    return { ...header, type: "timeout-now", index: index!, logTerm: logTerm! };
  }
  const list = /\[(.*)\]/.exec(text)?.[1] ?? "";
  const terms = list === "" ? [] : list.split(" ").map((entry) => Number(entry.split("/t")[1]));
  const commit = Number(/commit (\d+)/.exec(text)?.[1] ?? 0);
  const entries = entriesOf(index!, terms);
  return { ...header, type: "append", index: index!, logTerm: logTerm!, entries, commit };
}
