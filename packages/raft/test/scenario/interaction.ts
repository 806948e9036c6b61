/** Plays the interactions of etcd/raft's scenarios: commands to nodes, and what they say and have afterwards. */
import {
  type CoreOptions,
  type Event,
  encodeConfigurationChange,
  type Message,
} from "@authledger/raft";
import { limits, type NodeId } from "@authledger/types";
import { bytes, changeOf, membershipOf, node } from "../support/group.js";
import { describeEntry, describeProgress, describeRole, indent, messageName } from "./describe.js";
import { describeEnvelope, type Envelope, ScenarioNode } from "./scenario-node.js";
import type { Directive } from "./script.js";

const ELECTION_TICKS = 3;
const TRANSITIONS = {
  auto: "auto",
  implicit: "joint-implicit",
  explicit: "joint-explicit",
} as const;
/** Where etcd puts an empty entry in the place of a change that it refuses. */
const REPLACED: ReadonlySet<string> = new Set(["change-pending", "is-joint", "not-joint"]);

export class Interaction {
  readonly #nodes: ScenarioNode[] = [];
  #mail: Envelope[] = [];
  #isQuiet = false;
  #lines: string[] = [];

  /** Does what the directive says; returns what is to be compared with what it expects. */
  run(directive: Directive): string {
    this.#lines = [];
    this.#execute(directive);
    const quiet = this.#isQuiet || directive.args.get("log-level")?.[0] === "none";
    const shown = quiet && !ANSWERS.has(directive.command) ? [] : this.#lines;
    return shown.join("\n");
  }

  #execute(directive: Directive): void {
    const { command, words } = directive;
    const handler = this.#commands[command];
    if (handler === undefined) throw new Error(`line ${directive.line}: no command ${command}`);
    handler(directive, () => this.#node(words[0]!));
  }

  readonly #commands: Record<string, (d: Directive, first: () => ScenarioNode) => void> = {
    "add-nodes": (d) => this.#addNodes(d),
    campaign: (_, first) => first().step({ kind: "campaign" }),
    propose: (d, first) => this.#propose(first(), d.words[1]!),
    "propose-conf-change": (d, first) => this.#proposeChange(d, first()),
    stabilize: (d) => this.#stabilize(this.#named(d)),
    "deliver-msgs": (d) => this.#deliver(d),
    "process-ready": (d) => this.#each(d, "handling Ready", (n) => n.processReady(this.#post)),
    "process-append-thread": (d) =>
      this.#each(d, "processing append thread", (n) => n.processAppendThread(this.#post)),
    "process-apply-thread": (d) =>
      this.#each(d, "processing apply thread", (n) => n.processApplyThread(this.#post)),
    "tick-election": (_, first) => this.#tick(first(), ELECTION_TICKS),
    "tick-heartbeat": (_, first) => this.#tick(first(), 1),
    "set-randomized-election-timeout": (d) => this.#expectTimeout(d),
    "transfer-leadership": (d) =>
      this.#node(d.args.get("from")![0]!).step({
        kind: "transfer",
        to: this.#node(d.args.get("to")![0]!).id,
      }),
    "send-snapshot": (d, first) => this.#sendSnapshot(first(), this.#node(d.words[1]!).id),
    compact: (d, first) => {
      first().log.compact(Number(d.words[1]));
      this.#showLog(first());
    },
    "report-unreachable": (d, first) =>
      first().step({ kind: "unreachable", node: this.#node(d.words[1]!).id }),
    status: (_, first) => this.#lines.push(...first().core.progress.map(describeProgress)),
    "raft-log": (_, first) => this.#showLog(first()),
    "raft-state": () => this.#showState(),
    "log-level": (d) => {
      this.#isQuiet = d.words[0] === "none";
    },
  };

  readonly #post = (envelope: Envelope): void => void this.#mail.push(envelope);

  #node(name: string): ScenarioNode {
    const found = this.#nodes[Number(name) - 1];
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  #named({ words }: Directive): ScenarioNode[] {
    return words.length === 0 ? this.#nodes : words.map((name) => this.#node(name));
  }

  #addNodes({ words, args }: Directive): void {
    const numbers = (name: string): number[] => (args.get(name) ?? []).map(Number);
    for (let i = 0; i < Number(words[0]); i++) {
      const id = node(this.#nodes.length + 1);
      const added = new ScenarioNode({
        id,
        membership: membershipOf(numbers("voters"), numbers("learners")),
        index: numbers("index")[0] ?? 0,
        isAsync: args.get("async-storage-writes")?.[0] === "true",
        core: coreOptions(args),
      });
      this.#nodes.push(added);
    }
  }

  #propose(to: ScenarioNode, payload: string): void {
    to.dropped = undefined;
    to.step({ kind: "propose", proposal: 0, payloads: [bytes(payload)] });
    if (to.dropped !== undefined) this.#lines.push("raft proposal dropped");
  }

  #proposeChange({ input, args }: Directive, to: ScenarioNode): void {
    const transition = (args.get("transition")?.[0] ?? "auto") as keyof typeof TRANSITIONS;
    const isFirstVersion = args.get("v1")?.[0] === "true";
    const change = {
      ...changeOf(input, TRANSITIONS[transition]),
      context: new Uint8Array(isFirstVersion ? 1 : 0),
    };
    const event: Event = { kind: "propose-change", proposal: 0, change };
    to.dropped = undefined;
    to.step(event);
    if (to.dropped === "not-leader") to.forward(event, encodeConfigurationChange(change));
    else if (to.dropped !== undefined && REPLACED.has(to.dropped)) this.#propose(to, "");
    else if (to.dropped !== undefined) this.#lines.push("raft proposal dropped");
  }

  /** Runs the work of each node named, under a title where they are several. */
  #each(d: Directive, what: string, work: (n: ScenarioNode) => string): void {
    const named = this.#named(d);
    for (const one of named) {
      const done = work(one);
      if (named.length > 1) this.#lines.push(`> ${one.id} ${what}`, indent(done));
      else this.#lines.push(done);
    }
  }

  #stabilize(nodes: readonly ScenarioNode[]): void {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      let isDone = true;
      const title = (one: ScenarioNode, what: string, done: string): void => {
        isDone = false;
        this.#lines.push(`> ${one.id} ${what}`, indent(done));
      };
      for (const one of nodes) {
        if (one.hasReady) title(one, "handling Ready", one.processReady(this.#post));
      }
      for (const one of nodes) {
        const received = this.#deliverTo(one, () => true);
        if (received.length > 0) title(one, "receiving messages", received.join("\n"));
      }
      for (const one of nodes) {
        if (one.appendWork.length === 0) continue;
        const done = drain(one.appendWork, () => one.processAppendThread(this.#post));
        title(one, "processing append thread", done);
      }
      for (const one of nodes) {
        if (one.applyWork.length === 0) continue;
        const done = drain(one.applyWork, () => one.processApplyThread(this.#post));
        title(one, "processing apply thread", done);
      }
      if (isDone) return;
    }
    throw new Error("the nodes do not come to rest");
  }

  #deliver(d: Directive): void {
    const type = d.args.get("type")?.[0];
    const isMeant = (envelope: Envelope): boolean =>
      type === undefined ||
      (envelope.kind === "message" && messageName(envelope.message.type) === type);
    for (const one of this.#wanted(d)) this.#lines.push(...this.#deliverTo(one, isMeant));
    const lost = new Set((d.args.get("drop") ?? []).map((name) => node(Number(name))));
    const dropped = this.#mail.filter((envelope) => lost.has(envelope.to) && isMeant(envelope));
    this.#mail = this.#mail.filter((envelope) => !dropped.includes(envelope));
    for (const id of lost) {
      for (const envelope of dropped.filter(({ to }) => to === id)) {
        this.#lines.push(`dropped: ${describeEnvelope(envelope)}`);
      }
    }
  }

  /** Who gets messages: nobody unless named. */
  #wanted({ words }: Directive): ScenarioNode[] {
    return words.map((name) => this.#node(name));
  }

  #deliverTo(one: ScenarioNode, isMeant: (envelope: Envelope) => boolean): string[] {
    const isFor = (envelope: Envelope): boolean => envelope.to === one.id && isMeant(envelope);
    const delivered = this.#mail.filter(isFor);
    this.#mail = this.#mail.filter((envelope) => !isFor(envelope));
    const lines: string[] = [];
    for (const envelope of delivered) {
      lines.push(describeEnvelope(envelope));
      if (envelope.kind === "durable") one.step({ kind: "durable", append: envelope.append });
      else if (envelope.kind === "applied") one.step({ kind: "applied", index: envelope.index });
      else if (envelope.kind === "forwarded") one.step(envelope.event);
      else if (isFromStranger(one, envelope.message)) lines.push(NOT_FOUND);
      else one.step({ kind: "message", message: envelope.message });
    }
    return lines;
  }

  #tick(one: ScenarioNode, ticks: number): void {
    for (let i = 0; i < ticks; i++) one.step({ kind: "tick" });
  }

  /** All nodes draw the longest timeout; no scenario that is played asks for another. */
  #expectTimeout({ args }: Directive): void {
    const timeout = Number(args.get("timeout")![0]);
    if (timeout !== 2 * ELECTION_TICKS - 1) throw new Error(`no node waits ${timeout} ticks`);
  }

  #sendSnapshot(from: ScenarioNode, to: NodeId): void {
    const envelope: Envelope = { kind: "message", to, message: from.snapshotFor(to) };
    this.#post(envelope);
    this.#lines.push(describeEnvelope(envelope));
  }

  #showLog({ log }: ScenarioNode): void {
    if (log.all.length > 0) this.#lines.push(...log.all.map(describeEntry));
    else {
      const range = `first index=${log.firstIndex}, last index=${log.lastIndex}`;
      this.#lines.push(`log is empty: ${range}`);
    }
  }

  #showState(): void {
    for (const { id, core } of this.#nodes) {
      const { voters, outgoing } = core.membership;
      const votes = voters.includes(id) || outgoing.includes(id) ? "(Voter)" : "(Non-Voter)";
      const role = describeRole(core.role);
      this.#lines.push(`${id}: ${role} ${votes} Term:${core.term} Lead:${core.leader ?? 0}`);
    }
  }
}

/** What is shown however quiet the scenario is. */
const ANSWERS: ReadonlySet<string> = new Set(["propose", "propose-conf-change"]);
const NOT_FOUND = "raft: cannot step as peer not found";

/** etcd refuses an answer of a node that it does not know; the core ignores it. */
function isFromStranger({ core }: ScenarioNode, { type, from }: Message): boolean {
  return type.endsWith("-response") && core.progress.every(({ node: id }) => id !== from);
}

function drain(work: readonly unknown[], next: () => string): string {
  const done: string[] = [];
  while (work.length > 0) done.push(next());
  return done.join("\n");
}

function coreOptions(args: Directive["args"]): Partial<CoreOptions> {
  const isOn = (name: string): boolean => args.get(name)?.[0] === "true";
  const inflight = args.get("inflight")?.[0];
  const page = args.get("max-committed-size-per-ready")?.[0];
  return {
    preVote: isOn("prevote"),
    checkQuorum: isOn("checkquorum"),
    stepDownOnRemoval: isOn("step-down-on-removal"),
    inflightMessagesMax: inflight === undefined ? Number.MAX_SAFE_INTEGER : Number(inflight),
    messageBytesMax: limits.APPEND_BYTES_MAX,
    ...(page === undefined ? {} : { applyBytesMax: Number(page) }),
  };
}
