/**
 * The operators of a run: they add, promote, demote, remove and replace members, one by one and several at once, and
 * give the leadership to others. They know the group as its leader does.
 */
import { SeededRandom } from "@authledger/io";
import type { ConfigurationChange, MemberChange, Membership } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { Machine } from "./machine.js";
import type { Owner } from "./owner.js";
import { membersOf } from "./quorum.js";
import type { Run } from "./run.js";

const VOTERS_MAX = 7;
const CONTEXT = new Uint8Array();
/** Numbers of proposals that clients do not use. */
const FIRST_PROPOSAL = 1e9;

export class Administrator {
  readonly #run: Run;
  readonly #owner: Owner;
  #proposals = FIRST_PROPOSAL;

  constructor(run: Run, owner: Owner) {
    this.#run = run;
    this.#owner = owner;
  }

  /** Asks the leader for a change that `value` chooses. */
  change(value: number): void {
    const leader = this.#run.leader();
    if (leader === undefined) return;
    const { membership } = leader.core!;
    if (membership.outgoing.length > 0) {
      this.#propose(leader, { transition: "auto", changes: [], context: CONTEXT });
      return;
    }
    const random = new SeededRandom(value);
    const count = random.pick([1, 1, 1, 2, 3]);
    const changes: MemberChange[] = [];
    for (let i = 0; i < count; i++) {
      const change = this.#draw(random, membership, changes);
      if (change !== undefined) changes.push(change);
    }
    if (changes.length === 0 || !this.#isBearable(membership, changes)) return;
    const transition = random.pick(["auto", "auto", "joint-implicit", "joint-explicit"] as const);
    this.#propose(leader, { transition, changes, context: CONTEXT });
  }

  /** Leaves a joint configuration that nobody leaves by itself. */
  leaveJoint(leader: Machine): void {
    const { membership } = leader.core!;
    if (membership.outgoing.length === 0 || membership.autoLeave) return;
    this.#propose(leader, { transition: "auto", changes: [], context: CONTEXT });
  }

  transfer(value: number): void {
    const leader = this.#run.leader();
    if (leader === undefined) return;
    const members = membersOf(leader.core!.membership);
    const to = members[value % members.length];
    if (to === undefined) return;
    this.#owner.step(leader, { kind: "transfer", to });
    const { term } = leader.core ?? { term: 0 };
    this.#run.after(300, () => {
      const now = this.#run.machineOf(to)?.core;
      if (now?.role === "leader" && now.term > term && to !== leader.id) {
        this.#run.sometimes.hit("leadership transferred");
      }
    });
  }

  /**
   * Whether the disk of a machine may be wiped: a group that has lost the disks of half of its voters is lost, whatever
   * its core does.
   */
  mayWipe(machine: Machine): boolean {
    const { id } = machine;
    return this.#everyMembership().every((membership) =>
      halvesOf(membership).every((voters) => this.#canDecide(voters, id)),
    );
  }

  #propose(leader: Machine, change: ConfigurationChange): void {
    this.#owner.step(leader, {
      kind: "propose-change",
      proposal: ++this.#proposals,
      change,
    });
  }

  #draw(
    random: SeededRandom,
    membership: Membership,
    chosen: readonly MemberChange[],
  ): MemberChange | undefined {
    const isFree = (node: NodeId): boolean => chosen.every((change) => change.node !== node);
    const members = membersOf(membership).filter(isFree);
    const blanks = this.#run.machines
      .filter(({ id, log, core }) => core !== undefined && log.lastIndex === 0 && isFree(id))
      .map(({ id }) => id)
      .filter((id) => !members.includes(id));
    const member = members.length === 0 ? undefined : random.pick(members);
    const blank = blanks.length === 0 ? undefined : random.pick(blanks);
    const action = random.pick([
      "add-learner",
      "add-voter",
      "promote",
      "demote",
      "remove",
    ] as const);
    switch (action) {
      case "add-learner":
      case "add-voter":
        return blank && { action, node: blank };
      case "promote":
        return member && { action: "add-voter", node: member };
      case "demote":
        return member && { action: "add-learner", node: member };
      default:
        return member && { action: "remove", node: member };
    }
  }

  /** The group after the changes can still decide without the disks that are gone. */
  #isBearable(membership: Membership, changes: readonly MemberChange[]): boolean {
    const voters = new Set(membership.voters);
    for (const { action, node } of changes) {
      if (action === "add-voter") voters.add(node);
      else voters.delete(node);
    }
    return voters.size > 0 && voters.size <= VOTERS_MAX && this.#canDecide([...voters], undefined);
  }

  #canDecide(voters: readonly NodeId[], without: NodeId | undefined): boolean {
    const alive = voters.filter((id) => id !== without && this.#hasDisk(id)).length;
    return voters.length === 0 || 2 * alive > voters.length;
  }

  #hasDisk(id: NodeId): boolean {
    const machine = this.#run.machineOf(id);
    return machine !== undefined && machine.beforeLoss === undefined && !machine.isRetired;
  }

  /** What any node of the group believes, and what the changes in their logs would make of it. */
  #everyMembership(): Membership[] {
    const all: Membership[] = [this.#run.judge.membership];
    for (const { core, newest, state } of this.#run.machines) {
      all.push(newest.membership, core?.membership ?? state.membership);
    }
    return all;
  }
}

function halvesOf({ voters, outgoing }: Membership): (readonly NodeId[])[] {
  return [voters, outgoing];
}
