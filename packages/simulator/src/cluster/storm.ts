/**
 * Does to the machines what the plan says, while the storm lasts.
 *
 *   INV-SIM-21  The storm leaves what the cluster must be able to survive: at most one disk at a time is emptied or
 *               damaged, never that of a cluster with one voter, and the next only when a new node has taken its place and the
 *               vaults' policies name it.
 */
import type { FaultPlan } from "../world/fault-plan.js";
import { linksAcross, type Network } from "../world/network.js";
import {
  type ClusterFault,
  type ClusterSettings,
  FAULT_INTERVAL_MS,
  faultIndex,
} from "./cluster-settings.js";
import type { EventLoop } from "./event-loop.js";
import type { EventTrace } from "./event-trace.js";
import { type Machine, WALL_MS } from "./machine.js";
import type { Membership } from "./membership.js";

export interface StormDeps {
  readonly settings: ClusterSettings;
  readonly loop: EventLoop;
  readonly trace: EventTrace;
  readonly plan: FaultPlan<ClusterFault>;
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly membership: Membership;
}

export class Storm {
  readonly #deps: StormDeps;
  #isOver = false;

  constructor(deps: StormDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#deps.loop.time.after(FAULT_INTERVAL_MS, () => this.#turn());
  }

  /** Everything works again: all links, clocks and disks, and whatever is down is started. */
  end(): void {
    this.#isOver = true;
    const { network, machines, trace, loop } = this.#deps;
    trace.note("storm", "over");
    network.heal();
    for (const machine of machines) {
      machine.isCalm = true;
      machine.isSlow = false;
      machine.clock.setRate(1);
      // A leader whose clock is seconds away from the others' stamps nothing until somebody sets it.
      machine.clock.set(WALL_MS + loop.now);
      if (machine.isFull) machine.setFull(false);
      this.#restart(machine, 0);
    }
  }

  /** Starts a machine again after a while, unless somebody else does. */
  restartLater(machine: Machine): void {
    const { plan } = this.#deps;
    // Half of all restarts are quick: 0 to 8 ms.
    const value = plan.value();
    const delay = value < 0.5 ? value * 16 : 20 + (value - 0.5) * 3_000;
    this.#restart(machine, this.#isOver ? 5 : delay);
  }

  #restart(machine: Machine, delayMs: number): void {
    const { loop, membership } = this.#deps;
    loop.time.after(delayMs, () => {
      if (!machine.isRunning && !membership.isRetired(machine)) {
        machine.start(membership.startsWaiting(machine));
      }
    });
  }

  #turn(): void {
    if (this.#isOver) return;
    const { loop, settings, plan } = this.#deps;
    for (const [fault, probability] of settings.faults) {
      if (fault in this.#doers && plan.strikes(faultIndex(fault), probability)) {
        this.#doers[fault]!();
      }
    }
    loop.time.after(FAULT_INTERVAL_MS, () => this.#turn());
  }

  readonly #doers: { readonly [F in ClusterFault]?: () => void } = {
    kill: () => {
      const machine = this.#any();
      machine.kill();
      this.restartLater(machine);
    },
    "power-loss": () => {
      const machine = this.#any();
      machine.losePower();
      this.restartLater(machine);
    },
    blackout: () => {
      for (const machine of this.#deps.machines) {
        machine.losePower();
        this.restartLater(machine);
      }
    },
    pause: () => {
      const machine = this.#any();
      const ms = this.#between(10, 1_500);
      this.#deps.trace.note(machine.name, `paused for ${ms.toFixed(0)} ms`);
      machine.life?.pause(ms);
    },
    "clock-rate": () => this.#any().clock.setRate(this.#between(0.8, 1.2)),
    "clock-jump": () => this.#any().clock.jump(this.#between(-2_000, 2_000)),
    partition: () => {
      const { machines } = this.#deps;
      const sides = this.#between(2, 4) | 0;
      const sideOf = machines.map(() => Math.floor(this.#deps.plan.value() * sides));
      this.#cut(linksAcross(sideOf), `partition ${sideOf.join("")}`);
    },
    "one-way": () => {
      const [from, to] = [this.#any(), this.#any()];
      if (from !== to) this.#cut([[from.index, to.index]], `cut ${from.name} to ${to.name}`);
    },
    clog: () => {
      const [from, to] = [this.#any(), this.#any()];
      const { network, loop } = this.#deps;
      network.clog(from.index, to.index, loop.now + this.#between(50, 1_500));
    },
    "slow-disk": () => {
      const machine = this.#any();
      machine.isSlow = true;
      this.#deps.trace.note(machine.name, "slow disk");
      this.#later(() => {
        machine.isSlow = false;
      });
    },
    "disk-full": () => {
      const machine = this.#any();
      machine.setFull(true);
      this.#deps.trace.note(machine.name, "disk full");
      this.#later(() => {
        machine.setFull(false);
        this.#deps.trace.note(machine.name, "disk has room");
      });
    },
    reformat: () => void this.#deps.membership.loseDisk(this.#any()),
    "bit-rot": () => void this.#deps.membership.damage(this.#any(), this.#deps.plan.value()),
    "misdirected-write": () => {
      const to = this.#deps.plan.value();
      void this.#deps.membership.misdirect(this.#any(), { to });
    },
    "phantom-write": () => void this.#deps.membership.misdirect(this.#any(), { to: undefined }),
    transfer: () => this.#deps.membership.wantTransfer(this.#any()),
    membership: () => this.#deps.membership.wantOther(this.#any()),
  };

  #cut(links: readonly (readonly [number, number])[], what: string): void {
    const { network, trace } = this.#deps;
    trace.note("net", what);
    for (const [from, to] of links) network.cut(from, to);
    this.#later(() => {
      if (this.#isOver) return;
      trace.note("net", `healed: ${what}`);
      for (const [from, to] of links) network.join(from, to);
    });
  }

  #later(run: () => void): void {
    this.#deps.loop.time.after(this.#between(100, 2_500), run);
  }

  #any(): Machine {
    const { machines, plan } = this.#deps;
    return machines[Math.floor(plan.value() * machines.length)]!;
  }

  #between(from: number, to: number): number {
    return from + this.#deps.plan.value() * (to - from);
  }
}
