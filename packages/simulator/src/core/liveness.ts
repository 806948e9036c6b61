/**
 * What must come true once all faults have ended: one leader, everyone caught up, no joint configuration, nobody in
 * doubt, new writes served, and every acknowledged write there once.
 *
 *   INV-SIM-8  A group that is late has failed, unless its members have come nearer to their leader than ever before within
 *              the last seconds, in what they hold of its log or in what they have applied: so it cannot go on for ever,
 *              and a long log over a narrow link is no failure.
 */
import type { Administrator } from "./administrator.js";
import type { Clients } from "./clients.js";
import type { Core } from "./core-module.js";
import type { Owner } from "./owner.js";
import { membersOf } from "./quorum.js";
import { isBeyondRepair, type Survivor } from "./repair.js";
import type { Run } from "./run.js";
import { Violation } from "./violation.js";

/** Virtual time that a healed group gets: many election timeouts. */
const HEALED_MS_MAX = 40_000;
/**
 * What it gets beyond that since its members last lacked less than ever before: a long log takes its time where a message
 * holds one entry and only one may be on its way. They lack less only so many times.
 */
const STALLED_MS_MAX = 10_000;
const LOOK_EVERY_MS = 100;
/** Writes that a healed group must take. */
const FRESH_WRITES = 3;

export class Liveness {
  readonly #run: Run;
  readonly #owner: Owner;
  readonly #clients: Clients;
  readonly #administrator: Administrator;
  #deadline = Number.POSITIVE_INFINITY;
  #acknowledgedWanted = 0;
  #leastOwed = Number.POSITIVE_INFINITY;
  #round = 0;
  isDone = false;

  constructor(
    run: Run,
    ports: {
      readonly owner: Owner;
      readonly clients: Clients;
      readonly administrator: Administrator;
    },
  ) {
    this.#run = run;
    this.#owner = ports.owner;
    this.#clients = ports.clients;
    this.#administrator = ports.administrator;
  }

  /** Ends all faults, and looks now and then whether all has come right. */
  begin(): void {
    const run = this.#run;
    run.isHealing = true;
    run.say(() => "-- all faults end");
    run.network.heal();
    for (const machine of run.machines) {
      machine.clockRate = 1;
      machine.slowDiskUntil = 0;
      this.#owner.start(machine);
    }
    this.#deadline = run.now + HEALED_MS_MAX;
    this.#acknowledgedWanted = this.#clients.acknowledgedCount + FRESH_WRITES;
    this.#look();
  }

  #look(): void {
    const run = this.#run;
    this.#stopRemoved();
    const problem = this.#problem();
    if (problem === undefined) {
      this.isDone = true;
      this.#clients.checkAcknowledged();
      return;
    }
    this.#noteProgress();
    if (run.now > this.#deadline) {
      if (this.#isBeyondRepair()) {
        // What was acknowledged must be there all the same.
        run.sometimes.hit("group beyond repair");
        this.isDone = true;
        this.#clients.checkAcknowledged();
        return;
      }
      throw new Violation(`a healed group comes right: ${problem}`, this.#facts());
    }
    const leader = run.leader();
    if (leader !== undefined) {
      this.#administrator.leaveJoint(leader);
      // Not in every round: a small limit of uncommitted bytes must get time to drain.
      if (this.#round++ % 5 === 0) this.#clients.propose(leader, { count: 1, bytes: 5 });
    }
    run.after(LOOK_EVERY_MS, () => this.#look());
  }

  /** A removed node that has not learned it is told so at the handshake, and stops. */
  #stopRemoved(): void {
    const { judge, machines } = this.#run;
    const members = membersOf(judge.membership);
    for (const machine of machines) {
      const isNew = machine.log.lastIndex === 0;
      if (
        machine.isUp &&
        !isNew &&
        !members.includes(machine.id) &&
        this.#owner.isDispensable(machine)
      ) {
        this.#owner.stop(machine);
      }
    }
  }

  /**
   * INV-SIM-8. Entries of the leader's log that its members do not hold, and those that they have not applied. Both count:
   * a new leader commits nothing before an entry of its own term (Raft 5.4.2), which comes behind all that they lack.
   */
  #noteProgress(): void {
    const run = this.#run;
    const leader = run.leader();
    if (leader === undefined) return;
    let owed = 0;
    for (const id of membersOf(leader.core!.membership)) {
      const member = run.machineOf(id);
      if (member === undefined) continue;
      const { lastIndex } = leader.core!;
      const held = member.core === undefined ? 0 : lastShared(leader.core!, member.core);
      owed += lastIndex - held + Math.max(0, lastIndex - member.state.index);
    }
    if (owed >= this.#leastOwed) return;
    this.#leastOwed = owed;
    this.#deadline = Math.max(this.#deadline, run.now + STALLED_MS_MAX);
  }

  #isBeyondRepair(): boolean {
    const { judge, machines } = this.#run;
    const survivors = machines.map(({ id, core }) => ({ id, core: core && survivorOf(core) }));
    const leader = this.#run.leader();
    return isBeyondRepair(
      { survivors, membershipAt: (index) => judge.membershipAt(index) },
      survivors.find(({ id }) => id === leader?.id),
    );
  }

  #problem(): string | undefined {
    const { machines } = this.#run;
    const leader = this.#run.leader();
    if (leader === undefined) return "no leader";
    const core = leader.core!;
    if (core.membership.outgoing.length > 0) return "still joint";
    if (core.commit < core.lastIndex || core.applied < core.commit) return "entries not committed";
    const members = membersOf(core.membership);
    for (const machine of machines) {
      if (!members.includes(machine.id) || machine.isRetired) continue;
      if (machine.core === undefined) return "a member is down";
      if (machine.core.role === "leader" && machine !== leader) return "two leaders";
      if (machine.core.isRecovering) return "a member is in doubt";
      if (machine.state.index !== core.applied) return "a member lags";
    }
    if (this.#clients.acknowledgedCount < this.#acknowledgedWanted) return "no fresh writes";
    return undefined;
  }

  #facts(): Record<string, unknown> {
    return Object.fromEntries(
      this.#run.machines.map(({ name, core, state }) => [
        name,
        core === undefined
          ? "down"
          : `${core.role} t${core.term} last ${core.lastIndex} commit ${core.commit} state ${state.index}`,
      ]),
    );
  }
}

/** The last entry that a member's log shares with its leader's: what is committed is in both (Raft 5.4). */
function lastShared(leader: Core, member: Core): number {
  let index = Math.min(leader.lastIndex, member.lastIndex);
  while (index > member.commit && member.termOf(index) !== leader.termOf(index)) index--;
  return index;
}

function survivorOf(core: Core): NonNullable<Survivor["core"]> {
  const { isRecovering, commit, lastIndex, lastTerm, membership } = core;
  const termOf = (index: number): number | undefined => core.termOf(index);
  return { isRecovering, commit, lastIndex, lastTerm, membership, termOf };
}
