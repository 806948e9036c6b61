/**
 * The operator of a simulated cluster: brings it up, keeps the number of voters, replaces lost disks, and changes members and
 * leaders when the storm wants it.
 */
import type { ClusterStatus, EngineCall, EngineReply, EngineRequest } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import type { ClusterSettings } from "./cluster-settings.js";
import type { EventLoop } from "./event-loop.js";
import type { EventTrace } from "./event-trace.js";
import { DATA, type Machine, STORE } from "./machine.js";
import type { Astray } from "./simulated-disk.js";
import type { Sometimes } from "./sometimes.js";

const LOOK_MS = 150;
/** What was asked for so long ago has happened, or will not. */
const SETTLED_MS = 3_000;
/** A call of the operator is given up after so long. */
const CALL_MS = 3_000;
/** What the scrubber is waited for. */
const SCRUB_MS = 2_500;

export interface MembershipDeps {
  readonly settings: ClusterSettings;
  readonly loop: EventLoop;
  readonly trace: EventTrace;
  readonly machines: readonly Machine[];
  readonly sometimes: Sometimes;
}

export class Membership {
  readonly #deps: MembershipDeps;
  /** A disk that was lost or damaged, until a new node has taken its place. */
  #lost: Machine | undefined;
  /** The name of the node that it was of. */
  #lostNode = "";
  /** Machines whose node must leave the cluster before they may come back on an empty disk. */
  readonly #retired = new Set<Machine>();
  /** Machines that have been voters with the disk they have. */
  readonly #joined = new Set<Machine>();
  /** Machines whose nodes vote, as the leader saw it last. */
  #voters: readonly Machine[] = [];
  /** Machines whose nodes were asked to leave: they come back as new ones, not as they are. */
  readonly #leaving = new Set<Machine>();
  #wantedLeader: Machine | undefined;
  #unwanted: Machine | undefined;
  /** When a change was last asked for. */
  #changedAt = 0;
  /** Changes that no node has answered yet, and by whom: given up, they may still happen while that process lives. */
  readonly #unanswered = new Map<Promise<unknown>, () => boolean>();
  #hasBegun = false;
  #isCalm = false;
  /** The damaged disk was read as a whole, and is as it should be. */
  #isInspected = false;
  #isStopped = false;

  constructor(deps: MembershipDeps) {
    this.#deps = deps;
  }

  /** Works as the operator until it is stopped. */
  async work(): Promise<void> {
    const { loop, machines, settings } = this.#deps;
    for (const machine of machines) machine.start(this.startsWaiting(machine));
    while (!this.#isStopped) {
      await loop.sleep(LOOK_MS);
      if (!this.#hasBegun && settings.bootstrap === "init") await this.#initialize();
      if (this.#isCalm) await this.#inspect();
      const status = await this.#leaderStatus();
      if (status !== undefined) await this.#reconcile(status);
    }
  }

  /** Nothing is wanted any more but the right number of voters. */
  settle(): void {
    this.#unwanted = undefined;
    this.#wantedLeader = undefined;
    this.#isCalm = true;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** The machine stays off: its node is being removed. */
  isRetired(machine: Machine): boolean {
    return this.#retired.has(machine);
  }

  /** No change has been asked for lately, and none is needed: the voters are who they were a while ago. */
  get isSettled(): boolean {
    const { loop } = this.#deps;
    return (
      this.#voters.length > 0 &&
      this.#lost === undefined &&
      this.#retired.size === 0 &&
      loop.now - this.#changedAt > SETTLED_MS
    );
  }

  /** Machines whose nodes voted when that was last looked at. */
  get voters(): readonly Machine[] {
    return this.#voters;
  }

  /** Whether a machine's process, on an empty disk, waits to be added. Without meaning on a disk that has been used. */
  startsWaiting(machine: Machine): boolean {
    const begins = this.#deps.settings.bootstrap === "one" && machine.index === 0;
    return !begins || this.#hasBegun || machine.generation > 0;
  }

  /** The disk of a machine is gone, if that can be survived now. */
  async loseDisk(machine: Machine): Promise<void> {
    if (!(await this.#isSeedSafe(machine)) || !this.#mayLose(machine)) return;
    this.#noteLost(machine);
    machine.reformat();
    this.#retired.add(machine);
    this.#deps.sometimes.note("disk lost");
  }

  /** A bit of a machine's disk changes, if that can be survived now. */
  async damage(machine: Machine, where: number): Promise<void> {
    const { platter } = machine;
    const names = await platter.list(`${DATA}/wal`);
    const segments = names.filter((name) => name.endsWith(".seg"));
    const paths = [STORE, ...segments.map((name) => `${DATA}/wal/${name}`)];
    const path = paths[Math.floor(where * paths.length)]!;
    if (!(await platter.exists(path)) || !(await this.#isSeedSafe(machine))) return;
    const size = (await platter.open(path)).size();
    if (size === 0 || !this.#mayLose(machine)) return;
    const position = Math.floor(((where * 7_919) % 1) * size);
    this.#noteLost(machine);
    this.#deps.trace.note(machine.name, `a bit of ${path} at ${position} changes`);
    platter.corrupt(path, position, Uint8Array.of(1 << (position & 7)));
  }

  /** The next write to a machine's page store goes astray, if that can be survived now. */
  async misdirect(machine: Machine, astray: Astray): Promise<void> {
    if (!(await this.#isSeedSafe(machine)) || !this.#mayLose(machine)) return;
    this.#noteLost(machine);
    machine.astray = astray;
  }

  /** The log seed is on the disks of all other voters: what only one disk holds is lost with it. */
  async #isSeedSafe(machine: Machine): Promise<boolean> {
    const others = this.#voters.filter((voter) => voter !== machine);
    const path = `${DATA}/keys/log.seed`;
    const held = await Promise.all(others.map(({ platter }) => platter.exists(path)));
    return held.every(Boolean);
  }

  wantTransfer(machine: Machine): void {
    this.#wantedLeader = machine;
  }

  /** This machine's node shall leave, and come back as another. */
  wantOther(machine: Machine): void {
    if (this.#lost === undefined && this.#retired.size === 0 && this.#joined.has(machine)) {
      this.#unwanted ??= machine;
    }
  }

  /** The process could not start, or stopped: whether that is what its disk demanded. */
  noteEnd(machine: Machine, error: LedgerError): boolean {
    if (error.code === "NODE_REMOVED") {
      this.#renew(machine);
      return true;
    }
    if (this.#lost !== machine) return false;
    // It halted loudly on a damaged disk. Its node is lost.
    this.#deps.sometimes.note(`halted on a damaged disk: ${error.code}`);
    machine.reformat();
    this.#retired.add(machine);
    return true;
  }

  /** The leader's view, when exactly the wanted voters are there and have all. */
  async healthy(): Promise<ClusterStatus | undefined> {
    const status = await this.#leaderStatus();
    const isChanging = this.#changedAt > this.#deps.loop.now || this.#retired.size > 0;
    if ([...this.#unanswered.values()].some((isPossible) => isPossible())) return undefined;
    if (this.#suspect !== undefined) return undefined;
    if (status === undefined || status.isJoint || isChanging) return undefined;
    const voters = status.members.filter(({ role }) => role === "voter");
    return voters.length === this.#deps.settings.voters &&
      status.members.length === voters.length &&
      status.appliedIndex === status.lastIndex
      ? status
      : undefined;
  }

  #noteLost(machine: Machine): void {
    this.#lost = machine;
    this.#isInspected = false;
    this.#lostNode = machine.nodeName;
  }

  #mayLose(machine: Machine): boolean {
    const { settings } = this.#deps;
    return (
      settings.voters >= 3 &&
      this.#lost === undefined &&
      this.#unwanted === undefined &&
      this.#retired.size === 0 &&
      this.#joined.has(machine) &&
      this.#joined.size >= settings.voters &&
      this.#arePoliciesSettled()
    );
  }

  /** Vaults bear no loss that the voters of before could not have borne, until their policies name the voters of now. */
  #arePoliciesSettled(): boolean {
    const stats = this.#deps.machines.flatMap(({ engine }) => engine?.stats() ?? []);
    const leaders = stats.filter(({ group }) => group.role === "leader");
    leaders.sort((a, b) => b.group.term - a.group.term);
    return leaders[0]?.arePoliciesSettled === true;
  }

  /** A disk with damage that nobody has met yet. */
  get #suspect(): Machine | undefined {
    const isOpen = this.#lost !== undefined && !this.#isInspected && !this.#retired.has(this.#lost);
    return isOpen && this.#lost!.nodeName === this.#lostNode ? this.#lost : undefined;
  }

  /**
   * Damage that no read has met must be found by the node's own scrubber (storage.md, "Scrub"); then the disk is replaced, as
   * soon as the cluster can do without it: its log may be what a node in doubt needs.
   */
  async #inspect(): Promise<void> {
    const machine = this.#suspect;
    if (machine?.isRunning !== true) return;
    const request = { waitMs: SCRUB_MS, follow: false };
    const found = await this.#call(machine, "check_integrity", request);
    if (found === undefined || found.running || this.#suspect !== machine) return;
    const { differences } = found;
    this.#isInspected = differences.length === 0;
    if (this.#isInspected) return;
    this.#deps.trace.note(machine.name, `the scrubber found ${differences[0]!.text}`);
    if (!(await this.#canDoWithout(machine)) || this.#suspect !== machine) return;
    this.#deps.sometimes.note("damage found by the scrubber");
    machine.reformat();
    this.#retired.add(machine);
  }

  /** Whether the other voters that run and are sure of their logs are a majority (docs/operations.md). */
  async #canDoWithout(machine: Machine): Promise<boolean> {
    const others = this.#voters.filter((voter) => voter !== machine);
    const asked = others.map((voter) => this.#call(voter, "cluster_status", {}));
    const sure = (await Promise.all(asked)).filter((status) => status?.isRecovering === false);
    return sure.length * 2 > this.#voters.length;
  }

  /** The machine gets an empty disk and starts as a new node. */
  #renew(machine: Machine): void {
    machine.reformat();
    this.#retired.delete(machine);
    this.#joined.delete(machine);
    this.#leaving.delete(machine);
    if (this.#unwanted === machine) this.#unwanted = undefined;
    this.#deps.loop.time.after(20, () => machine.start(true));
  }

  async #initialize(): Promise<void> {
    const { machines, settings } = this.#deps;
    const [first, ...others] = machines.slice(0, settings.voters);
    const addresses = others.map(({ address }) => address);
    await this.#call(first!, "cluster_init", { addresses });
  }

  /** What the node says that leads in the highest term, if one does. */
  async #leaderStatus(): Promise<ClusterStatus | undefined> {
    const { machines } = this.#deps;
    const all = await Promise.all(
      machines.map((machine) => this.#call(machine, "cluster_status", {})),
    );
    let newest: ClusterStatus | undefined;
    let leader: Machine | undefined;
    for (const [i, status] of all.entries()) {
      if (status?.role !== "leader" || status.term <= (newest?.term ?? -1)) continue;
      newest = status;
      leader = machines[i];
    }
    if (leader !== undefined) {
      this.#hasBegun = true;
      this.#noteVoters(newest!);
    }
    return newest;
  }

  #noteVoters({ members }: ClusterStatus): void {
    const names = new Set(
      members.filter(({ role }) => role === "voter").map(({ info }) => info.name),
    );
    const voters = this.#deps.machines.filter((machine) => names.has(machine.nodeName));
    for (const machine of voters) if (!this.#retired.has(machine)) this.#joined.add(machine);
    const isSame =
      voters.length === this.#voters.length && voters.every((one, i) => one === this.#voters[i]);
    if (isSame) return;
    this.#voters = voters;
    if (this.#changedAt < this.#deps.loop.now) this.#changedAt = this.#deps.loop.now;
  }

  /** One step towards what is wanted. */
  async #reconcile(status: ClusterStatus): Promise<void> {
    const { machines, settings } = this.#deps;
    const leader = machines.find(({ address }) => address === addressOf(status, status.nodeId));
    if (leader === undefined) return;
    const byAddress = new Map(status.members.map((member) => [member.info.peerAddress, member]));
    for (const machine of machines) {
      const member = byAddress.get(machine.address);
      const isOwn = member?.info.name === machine.nodeName;
      if (member === undefined && this.#retired.has(machine)) return this.#renewLost(machine);
      const isGone = member !== undefined && (!isOwn || this.#unwanted === machine);
      if (isGone && status.members.length > 1) {
        if (isOwn) this.#leaving.add(machine);
        await this.#call(leader, "cluster_remove", { node: member.info.nodeId });
        return;
      }
    }
    if (this.#wantedLeader !== undefined) {
      const member = byAddress.get(this.#wantedLeader.address);
      this.#wantedLeader = undefined;
      if (member?.role === "voter") {
        await this.#call(leader, "cluster_transfer", { node: member.info.nodeId });
        return;
      }
    }
    await this.#grow(leader, status, settings.voters);
  }

  #isGoing(machine: Machine): boolean {
    return this.#retired.has(machine) || this.#leaving.has(machine);
  }

  #renewLost(machine: Machine): void {
    this.#renew(machine);
    if (this.#lost === machine) this.#deps.sometimes.note("lost disk replaced");
  }

  /** Promotes a learner or adds a machine while voters are missing; removes what is too much. */
  async #grow(leader: Machine, status: ClusterStatus, voters: number): Promise<void> {
    const { machines } = this.#deps;
    const count = status.members.filter(({ role }) => role === "voter").length;
    const learner = status.members.find(({ role }) => role === "learner");
    if (count >= voters) {
      // A disk counts as replaced when all voters are there again.
      if (this.#lost !== undefined && !this.#retired.has(this.#lost)) this.#settleLost(status);
      if (learner !== undefined) {
        await this.#call(leader, "cluster_remove", { node: learner.info.nodeId });
      }
      return;
    }
    if (learner !== undefined) {
      await this.#call(leader, "cluster_promote", { node: learner.info.nodeId });
      return;
    }
    const known = new Set(status.members.map(({ info }) => info.peerAddress));
    const candidates = machines.filter(
      (machine) => !known.has(machine.address) && machine.isRunning && !this.#isGoing(machine),
    );
    const [next] = candidates;
    if (next !== undefined) await this.#call(leader, "cluster_add", { address: next.address });
  }

  #settleLost(status: ClusterStatus): void {
    if (status.members.every(({ info }) => info.name !== this.#lostNode)) this.#lost = undefined;
  }

  async #call<C extends EngineCall>(
    machine: Machine,
    call: C,
    request: EngineRequest<C>,
  ): Promise<EngineReply<C> | undefined> {
    const { loop, trace } = this.#deps;
    const { engine } = machine;
    if (engine === undefined) return undefined;
    const isChange = call !== "cluster_status" && call !== "check_integrity";
    if (call !== "cluster_status") this.#changedAt = Number.POSITIVE_INFINITY;
    const timeout = loop.sleep(CALL_MS).then(() => undefined);
    const asked = machine.call(call, request).catch((error: unknown) => {
      const { code, message } = LedgerError.from(error);
      trace.note("operator", `${call} at ${machine.name}: ${code}: ${message}`);
      return undefined;
    });
    if (isChange) {
      this.#unanswered.set(asked, () => machine.engine === engine);
      void asked.finally(() => this.#unanswered.delete(asked));
    }
    const reply = await Promise.race([asked, timeout]);
    if (call !== "cluster_status") this.#changedAt = loop.now;
    if (call !== "cluster_status" && reply !== undefined) {
      trace.note("operator", `${call} at ${machine.name}: done`);
      this.#deps.sometimes.note(call);
    }
    return reply;
  }
}

function addressOf(status: ClusterStatus, node: bigint): string | undefined {
  return status.members.find(({ info }) => info.nodeId === node)?.info.peerAddress;
}
