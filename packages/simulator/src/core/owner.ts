/**
 * Owns the cores of a run as an engine owns its core: gives them events, and does what they ask for, with the latencies
 * and the faults of the run. The judge sees each event and each action.
 */
import {
  type Action,
  type Event,
  isConfigurationChange,
  type Membership,
  type Message,
} from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { Batch } from "./durable-log.js";
import { isReformatted, type Machine } from "./machine.js";
import { isQuorum, membersOf } from "./quorum.js";
import type { Run } from "./run.js";
import { TICK_MS } from "./settings.js";
import { describeAction, describeEvent, describeMessage } from "./trace.js";
import { Violation } from "./violation.js";

/** What clients hear of a node. */
export interface Listener {
  applied(machine: Machine, index: number, term: number, payload: Uint8Array): void;
  /** What was in memory is gone. */
  crashed(machine: Machine): void;
  action(machine: Machine, action: Action): void;
  /** The state of a node has advanced. */
  advanced(machine: Machine): void;
}

/** How much longer a sync takes that is held back. */
const DELAY_DURABLE_MS = 50;
const TICK: Event = { kind: "tick" };
const BEAT: Event = { kind: "beat" };

export class Owner {
  readonly #run: Run;
  readonly #listener: Listener;
  readonly #inbox: { readonly machine: Machine; readonly life: number; readonly event: Event }[] =
    [];
  #isStepping = false;
  /** Before the event that is being worked on. */
  #wasLeader = false;
  /** The machine whose event is being worked on, and the crash that will end it. */
  #current: Machine | undefined;
  #doom:
    | { readonly machine: Machine; readonly why: string; readonly downMs: number | undefined }
    | undefined;

  constructor(run: Run, listener: Listener) {
    this.#run = run;
    this.#listener = listener;
  }

  /** Gives an event to a node, and then all that follows from it at once. Nothing happens where none runs. */
  step(machine: Machine, event: Event): void {
    const run = this.#run;
    if (machine.pausedUntil > run.now) {
      const { slot, life } = machine;
      run.queue.push(machine.pausedUntil, { kind: "event", slot, life, event });
      return;
    }
    this.#inbox.push({ machine, life: machine.life, event });
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        if (next.life === next.machine.life) this.#stepNow(next.machine, next.event);
      }
    } finally {
      this.#isStepping = false;
      this.#inbox.length = 0;
    }
  }

  #stepNow(machine: Machine, event: Event): void {
    const { core } = machine;
    if (core === undefined) return;
    const run = this.#run;
    run.steps++;
    this.#record(machine, event);
    const { role, term } = core;
    const actions: Action[] = [];
    core.step(event, actions);
    this.#current = machine;
    this.#wasLeader = role === "leader";
    for (const action of actions) {
      this.#perform(machine, action);
      if (this.#doom !== undefined) break;
    }
    run.judge.after(machine, core);
    this.#noteMatch(machine, event);
    if (core.role !== role || core.term !== term) this.#noteRole(machine, role);
    this.#current = undefined;
    if (this.#doom !== undefined) this.#crashNow();
    else if (event.kind !== "turn") this.#scheduleTurn(machine);
  }

  /** A crash in the middle of an event comes when the judge has seen what there is of it. */
  #crashNow(): void {
    const { machine, why, downMs } = this.#doom!;
    this.#doom = undefined;
    this.crash(machine, why, downMs);
  }

  #record(machine: Machine, event: Event): void {
    const run = this.#run;
    if (event.kind === "message") {
      const { message } = event;
      const index = "index" in message ? message.index : 0;
      run.trace.add(machine.slot * 64 + message.type.length, message.term * 8_192 + index);
    } else {
      run.trace.add(machine.slot * 64 + event.kind.length, Math.floor(run.now * 1_000));
    }
    if (run.trace.isWritten && event.kind !== "tick" && event.kind !== "turn") {
      run.say(() => `${machine.name} <- ${describeEvent(event)}`);
    }
  }

  #noteMatch(machine: Machine, event: Event): void {
    if (event.kind !== "message" || event.message.type !== "append-response") return;
    const core = machine.core!;
    if (core.role !== "leader") return;
    const { from } = event.message;
    const match = core.progress.find(({ node }) => node === from)?.match;
    if (match !== undefined) this.#run.judge.matchIs(core, from, match);
  }

  #noteRole(machine: Machine, before: string): void {
    const { sometimes } = this.#run;
    const core = machine.core!;
    if (core.role === "leader" && before !== "leader") {
      sometimes.hit("leader elected");
      if (core.membership.outgoing.length > 0) {
        sometimes.hit("leader elected during a joint configuration");
      }
      if (this.#run.strikes("crash-when-elected")) this.crash(machine, "when elected");
    } else if (before === "leader" && core.role !== "leader") {
      sometimes.hit("leader deposed");
    }
  }

  /** The end of a turn comes after some events, as in an engine. */
  #scheduleTurn(machine: Machine): void {
    const run = this.#run;
    if (run.settings.perSecond.read === 0 || machine.willTurn || machine.core === undefined) return;
    machine.willTurn = true;
    const delay = run.uniform(0, run.settings.turnMsMax);
    const { slot, life } = machine;
    run.queue.push(run.now + delay, { kind: "turn", slot, life });
  }

  #perform(machine: Machine, action: Action): void {
    const run = this.#run;
    if (run.trace.isWritten) run.say(() => `${machine.name}    ${describeAction(action)}`);
    switch (action.kind) {
      case "append":
        this.#append(machine, action);
        break;
      case "send":
        this.#send(machine, action.message);
        break;
      case "apply":
        machine.toApply.push({ from: action.from, to: action.to });
        this.#scheduleApply(machine);
        break;
      case "send-snapshot":
        this.#sendSnapshot(machine, action.to, action.index);
        break;
      case "membership":
        this.#membershipChanged(machine, action);
        break;
      case "transfer-failed":
        run.sometimes.hit("transfer failed");
        break;
      default:
        this.#listener.action(machine, action);
    }
  }

  #append(machine: Machine, batch: Batch): void {
    const run = this.#run;
    run.judge.appending(machine, batch, machine.core!);
    const mayWait = machine.log.pending.length > 0 || batch.mustSync;
    machine.log.take(batch);
    if (!mayWait) {
      this.#finishBatches(machine, 1);
      return;
    }
    if (batch.truncateFrom !== undefined) {
      run.sometimes.hit("entries truncated");
      if (run.strikes("crash-after-truncate")) {
        this.crash(machine, "after a truncation");
        return;
      }
    }
    this.#scheduleSync(machine);
  }

  #scheduleSync(machine: Machine): void {
    const run = this.#run;
    const count = machine.log.pending.length;
    if (machine.isSyncing || count === 0) return;
    machine.isSyncing = true;
    const { syncMsMin, syncMsMax } = run.settings;
    let latency = run.uniform(syncMsMin, syncMsMax);
    if (run.now < machine.slowDiskUntil) latency *= 20;
    if (run.strikes("delay-durable")) latency += DELAY_DURABLE_MS;
    const { slot, life } = machine;
    run.queue.push(run.now + latency, { kind: "synced", slot, life, count });
  }

  /** A sync has ended: what it covered is durable, and what waited for that leaves. */
  synced(machine: Machine, count: number): void {
    const run = this.#run;
    if (run.strikes("crash-in-sync")) {
      this.crash(machine, "in a sync");
      return;
    }
    machine.isSyncing = false;
    // What needs no sync of its own counts from now on as well.
    const { pending } = machine.log;
    let covered = count;
    while (pending[covered]?.mustSync === false) covered++;
    this.#finishBatches(machine, covered);
  }

  #finishBatches(machine: Machine, count: number): void {
    const { life } = machine;
    const batches = machine.log.synced(count);
    for (const batch of batches) {
      this.#run.judge.persisted(machine, batch);
      this.#tookEffect(machine, batch);
    }
    for (const batch of batches) {
      if (!this.#release(machine, batch)) return;
    }
    this.step(machine, { kind: "durable", append: batches.at(-1)!.append });
    if (machine.life === life) this.#scheduleSync(machine);
  }

  #tookEffect(machine: Machine, { snapshot, entries }: Batch): void {
    const last = entries.at(-1);
    if (last !== undefined && machine.log.term(last.index) !== last.term) {
      this.#run.sometimes.hit("sync of a truncated batch ended");
    }
    if (snapshot === undefined) return;
    machine.state = { index: snapshot.index, membership: snapshot.membership };
    machine.newest = machine.state;
    machine.older = machine.state;
    machine.toApply = [];
    this.#run.sometimes.hit("snapshot installed");
    this.#listener.advanced(machine);
  }

  /** The messages of a durable batch leave. False when the node crashed on the way. */
  #release(machine: Machine, batch: Batch): boolean {
    const run = this.#run;
    for (const message of batch.whenDurable) {
      const isVote = message.type === "vote-response" && !message.reject;
      const isAck = message.type === "append-response" && !message.reject;
      if (isVote && run.strikes("crash-before-vote-leaves")) {
        this.crash(machine, "before a vote left");
        return false;
      }
      this.#send(machine, message);
      if (
        (isVote && run.strikes("crash-after-vote")) ||
        (isAck && run.strikes("crash-after-append-ack")) ||
        (batch.snapshot !== undefined && run.strikes("crash-after-snapshot"))
      ) {
        this.crash(machine, `after ${message.type} left`);
        return false;
      }
    }
    return true;
  }

  #send(machine: Machine, message: Message): void {
    const run = this.#run;
    run.judge.leaving(machine, message);
    if (message.type === "append" && run.strikes("drop-next-append")) return;
    const to = run.machineOf(message.to);
    if (to === undefined) return;
    const { isCoded } = run.settings;
    const delays = run.network.route(machine.slot, to.slot, run.now);
    if (delays.length === 0 && run.trace.isWritten) {
      run.say(() => `lost: ${describeMessage(message)}`);
    }
    for (const delay of delays) {
      const { decodeMessage, encodeMessage } = run.module;
      const carried = isCoded ? decodeMessage(encodeMessage(message)) : message;
      run.queue.push(run.now + delay, {
        kind: "deliver",
        slot: to.slot,
        life: 0,
        message: carried,
      });
    }
  }

  /** Messages are for a node, not for the machine it lived on. */
  deliver(machine: Machine, message: Message): void {
    if (machine.id === message.to) this.step(machine, { kind: "message", message });
  }

  #scheduleApply(machine: Machine): void {
    const run = this.#run;
    if (machine.isApplying || machine.toApply.length === 0) return;
    const { applyMsMax } = run.settings;
    if (applyMsMax === 0) {
      this.apply(machine);
      return;
    }
    machine.isApplying = true;
    const { slot, life } = machine;
    run.queue.push(run.now + run.uniform(0, applyMsMax), { kind: "apply", slot, life });
  }

  /** Applies the oldest range that was handed out. */
  apply(machine: Machine): void {
    machine.isApplying = false;
    const range = machine.toApply.shift();
    if (range === undefined) return;
    const { from, to } = range;
    // A snapshot that is on its way to the disk replaces these.
    if (to <= machine.log.visible.offset) return;
    if (from !== machine.state.index + 1 || to > machine.core!.commit) {
      throw new Violation("entries are applied once, in order, and committed", {
        node: machine.name,
        from,
        to,
        applied: machine.state.index,
        commit: machine.core!.commit,
      });
    }
    for (let index = from; index <= to; index++) {
      const { term, payload } = machine.log.visible.entry(index)!;
      machine.state = { index, membership: machine.state.membership };
      if (isConfigurationChange(payload)) this.#applyChange(machine, index, payload);
      else this.#listener.applied(machine, index, term, payload);
      if (this.#doom !== undefined || machine.core === undefined) return;
    }
    this.step(machine, { kind: "applied", index: to });
    this.#listener.advanced(machine);
    this.#checkpoint(machine);
    this.#scheduleApply(machine);
  }

  #applyChange(machine: Machine, index: number, payload: Uint8Array): void {
    const change = this.#run.module.decodeConfigurationChange(payload);
    this.step(machine, { kind: "apply-change", index, change });
    this.step(machine, { kind: "applied", index });
  }

  #membershipChanged(
    machine: Machine,
    { index, membership }: Extract<Action, { kind: "membership" }>,
  ): void {
    const run = this.#run;
    const before = machine.state.membership;
    machine.state = { index: machine.state.index, membership };
    run.judge.membershipIs(index, membership, machine.id);
    if (this.#wasLeader) this.#noteChange(machine, before, membership);
    const isOut = (members: readonly NodeId[]): boolean => !members.includes(machine.id);
    if (isOut(membersOf(membership)) && !isOut(membersOf(before))) this.#retire(machine);
  }

  #noteChange(machine: Machine, before: Membership, membership: Membership): void {
    const { sometimes } = this.#run;
    const [wasMember, isMember] = [membersOf(before), membersOf(membership)];
    const wasJoint = before.outgoing.length > 0;
    const isJoint = membership.outgoing.length > 0;
    sometimes.hit("membership changed");
    if (isJoint && !wasJoint) sometimes.hit("joint configuration entered");
    if (wasJoint && !isJoint) sometimes.hit("joint configuration left");
    const { voters } = membership;
    if (voters.some((id) => before.learners.includes(id))) sometimes.hit("learner promoted");
    if (before.voters.some((id) => !voters.includes(id))) sometimes.hit("voter removed");
    if (!isMember.includes(machine.id)) sometimes.hit("leader removed itself");
    if (isMember.some((id) => !wasMember.includes(id) && isReformatted(id))) {
      sometimes.hit("reformatted node joined");
    }
  }

  /**
   * A node that learns that it was removed stops, but not before those who stay know it too: of two voters the one that
   * stays needs the vote of the other until it has learned that it is alone.
   */
  #retire(machine: Machine): void {
    const run = this.#run;
    const { life } = machine;
    run.after(run.uniform(0, 500), () => {
      if (machine.life !== life) return;
      if (this.isDispensable(machine)) this.stop(machine);
      else this.#retire(machine);
    });
  }

  /** Whether a majority of the present members knows that this node is none. */
  isDispensable(machine: Machine): boolean {
    const run = this.#run;
    const { index, membership } = run.judge.lastMembership;
    if (membersOf(membership).includes(machine.id)) return false;
    return isQuorum(membership, (id) => {
      const log = run.machineOf(id)?.log.durable;
      return log !== undefined && (log.hardState.commit >= index || log.offset >= index);
    });
  }

  stop(machine: Machine): void {
    this.#run.say(() => `${machine.name} was removed and stops`);
    machine.isRetired = true;
    this.#listener.crashed(machine);
    machine.log.crash(machine.log.pending.length);
    machine.forget();
  }

  /** Makes the state durable now and then, and cuts the log behind the durable state before. */
  #checkpoint(machine: Machine): void {
    const run = this.#run;
    const { checkpointEvery } = run.settings;
    const { state, newest, log } = machine;
    if (checkpointEvery === 0 || state.index < newest.index + checkpointEvery) return;
    // The membership of the state is told by the core, which may still have to.
    if (machine.core!.applied < state.index) return;
    machine.older = newest;
    machine.newest = state;
    const to = Math.min(machine.older.index, log.durable.lastIndex);
    if (to <= log.visible.offset) return;
    log.compact(to);
    run.sometimes.hit("log cut");
    if (machine.core!.role === "leader" && machine.core!.progress.some(isBeingSent)) {
      run.sometimes.hit("snapshot sent while the log was cut");
    }
    if (run.strikes("crash-after-compaction")) this.crash(machine, "after a compaction");
  }

  #sendSnapshot(machine: Machine, to: NodeId, index: number): void {
    const run = this.#run;
    run.sometimes.hit("snapshot sent");
    const { life } = machine;
    const { term } = machine.core!;
    const delay = run.uniform(1, run.settings.snapshotMsMax);
    run.after(delay, () => {
      if (machine.life !== life || machine.core === undefined) return;
      if (machine.state.index < index) {
        this.#sendSnapshot(machine, to, index);
        return;
      }
      const target = run.machineOf(to);
      const ok =
        target?.core !== undefined &&
        target.pausedUntil <= run.now &&
        !run.network.isCut(machine.slot, target.slot) &&
        !run.strikes("snapshot-lost");
      if (ok) this.#deliverSnapshot(machine, target, term);
      this.step(machine, { kind: "snapshot-sent", node: to, ok });
    });
  }

  #deliverSnapshot(machine: Machine, target: Machine, term: number): void {
    const { state, log } = machine;
    const snapshot = {
      index: state.index,
      term: log.term(state.index)!,
      membership: state.membership,
    };
    const message: Message = {
      type: "snapshot",
      from: machine.id,
      to: target.id,
      term,
      snapshot,
    };
    this.step(target, { kind: "message", message });
  }

  /** Starts the node of a machine from its disk. */
  start(machine: Machine): void {
    const run = this.#run;
    if (machine.isUp || machine.isRetired) return;
    machine.life++;
    const { settings } = run;
    const { log, newest } = machine;
    const core = new run.module.Core({
      id: machine.id,
      log,
      hardState: log.durable.hardState,
      applied: newest.index,
      membership: newest.membership,
      electionTicks: settings.electionTicks,
      heartbeatTicks: settings.heartbeatTicks,
      quorumTicks: settings.quorumTicks,
      jitter: () => run.random.u32() / 0x1_0000_0000,
      preVote: settings.preVote,
      checkQuorum: settings.checkQuorum,
      readMode: settings.readMode,
      commitNotice: settings.commitNotice,
      // One clock may be fast and the other slow.
      clockDrift:
        settings.clockDrift === 0 ? 0 : 1 - (1 - settings.clockDrift) / (1 + settings.clockDrift),
      isRecovering: machine.beforeLoss !== undefined,
      inflightMessagesMax: settings.inflightMessagesMax,
      inflightBytesMax: settings.inflightBytesMax,
      messageBytesMax: settings.messageBytesMax,
      uncommittedBytesMax: settings.uncommittedBytesMax,
      applyBytesMax: settings.applyBytesMax,
    });
    machine.core = core;
    run.say(
      () => `${machine.name} starts: term ${core.term}, log ${log.firstIndex}..${log.lastIndex}`,
    );
    run.judge.restarted(machine, core);
    this.#scheduleTick(machine, run.uniform(0, TICK_MS));
  }

  #scheduleTick(machine: Machine, delay: number): void {
    const run = this.#run;
    const { slot, life } = machine;
    run.queue.push(run.now + delay, { kind: "tick", slot, life });
  }

  /** A tick that a pause kept back; the next one is not its matter. */
  missedTick(machine: Machine): void {
    this.step(machine, TICK);
  }

  tick(machine: Machine): void {
    this.#scheduleTick(machine, TICK_MS / machine.clockRate);
    if (this.#run.settings.isBeating) this.step(machine, BEAT);
    this.step(machine, TICK);
    if (machine.beforeLoss !== undefined && machine.core?.isRecovering === false) {
      machine.beforeLoss = undefined;
      this.#run.sometimes.hit("node in doubt recovered");
    }
  }

  /** Power is lost: memory is gone, and of the batches that no sync covered the newest are. */
  crash(machine: Machine, why: string, downMs?: number): void {
    const run = this.#run;
    if (!machine.isUp) return;
    if (machine === this.#current) {
      this.#doom ??= { machine, why, downMs };
      return;
    }
    const pending = machine.log.pending.length;
    const kept = run.random.int(pending + 1);
    run.say(() => `${machine.name} crashes ${why}; keeps ${kept} of ${pending} unsynced batches`);
    if (kept > 0) run.sometimes.hit("unsynced batches kept by a crash");
    if (kept < pending) run.sometimes.hit("unsynced batches lost in a crash");
    run.count(`crash ${why}`);
    const found = machine.log.crash(kept);
    for (const batch of found) run.judge.persisted(machine, batch);
    const wasSnapshot = found.findLast(({ snapshot }) => snapshot !== undefined);
    this.#listener.crashed(machine);
    if (wasSnapshot?.snapshot !== undefined) {
      const { index, membership } = wasSnapshot.snapshot;
      machine.newest = { index, membership };
      machine.older = machine.newest;
    }
    machine.forget();
    const { slot, life } = machine;
    const delay = downMs ?? (run.random.chance(0.5) ? run.uniform(0, 8) : run.uniform(8, 1_000));
    run.queue.push(run.now + delay, { kind: "start", slot, life });
  }
}

function isBeingSent(progress: { readonly state: string }): boolean {
  return progress.state === "snapshot";
}
