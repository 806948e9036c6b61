/** Does what the schedule of a run says: to machines, links and clocks; and for clients and operators. */
import { SeededRandom } from "@authledger/io";
import { mix } from "../world/fault-plan.js";
import { linksAcross } from "../world/network.js";
import type { Administrator } from "./administrator.js";
import type { Clients } from "./clients.js";
import type { Machine } from "./machine.js";
import type { Owner } from "./owner.js";
import type { Run } from "./run.js";
import type { Step } from "./schedule.js";

export interface NemesisPorts {
  readonly run: Run;
  readonly owner: Owner;
  readonly clients: Clients;
  readonly administrator: Administrator;
}

export class Nemesis {
  readonly #run: Run;
  readonly #owner: Owner;
  readonly #clients: Clients;
  readonly #administrator: Administrator;

  constructor({ run, owner, clients, administrator }: NemesisPorts) {
    this.#run = run;
    this.#owner = owner;
    this.#clients = clients;
    this.#administrator = administrator;
  }

  /** Does one step. Nothing happens any more once the run heals. */
  act(step: Step): void {
    const run = this.#run;
    if (run.isHealing) return;
    const { kind, value } = step;
    const machine = run.machines[step.machine]!;
    if (kind !== "propose" && kind !== "read") {
      run.count(kind);
      run.say(() => `-- ${step.name} ${machine.name}`);
    }
    switch (kind) {
      case "propose":
        this.#propose(machine, value);
        break;
      case "read":
        this.#clients.read(value % 2 === 0 ? machine : this.#anyLeader(machine, value));
        break;
      case "change":
        this.#administrator.change(value);
        break;
      case "transfer":
        this.#administrator.transfer(value);
        break;
      case "campaign":
        this.#owner.step(machine, { kind: "campaign" });
        break;
      default:
        this.#strike(step, machine);
    }
  }

  /** Most clients know who leads; the others learn that a node does not. */
  #propose(machine: Machine, value: number): void {
    const to = value % 8 === 0 ? machine : this.#anyLeader(machine, value);
    const bytes = 5 + (mix(value) % this.#run.settings.payloadBytesMax);
    this.#clients.propose(to, { count: value % 16 === 1 ? 3 : 1, bytes });
  }

  /** Clients stay with who leads as far as they know: also one that was deposed and does not know it. */
  #anyLeader(machine: Machine, value: number): Machine {
    const leaders = this.#run.machines.filter(({ core }) => core?.role === "leader");
    return leaders[value % leaders.length] ?? machine;
  }

  #strike({ kind, value }: Step, machine: Machine): void {
    const run = this.#run;
    const random = new SeededRandom(value);
    const ms = (from: number, to: number): number =>
      from + (random.u32() / 0x1_0000_0000) * (to - from);
    switch (kind) {
      case "crash":
        this.#owner.crash(this.#leaderOr(machine, random), "by the schedule", ms(50, 2_000));
        break;
      case "restart-fast":
        this.#owner.crash(this.#leaderOr(machine, random), "by the schedule", ms(0, 8));
        break;
      case "crash-all":
        for (const each of run.machines) this.#owner.crash(each, "with all others", ms(0, 500));
        break;
      case "pause":
        this.#pause(this.#leaderOr(machine, random), ms(50, 2_000));
        break;
      case "clock":
        machine.clockRate = 1 + (2 * ms(0, 1) - 1) * run.settings.clockDrift;
        break;
      case "slow-disk":
        machine.slowDiskUntil = run.now + ms(100, 2_000);
        break;
      case "reformat":
        this.#reformat(machine, ms(0, 500));
        break;
      case "doubt":
        this.#loseTail(machine, random);
        break;
      default:
        this.#disconnect(kind, this.#leaderOr(machine, random), random);
    }
  }

  #leaderOr(machine: Machine, random: SeededRandom): Machine {
    return random.chance(0.4) ? (this.#run.leader() ?? machine) : machine;
  }

  #disconnect(kind: Step["kind"], machine: Machine, random: SeededRandom): void {
    const run = this.#run;
    const count = run.machines.length;
    const sides = Array.from({ length: count }, (_, slot) =>
      kind === "partition" ? random.int(2) : Number(slot === machine.slot),
    );
    const length = random.between(50, 3_000);
    const other = (machine.slot + 1 + random.int(Math.max(1, count - 1))) % count;
    if (other === machine.slot) return;
    switch (kind) {
      case "one-way":
        this.#cut([[machine.slot, other]], length);
        break;
      case "clog":
        run.network.clog(machine.slot, other, run.now + length);
        break;
      case "flap":
        for (let round = 0; round < 8; round++) {
          run.after(round * 300, () => this.#cut(linksAcross(sides), 150));
        }
        break;
      case "isolate": {
        // It hears nobody, nobody hears it, or both.
        const ways = random.int(3);
        const isMeant = (isOut: boolean): boolean => ways === 2 || isOut === (ways === 0);
        this.#cut(
          linksAcross(sides).filter(([from]) => isMeant(from === machine.slot)),
          length,
        );
        break;
      }
      default:
        this.#cut(linksAcross(sides), length);
    }
  }

  #cut(links: readonly (readonly [number, number])[], lengthMs: number): void {
    const run = this.#run;
    if (run.isHealing) return;
    for (const [from, to] of links) run.network.cut(from, to);
    run.say(() => `cut ${links.map(([from, to]) => `${from + 1}>${to + 1}`).join(" ")}`);
    run.after(lengthMs, () => {
      if (run.isHealing) return;
      for (const [from, to] of links) run.network.join(from, to);
      run.say(() => `joined ${links.map(([from, to]) => `${from + 1}>${to + 1}`).join(" ")}`);
    });
  }

  /** The process stands still. When it goes on, its timers come first. */
  #pause(machine: Machine, lengthMs: number): void {
    const run = this.#run;
    if (!machine.isUp || machine.pausedUntil > run.now) return;
    machine.pausedUntil = run.now + lengthMs;
    const { slot, life } = machine;
    run.queue.push(machine.pausedUntil, { kind: "resume", slot, life });
  }

  /** The disk is wiped; the machine comes back as somebody else. */
  #reformat(machine: Machine, downMs: number): void {
    const run = this.#run;
    if (machine.log.lastIndex === 0 || !this.#administrator.mayWipe(machine)) return;
    this.#owner.crash(machine, "for good", 0);
    run.judge.bury({
      id: machine.id,
      log: machine.log,
      checkpoint: machine.checkpoint,
      beforeLoss: machine.beforeLoss,
    });
    machine.forget();
    machine.reformat();
    run.admit(machine);
    run.say(() => `formatted anew as ${machine.name}`);
    const { slot, life } = machine;
    run.queue.push(run.now + downMs, { kind: "start", slot, life });
  }

  /** Synced batches at the end of the log turn out to be unreadable: the node starts in doubt. */
  #loseTail(machine: Machine, random: SeededRandom): void {
    const run = this.#run;
    const { durable } = machine.log;
    const { voters } = machine.newest.membership;
    const isEnough = voters.length >= 3 && this.#administrator.mayWipe(machine);
    const from = Math.max(machine.newest.index, durable.offset);
    if (!machine.isUp || !isEnough || durable.lastIndex <= from) return;
    const isInDoubt = machine.beforeLoss !== undefined && machine.core?.isRecovering !== false;
    this.#owner.crash(machine, "and loses the end of its log", random.between(0, 500));
    const { log } = machine;
    // With a leader only that counts which a node told before it was in doubt: of what it loses then nothing was counted.
    if (!isInDoubt) machine.beforeLoss = log.durable.clone();
    // The batch that the crash kept may have put a received state in the place of all this: what it begins with is not lost.
    const first = Math.max(from, log.durable.offset);
    const kept = first + random.int(Math.max(1, log.durable.lastIndex - first));
    log.durable.entries.length = kept - log.durable.offset;
    log.crash(0);
    run.say(() => `${machine.name} lost all entries behind ${kept}`);
    run.sometimes.hit("node started in doubt");
  }
}
