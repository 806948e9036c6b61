/** What the parts of a run share: its settings, world, machines, judge and counts. No behaviour of its own. */
import { SeededRandom } from "@authledger/io";
import type { Event, Membership, Message } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { EventQueue } from "../world/event-queue.js";
import { FaultPlan } from "../world/fault-plan.js";
import { Network } from "../world/network.js";
import type { CoreModule } from "./core-module.js";
import { type FaultKind, faultKinds, type Hook, hookNumbers } from "./hooks.js";
import { Judge } from "./judge.js";
import { Machine } from "./machine.js";
import type { CoreSettings } from "./settings.js";
import { SometimesCounts } from "./sometimes.js";
import { Trace } from "./trace.js";

export interface RunOptions {
  readonly module: CoreModule;
  readonly settings: CoreSettings;
  /** The only faults and steps that happen, by name; default: all. */
  readonly only?: ReadonlySet<string> | undefined;
  /** Writes a line per event, and keeps the names of the faults that struck. */
  readonly isTraced?: boolean;
}

/** Something that is going to happen to a machine. */
export interface Happening {
  readonly kind:
    | "deliver"
    | "tick"
    | "synced"
    | "apply"
    | "turn"
    | "start"
    | "resume"
    | "event"
    | "call";
  readonly slot: number;
  readonly life: number;
  readonly message?: Message | undefined;
  /** Batches of a sync. */
  readonly count?: number;
  readonly event?: Event;
  readonly run?: () => void;
}

export class Run {
  readonly module: CoreModule;
  readonly settings: CoreSettings;
  readonly only: ReadonlySet<string> | undefined;
  readonly queue: EventQueue<Happening> = new EventQueue();
  readonly plan: FaultPlan<FaultKind>;
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly judge: Judge;
  readonly sometimes: SometimesCounts = new SometimesCounts();
  readonly trace: Trace;
  /** Latencies of disks and owners, the jitter of elections. */
  readonly random: SeededRandom;
  readonly #slots: Map<NodeId, number> = new Map();
  /** No more faults: everything must come right. */
  isHealing = false;
  /** Events that cores were given. */
  steps = 0;
  readonly counts: Map<string, number> = new Map();

  constructor({ module, settings, only, isTraced = false }: RunOptions) {
    this.module = module;
    this.settings = settings;
    this.only = only;
    const { seed, machines, voters, learners } = settings;
    this.plan = new FaultPlan(seed ^ 0xfa017, faultKinds, { only, isRecorded: isTraced });
    this.random = new SeededRandom(seed ^ 0x0707);
    this.network = new Network(machines, settings.network, {
      random: new SeededRandom(seed ^ 0x4e7),
      plan: this.plan,
    });
    this.trace = new Trace(isTraced);
    this.machines = Array.from({ length: machines }, (_, slot) => new Machine(slot));
    const ids = this.machines.map(({ id }) => id);
    const founders: Membership = {
      voters: ids.slice(0, voters),
      learners: ids.slice(voters, voters + learners),
      outgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    this.judge = new Judge(founders);
    for (const machine of this.machines) {
      if (machine.slot < voters + learners) machine.found(founders);
      this.admit(machine);
    }
  }

  get now(): number {
    return this.queue.now;
  }

  /** The machine that a node lives on; undefined when its disk is gone. */
  machineOf(id: NodeId): Machine | undefined {
    const slot = this.#slots.get(id);
    return slot === undefined ? undefined : this.machines[slot];
  }

  /** The node of a machine is new. */
  admit(machine: Machine): void {
    for (const [id, slot] of this.#slots) if (slot === machine.slot) this.#slots.delete(id);
    this.#slots.set(machine.id, machine.slot);
    this.judge.admit(machine);
  }

  /** Who leads, as far as anybody can tell: the leader of the highest term. */
  leader(): Machine | undefined {
    let leader: Machine | undefined;
    for (const machine of this.machines) {
      if (machine.core?.role !== "leader") continue;
      if (leader === undefined || machine.core.term > leader.core!.term) leader = machine;
    }
    return leader;
  }

  /** A point that `hooks.ts` names is passed: whether the run is struck there. */
  strikes(hook: Hook): boolean {
    const { hookRate } = this.settings;
    return hookRate > 0 && !this.isHealing && this.plan.strikes(hookNumbers[hook], hookRate);
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  say(what: () => string): void {
    if (this.trace.isWritten) this.trace.say(this.now, what());
  }

  /** Calls back after a while, whatever becomes of a machine. */
  after(delayMs: number, run: () => void): void {
    this.queue.push(this.now + delayMs, { kind: "call", slot: 0, life: 0, run });
  }

  uniform(from: number, to: number): number {
    return from + (this.random.u32() / 0x1_0000_0000) * (to - from);
  }
}
