/**
 * One run: a group of real cores under virtual time, faults and clients, judged after every event; then it must heal.
 * The seed decides everything, so a run is repeated exactly by its seed.
 */
import { Administrator } from "./administrator.js";
import { Clients } from "./clients.js";
import type { FaultKind } from "./hooks.js";
import { Liveness } from "./liveness.js";
import type { Machine } from "./machine.js";
import { Nemesis } from "./nemesis.js";
import { Owner } from "./owner.js";
import { type Happening, Run, type RunOptions } from "./run.js";
import { drawSchedule } from "./schedule.js";
import { RUN_MS, TICK_MS } from "./settings.js";
import type { Sometimes } from "./sometimes.js";
import { asViolation, type Violation } from "./violation.js";

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Over all events; equal runs have equal ones. */
  readonly hash: number;
  readonly virtualMs: number;
  /** Events given to cores. */
  readonly steps: number;
  readonly acknowledged: number;
  /** Faults and operators' work by kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly sometimes: ReadonlyMap<Sometimes, number>;
  /** With `isTraced`: a line per event, and the names of all that was done to the run, in order. */
  readonly lines: readonly string[];
  readonly names: readonly string[];
}

/** So many events in a run are a loop without end. */
const EVENTS_MAX = 5_000_000;

export function simulate(options: RunOptions): RunResult {
  const run = new Run(options);
  const names: string[] = [];
  let violation: Violation | undefined;
  const clients = new Clients(run);
  try {
    drive(run, clients, names);
  } catch (error) {
    violation = asViolation(error);
    run.say(() => `!! ${violation!.message}`);
  }
  const faults = new Map<string, number>(run.counts);
  for (const [kind, count] of run.plan.counts()) if (count > 0) faults.set(kind, count);
  return {
    seed: run.settings.seed,
    violation,
    hash: run.trace.hash,
    virtualMs: run.now,
    steps: run.steps,
    acknowledged: clients.acknowledgedCount,
    faults,
    sometimes: run.sometimes.counts,
    lines: run.trace.lines,
    names: [
      ...names,
      ...run.plan.faults.map(({ kind, chance }) => `${kind as FaultKind}#${chance}`),
    ],
  };
}

function drive(run: Run, clients: Clients, names: string[]): void {
  const owner = new Owner(run, clients);
  clients.connect(owner);
  const administrator = new Administrator(run, owner);
  const nemesis = new Nemesis({ run, owner, clients, administrator });
  const liveness = new Liveness(run, { owner, clients, administrator });
  for (const machine of run.machines) owner.start(machine);
  for (const step of drawSchedule(run.settings)) {
    if (run.only !== undefined && !run.only.has(step.name)) continue;
    names.push(step.name);
    run.after(step.at, () => nemesis.act(step));
  }
  run.after(RUN_MS, () => liveness.begin());
  for (let events = 0; !liveness.isDone; events++) {
    const next = run.queue.pop();
    if (next === undefined || events > EVENTS_MAX) throw new Error("the run does not end");
    happen(run, owner, next);
  }
}

function happen(run: Run, owner: Owner, next: Happening): void {
  const machine = run.machines[next.slot]!;
  if (next.kind === "call") {
    next.run!();
    return;
  }
  if (next.kind !== "start" && machine.pausedUntil > run.now && next.kind !== "resume") {
    // Time owed is made good when the process goes on; the rest waits in its order.
    if (next.kind !== "tick") run.queue.push(machine.pausedUntil, next);
    else if (next.life === machine.life) machine.tickMissedAt = run.now;
    return;
  }
  if (next.kind === "deliver") {
    owner.deliver(machine, next.message!);
    return;
  }
  if (next.life !== machine.life) return;
  actOn(owner, machine, next, run);
}

function actOn(owner: Owner, machine: Machine, next: Happening, run: Run): void {
  switch (next.kind) {
    case "tick":
      owner.tick(machine);
      break;
    case "synced":
      owner.synced(machine, next.count!);
      break;
    case "apply":
      owner.apply(machine);
      break;
    case "turn":
      machine.willTurn = false;
      owner.step(machine, { kind: "turn" });
      break;
    case "start":
      if (!run.isHealing || !machine.isUp) owner.start(machine);
      break;
    case "event":
      owner.step(machine, next.event!);
      break;
    case "resume":
      resume(owner, machine, run);
      break;
    default:
  }
}

/** The ticks that a process missed while it stood still come at once. */
function resume(owner: Owner, machine: Machine, run: Run): void {
  const since = machine.tickMissedAt;
  machine.tickMissedAt = undefined;
  if (since === undefined) return;
  const { life } = machine;
  const missed = Math.floor(((run.now - since) * machine.clockRate) / TICK_MS);
  for (let i = 0; i < missed && machine.life === life; i++) owner.missedTick(machine);
  if (machine.life === life) owner.tick(machine);
}
