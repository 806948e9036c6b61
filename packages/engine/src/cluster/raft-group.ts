/**
 * A Raft group on this node: tells the core what happens, and does what the core says, in order (raft.md, "One turn of
 * the engine loop").
 *
 *   INV-GROUP-2  A proposal is answered only after its entry is committed and applied.
 *
 * What happens is handled where it happens, without waiting for the end of a turn: messages leave before the sync of
 * what they tell, which runs beside the replication (of a single voter behind it: `sync-first.ts`), and what a sync has made
 * durable is applied in the same step. Beside it: `log-writer.ts`, `applier.ts`, `pending-entries.ts`, `read-gate.ts`.
 */
import type { Clock, Timers } from "@authledger/io";
import {
  type Action,
  applyChange,
  type ConfigurationChange,
  Core,
  type Entry,
  type Event,
  type Membership,
  type Message,
  type ProgressStatus,
  type Role,
  type SnapshotMeta,
} from "@authledger/raft";
import type { AppliedBlock, GroupState, Outcome } from "@authledger/state";
import { assert, equalBytes, type GroupId, LedgerError, type NodeId } from "@authledger/types";
import type { GroupLog, Wal, WalRecord } from "@authledger/wal";
import { stoppedBy } from "../stopped.js";
import { Applier } from "./applier.js";
import {
  APPLY_SLICE_MS,
  COMMIT_NOTICE_MS,
  COMMIT_WAIT_MS,
  FULL_RETRY_MS,
  TICK_MS,
} from "./cluster-limits.js";
import { CoreLog } from "./core-log.js";
import { dropError } from "./drop-error.js";
import type { EntryTraces } from "./entry-traces.js";
import {
  decodeConfiguration,
  encodeConfiguration,
  encodeMembership,
  type GroupConfiguration,
  nextConfiguration,
  nodesOf,
} from "./group-configuration.js";
import { type AppendAction, LogWriter } from "./log-writer.js";
import { decodeMemberInfos } from "./member-info.js";
import { notLeadingError } from "./not-leading.js";
import { type EntryOwner, PendingEntries, unknownCommit } from "./pending-entries.js";
import { ReadGate } from "./read-gate.js";
import type { SnapshotHooks } from "./snapshot-hooks.js";
import { SyncFirst } from "./sync-first.js";

/** How the core is set up beside what the disk says. */
export interface CoreSettings {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly quorumTicks: number;
  readonly readMode: "quorum" | "lease";
  /** A random number of [0, 1). */
  readonly jitter: () => number;
}

export interface RaftGroupDeps {
  readonly wal: Wal;
  readonly state: GroupState;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Follows entries with traced writes. */
  readonly traces?: EntryTraces | undefined;
  /** Who belongs to the group as of what the state has applied. */
  readonly configuration: GroupConfiguration;
  /** The disk says that others may vote beside this node, whatever the configuration says (INV-GROUP-8). */
  readonly hasPeers: boolean;
  /** Hands a message over; it may be lost. */
  readonly send: (message: Message) => void;
  /** Told the blocks of each entry that was applied since the group is open. */
  readonly onBlocks: (index: number, blocks: readonly AppliedBlock[]) => void;
  /** Told after each entry that was applied. */
  readonly onApplied: () => void;
  /** Waits until the page store can take what a long log holds; undefined: it can. */
  readonly room: () => Promise<void> | undefined;
  /** The role, the term or the leader is another one. */
  readonly onRole: () => void;
  /** The configuration is another one; it is in the state. */
  readonly onConfiguration: () => void;
  readonly onTransferFailed: (to: NodeId) => void;
  readonly snapshots: SnapshotHooks;
  /** The node cannot go on. */
  readonly onFatal: (error: LedgerError) => void;
}

/** What an entry did. */
export type EntryResult = readonly Outcome[];

export class RaftGroup {
  readonly reads: ReadGate;
  readonly #id: GroupId;
  readonly #node: NodeId;
  readonly #deps: RaftGroupDeps;
  readonly #settings: CoreSettings;
  readonly #log: GroupLog;
  readonly #coreLog: CoreLog;
  readonly #writer: LogWriter;
  readonly #applier: Applier;
  readonly #pending = new PendingEntries<EntryResult>();
  readonly #sending: SyncFirst;
  #core: Core;
  #configuration: GroupConfiguration;
  readonly #events: Event[] = [];
  #isPumping = false;
  #isApplying = false;
  /** The state is being replaced, or will be: nothing is applied. */
  #isHeld = false;
  #isTurnEnding = false;
  /** The newest commit that the others were told of, or soon will be. */
  #noticedCommit = 0;
  #cancelNotice: (() => void) | undefined;
  /** Entries were given to the log in this step, which has not begun to write them. */
  #hasAppended = false;
  /** With leases: the time that the core knows of, in ticks of the monotonic clock. */
  #tickedAt: number | undefined;
  /** When heartbeats left last, on the monotonic clock. */
  #beatAtMs = 0;
  #hasWaited = false;
  #isReconfigured = false;
  #failure: LedgerError | undefined;
  #cause: unknown;
  /** The log has no room: nothing is tried for a while. */
  #full: LedgerError | undefined;
  /** Room is looked for in this very moment. */
  #isRetrying = false;
  #cancelRetry: (() => void) | undefined;
  /** One for each loss of the leadership that somebody waits for the end of. */
  readonly #cancelGiveUps = new Set<() => void>();
  #wasLeading = false;
  /** An entry of this leader's own term is applied: the state is what all leaders before have left. */
  #isReady = false;
  #hasLocalReads = false;
  #idlers: (() => void)[] = [];

  constructor(id: GroupId, node: NodeId, settings: CoreSettings, deps: RaftGroupDeps) {
    this.#id = id;
    this.#node = node;
    this.#settings = settings;
    this.#deps = deps;
    this.#log = deps.wal.group(id)!;
    this.#coreLog = new CoreLog(this.#log);
    this.#configuration = deps.configuration;
    const { clock, timers, state, traces, wal } = deps;
    const sendable = (): number => (this.isAlone ? this.#core.durable : Number.POSITIVE_INFINITY);
    this.#sending = new SyncFirst(deps.send, sendable);
    this.#writer = new LogWriter(id, {
      wal,
      onDurable: (action) => this.#durable(action),
      onRefused: (error) => this.#pauseWithoutRoom(error),
      install: (snapshot) => this.#install(snapshot),
      onInstalled: () => deps.snapshots.installed(),
      onFatal: (error) => this.#die(error),
    });
    this.#applier = new Applier({
      state,
      clock,
      traces,
      log: this.#coreLog,
      configurationAfter: (index, change) => this.#configurationAfter(index, change),
      onApplied: (entry, outcomes, blocks) => this.#onApplied(entry, outcomes, blocks),
    });
    this.reads = new ReadGate({
      clock,
      timers,
      appliedIndex: () => state.applied.index,
      ask: (context) => {
        this.#passTime();
        this.#handle({ kind: "read", context }, { kind: "turn" });
      },
      noLeader: () => this.notLeading(),
    });
    this.#core = this.#newCore();
  }

  get role(): Role {
    return this.#full === undefined ? this.#core.role : "follower";
  }

  get term(): number {
    return this.#core.term;
  }

  get leader(): NodeId | undefined {
    return this.#full === undefined ? this.#core.leader : undefined;
  }

  get commitIndex(): number {
    return this.#core.commit;
  }

  get lastIndex(): number {
    return this.#core.lastIndex;
  }

  get isRecovering(): boolean {
    return this.#core.isRecovering;
  }

  get progress(): ProgressStatus[] {
    return this.#core.progress;
  }

  get configuration(): GroupConfiguration {
    return this.#configuration;
  }

  /** Entries that somebody waits for. */
  get pending(): number {
    return this.#pending.size;
  }

  /** What it met that stopped it, as it was thrown. */
  get cause(): unknown {
    return this.#cause;
  }

  /** This node is the only voter: nobody else can commit anything. */
  get isAlone(): boolean {
    const { membership } = this.#full === undefined ? this.#core : this.#configuration;
    const { voters, outgoing } = membership;
    return voters.length === 1 && outgoing.length === 0 && voters[0] === this.#node;
  }

  /** This node leads, and its state is what all leaders before have left: it may propose. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** A change of the configuration waits to be applied. A leader that is ready has applied all that it did not propose itself. */
  get isChanging(): boolean {
    return this.#coreLog.newestChange > this.#deps.state.applied.index;
  }

  /** The state here is what was acknowledged last: a read needs nobody's word. */
  get hasLocalReads(): boolean {
    return this.#hasLocalReads;
  }

  /** May writes be proposed? "soon": they may wait for it. */
  get writeState(): "open" | "soon" | LedgerError {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#full !== undefined) return this.#isRetrying && this.isAlone ? "soon" : this.#full;
    if (this.#isReady && this.#core.transferee === undefined) return "open";
    if (this.#core.role === "leader") return "soon";
    return this.isAlone && !this.isRecovering ? "soon" : this.notLeading();
  }

  /** Why this node does not do what only a leader does. */
  notLeading(): LedgerError {
    if (this.#failure !== undefined) return this.#failure;
    const leader = this.leader === this.#node ? undefined : this.leader;
    return notLeadingError(leader, this.#configuration.members);
  }

  /**
   * This node does not vote, and nothing in its log may have given it a vote. Of a node that may have lost the end of its log
   * that is not known.
   */
  get isBystander(): boolean {
    const { membership, applied, commit } = this.#core;
    if (this.isRecovering || this.#full !== undefined || applied < commit) return false;
    const isVoter = [...membership.voters, ...membership.outgoing].includes(this.#node);
    return !isVoter && this.#coreLog.nextChange(commit + 1) === undefined;
  }

  /**
   * Applies what is known to be committed; a single voter then becomes the leader, and everything in its log is applied.
   * One that may have lost the end of its log while others came to vote beside it does not lead: they do, or tell that they
   * do not vote (voter-inquiry.ts).
   * @throws LedgerError what stopped it
   */
  async open(): Promise<void> {
    this.#handle({ kind: "turn" });
    await this.idle();
    if (this.isRecovering) {
      await this.#takeOwn();
      // Whoever votes was a learner before, in an entry that was applied: who is no member has no vote.
      const hasPeers = this.#deps.hasPeers && nodesOf(this.#configuration.membership).length > 1;
      if (this.isAlone && !hasPeers) await this.endDoubt();
    }
    if (this.isAlone && !this.isRecovering) await this.#leadAlone();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nobody can have counted on what this node may have lost. @throws LedgerError DISK_FULL, and the doubt goes on */
  async endDoubt(): Promise<void> {
    await this.#deps.wal.append([{ kind: "recovered" }]);
    this.#handle({ kind: "recovering", isRecovering: false });
  }

  /** What the only voter has on its disk is committed, up to the change by which others vote. */
  async #takeOwn(): Promise<void> {
    while (this.isAlone && this.#failure === undefined && this.commitIndex < this.lastIndex) {
      this.#core = this.#newCore(this.#coreLog.nextChange(this.commitIndex + 1) ?? this.lastIndex);
      this.#handle({ kind: "turn" });
      await this.idle();
    }
  }

  /** A node that waited for a group becomes the only voter of a new one. @throws LedgerError what stopped it */
  async begin(): Promise<void> {
    const { membership, members } = this.#configuration;
    assert(nodesOf(membership).length === 0 && this.lastIndex === 0, "the node has no group yet");
    if (this.isRecovering) await this.endDoubt();
    this.#configuration = { membership: { ...membership, voters: [this.#node] }, members };
    this.#core = this.#newCore();
    await this.#leadAlone();
  }

  async #leadAlone(): Promise<void> {
    this.#handle({ kind: "campaign" });
    for (let before = ""; !this.#isReady; ) {
      await this.idle();
      const failure = this.#failure ?? this.#full;
      if (failure !== undefined) throw failure;
      const { role, term, commit, applied } = this.#core;
      const now = `${role} ${term} ${commit} ${applied}`;
      assert(this.#isReady || now !== before, "the only voter comes to lead", { now });
      before = now;
    }
  }

  /**
   * One unit of the core's time, once in a turn of the loop, so that a loop that was held does not take its own sleep for the
   * leader's. The others must not suffer from it either: a leader's heartbeats go by the clock.
   */
  tick(): void {
    if (this.#mustBeat(-TICK_MS)) this.#handle({ kind: "beat" });
    // A leader of before may have refused them when the next one was known already.
    if (this.#core.leader !== undefined) this.reads.retry();
    if (this.#settings.readMode === "quorum") this.#handle({ kind: "tick" });
    else this.#passTime();
  }

  /**
   * A lease ends when its time is over, also where the process stood still meanwhile: what has passed is told before a read
   * asks for it (museum row 16). Without leases a node that stood still had better not know: it would call an election.
   */
  #passTime(): void {
    if (this.#settings.readMode === "quorum") return;
    const now = Math.floor(this.#deps.clock.monotonicMs() / TICK_MS);
    const ticks = Math.min(now - (this.#tickedAt ?? now - 1), 4 * this.#settings.electionTicks);
    this.#tickedAt = now;
    for (let i = 0; i < ticks; i++) this.#handle({ kind: "tick" });
  }

  /** A message of another node. */
  receive(message: Message): void {
    if (message.type === "read") this.#passTime();
    this.#handle({ kind: "message", message });
    if (message.type === "read") this.#endTurnSoon();
  }

  unreachable(node: NodeId): void {
    this.#handle({ kind: "unreachable", node });
  }

  /** A follower has got the state that `send-snapshot` asked for, or has not. */
  snapshotSent(node: NodeId, ok: boolean): void {
    this.#handle({ kind: "snapshot-sent", node, ok });
  }

  /** Gives the leadership away; writes wait meanwhile. */
  transfer(to: NodeId): void {
    this.#handle({ kind: "transfer", to });
    this.#deps.onRole();
  }

  /** Appends an entry; its owner is told what becomes of it. */
  propose(payload: Uint8Array, owner: EntryOwner<EntryResult>): void {
    const proposal = this.#pending.ask(owner);
    this.#handle({ kind: "propose", proposal, payloads: [payload] });
    this.#refuseUnasked(proposal);
  }

  /** Proposes another membership; its owner is told when it is in force here. */
  proposeChange(change: ConfigurationChange, owner: EntryOwner<EntryResult>): void {
    const proposal = this.#pending.ask(owner);
    this.#handle({ kind: "propose-change", proposal, change });
    this.#refuseUnasked(proposal);
  }

  /** Resolves when everything that is committed is applied and everything appended is durable, or the group has stopped. */
  async idle(): Promise<void> {
    while (this.#failure === undefined && (this.#writer.inFlight > 0 || this.#isBehind)) {
      await this.#writer.idle();
      if (this.#isBehind) await new Promise<void>((resolve) => this.#idlers.push(resolve));
    }
  }

  /** Nothing happens any more; everybody who waits is told. */
  stop(error: LedgerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#cancelRetry?.();
    for (const cancel of this.#cancelGiveUps) cancel();
    this.#cancelNotice?.();
    this.#events.length = 0;
    this.#isReady = false;
    this.#hasLocalReads = false;
    this.#pending.giveUp(this.#pending.all(), error);
    this.reads.stop(error);
    this.#wakeIdlers();
  }

  get #isBehind(): boolean {
    return this.#applier.isBehind && this.#failure === undefined;
  }

  /** @param committed known to be, beside what the log and the state say */
  #newCore(committed = 0): Core {
    const { wal, state } = this.#deps;
    const { hardState, commitHint } = this.#log;
    const { membership } = this.#configuration;
    return new Core({
      ...this.#settings,
      id: this.#node,
      commitNotice: "at-turn",
      log: this.#coreLog,
      hardState: { ...hardState, commit: Math.max(commitHint, state.applied.index, committed) },
      applied: state.applied.index,
      membership,
      // Also where this configuration has one voter: it is not the newest one, and may be of one voter that is not this node.
      isRecovering: wal.doubtLsn !== 0,
    });
  }

  #handle(...events: Event[]): void {
    if (this.#failure !== undefined || this.#full !== undefined) {
      for (const event of events) {
        if (event.kind === "read") this.reads.dropped(event.context);
      }
      return;
    }
    this.#events.push(...events);
    this.#pump();
  }

  /** One event after the other; then committed entries, a slice of them. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#hasAppended = false;
    try {
      do {
        for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
          this.#step(event);
        }
      } while (this.#applySlice());
    } catch (error) {
      this.#die(error);
    } finally {
      this.#isPumping = false;
    }
    if (!this.#applier.isBehind) this.#wakeIdlers();
  }

  #step(event: Event): void {
    if (this.#full !== undefined) return;
    const actions: Action[] = [];
    this.#core.step(event, actions);
    for (const action of actions) this.#execute(action);
    this.#sending.release();
    if (this.#core.commit !== this.#noticedCommit) this.#noticeLater();
  }

  /** The others hear of the commit by the next entries; if there are none until then, by a message of its own. */
  #noticeLater(): void {
    this.#noticedCommit = this.#core.commit;
    if (this.#core.role !== "leader" || this.#cancelNotice !== undefined || this.isAlone) return;
    this.#cancelNotice = this.#deps.timers.after(COMMIT_NOTICE_MS, () => {
      this.#cancelNotice = undefined;
      this.#handle({ kind: "turn" });
    });
  }

  #execute(action: Action): void {
    switch (action.kind) {
      case "append":
        if (action.truncateFrom !== undefined) this.#coreLog.truncate(action.truncateFrom);
        this.#coreLog.note(action.entries);
        this.#hasAppended ||= action.entries.length > 0;
        this.#deps.traces?.appended(action.entries);
        // What the core knows is of the received state from now on.
        this.#isHeld ||= action.snapshot !== undefined;
        this.#writer.append(action);
        return;
      case "send":
        if (action.message.type === "heartbeat") this.#beatAtMs = this.#deps.clock.monotonicMs();
        this.#sending.send(action.message);
        return;
      case "apply":
        this.#applier.commit(action.to);
        this.#deps.traces?.committed(action.to);
        this.#deps.wal.hintCommit(this.#id, action.to);
        return;
      case "proposed":
        this.#pending.placed(action.proposal, action.index, action.term);
        return;
      case "dropped": {
        const error = dropError(action.why, () => this.notLeading());
        this.#pending.refused(action.proposal, error);
        return;
      }
      case "read-ready":
        this.reads.ready(action.context, action.index);
        return;
      case "read-dropped":
        this.reads.dropped(action.context);
        return;
      case "send-snapshot":
        this.#deps.snapshots.send(action.to, this.#usefulState(action.index));
        return;
      case "membership":
        return;
      case "role":
        this.#noteRole();
        return;
      case "recovered":
        this.#writer.endDoubt();
        return;
      case "transfer-failed":
        this.#deps.onTransferFailed(action.to);
        this.#deps.onRole();
        return;
    }
  }

  #durable(action: AppendAction): void {
    if (this.#full !== undefined || this.#failure !== undefined) return;
    this.#deps.traces?.durable(action.entries);
    for (const message of action.whenDurable) this.#deps.send(message);
    this.#handle({ kind: "durable", append: action.append });
  }

  /** Was anything applied? */
  #applySlice(): boolean {
    if (this.#isApplying || this.#isHeld || this.#failure !== undefined) return false;
    if (!this.#applier.isBehind) return false;
    if (this.#hasAppended) {
      // The sync goes first: what is applied meanwhile costs nobody time.
      this.#applyAfter(this.#deps.timers.yield());
      return false;
    }
    const ready = this.#hasWaited ? undefined : (this.#deps.room() ?? this.#beforeHeavy());
    this.#hasWaited = ready !== undefined;
    if (ready !== undefined) {
      this.#applyAfter(ready);
      return false;
    }
    const index = this.#applier.slice();
    this.#events.push({ kind: "applied", index });
    this.#noteReady();
    this.reads.applied(index);
    // One long slice in a turn, also where the messages of one frame each commit an entry.
    const isLong = this.#applier.sliceMs >= APPLY_SLICE_MS;
    if (this.#applier.isBehind || isLong) this.#applyAfter(this.#deps.timers.yield());
    return true;
  }

  /** A large entry holds the loop: what others wait for leaves first, and what has arrived is heard. */
  #beforeHeavy(): Promise<void> | undefined {
    if (!this.#applier.isNextHeavy) return undefined;
    if (this.#mustBeat(this.#applier.sliceMs)) this.#step({ kind: "beat" });
    const { timers } = this.#deps;
    // Frames are handed over at the end of this turn, and are written at the end of the next at the latest.
    return timers.yield().then(() => timers.yield());
  }

  /** Would this leader's heartbeats be late in so many milliseconds? */
  #mustBeat(inMs: number): boolean {
    if (this.#core.role !== "leader" || this.isAlone) return false;
    const sinceMs = this.#deps.clock.monotonicMs() - this.#beatAtMs;
    return sinceMs + inMs >= this.#settings.heartbeatTicks * TICK_MS;
  }

  #applyAfter(ready: Promise<void>): void {
    this.#isApplying = true;
    const goOn = (): void => {
      this.#isApplying = false;
      this.#pump();
    };
    ready.then(goOn, (error: unknown) => this.#die(error));
  }

  /**
   * The configuration after a change that is being applied, as the state keeps it. It follows from the one before, not from
   * the core: that takes nothing while the group is paused, and the next one begins with what is noted here.
   */
  #configurationAfter(index: number, change: ConfigurationChange): Uint8Array {
    const { membership: before } = this.#configuration;
    const membership = applyChange(before, change).membership ?? before;
    this.#step({ kind: "apply-change", index, change });
    const isTaken = this.#full !== undefined || isSame(this.#core.membership, membership);
    assert(isTaken, "the core counts by the configuration that the state has", { index });
    const told = change.context.length > 0 ? decodeMemberInfos(change.context) : [];
    this.#configuration = nextConfiguration(this.#configuration, membership, told);
    this.#isReconfigured = true;
    return encodeConfiguration(this.#configuration);
  }

  #onApplied(entry: Entry, outcomes: EntryResult, blocks: readonly AppliedBlock[]): void {
    this.#deps.onBlocks(entry.index, blocks);
    this.#pending.applied(entry.index, entry.term, outcomes, () => this.#overwritten());
    if (this.#isReconfigured) {
      this.#isReconfigured = false;
      this.#noteReads();
      this.#deps.onConfiguration();
    }
    this.#deps.onApplied();
  }

  /** A node takes no state that does not know it as a member, so one from before it was added would be sent for ever. */
  #usefulState(index: number): number {
    return Math.max(index, this.#deps.state.applied.configIndex);
  }

  #overwritten(): LedgerError {
    const error = this.notLeading();
    return error.code === "NOT_LEADER" || error.code === "NO_LEADER"
      ? error
      : new LedgerError("NO_LEADER", "another leader has put another entry in its place");
  }

  /** A received state takes the place of everything before its index. */
  async #install(snapshot: SnapshotMeta): Promise<readonly WalRecord[]> {
    this.#isHeld = true;
    const { snapshots } = this.#deps;
    const membership = encodeMembership(snapshot.membership);
    const record = await snapshots.install(snapshot, membership);
    const { state } = this.#deps;
    assert(state.applied.index === snapshot.index, "the state is the one that was installed", {
      applied: state.applied.index,
      index: snapshot.index,
    });
    this.#isHeld = false;
    this.#coreLog.clear();
    this.#applier.reset();
    this.#pending.skipped(snapshot.index);
    this.#configuration = configurationOf(state, snapshot.membership);
    this.#noteReads();
    this.#deps.onConfiguration();
    this.reads.applied(snapshot.index);
    return [record];
  }

  #noteRole(): void {
    const isLeading = this.#core.role === "leader";
    if (!isLeading) this.#isReady = false;
    if (!isLeading) this.#sending.clear();
    if (this.#wasLeading && !isLeading && this.#pending.size > 0) this.#giveUpLater();
    this.#wasLeading = isLeading;
    this.#noteReady();
    this.#deps.onRole();
    if (this.#core.leader !== undefined) this.reads.retry();
  }

  #noteReady(): void {
    const isReady =
      this.#core.role === "leader" && this.#deps.state.applied.term === this.#core.term;
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    this.#noteReads();
    if (isReady) this.#deps.onRole();
  }

  #noteReads(): void {
    this.#hasLocalReads = this.#isReady && this.isAlone;
  }

  /** Those who wait learn what became of their entries from the next leader; after a while nobody here may ever. */
  #giveUpLater(): void {
    const owners = this.#pending.all();
    const cancel = this.#deps.timers.after(COMMIT_WAIT_MS, () => {
      this.#cancelGiveUps.delete(cancel);
      this.#pending.giveUp(owners, unknownCommit());
    });
    this.#cancelGiveUps.add(cancel);
  }

  /**
   * The log has no room: what it did not take is as lost as in a crash, so the core begins anew from what is durable, when it
   * may have room again. Reads of a single voter go on meanwhile: nobody else can change what it has.
   */
  #pauseWithoutRoom(error: LedgerError): void {
    if (this.#full !== undefined || this.#failure !== undefined) return;
    this.#full = error;
    this.#writer.forget();
    this.#events.length = 0;
    this.#isReady = false;
    this.#pending.giveUp(this.#pending.all(), error);
    this.#deps.onRole();
    this.#cancelRetry = this.#deps.timers.after(FULL_RETRY_MS, () => {
      this.#isRetrying = true;
      this.#deps.onRole();
      this.#beginAnew().catch((thrown: unknown) => this.#die(thrown));
    });
  }

  /**
   * Puts another state in the place of this group's own, under the log as it is: the core begins anew from it, as after
   * a crash, and what follows in the log is applied again.
   * @param fits asked when nothing is on its way to the log any more: what was may have been refused
   * @returns false: nothing was replaced, since the log has no room, does not fit, or the group has stopped
   * @throws what `replace` throws: DISK_FULL, and the group goes on with the state that it has; of any other the node must stop
   */
  async restate(fits: () => boolean, replace: () => Promise<void>): Promise<boolean> {
    if (this.#full !== undefined || this.#failure !== undefined) return false;
    this.#full = new LedgerError("NOT_READY", "this node's state is being replaced");
    this.reads.forgetAge();
    this.#writer.forget();
    this.#events.length = 0;
    this.#isReady = false;
    this.#noteReads();
    this.#pending.giveUp(this.#pending.all(), unknownCommit());
    this.#deps.onRole();
    await this.#writer.idle();
    if (this.#failure !== undefined || !fits()) {
      await this.#beginAnew();
      return false;
    }
    this.#isHeld = true;
    try {
      await replace();
    } catch (error) {
      // A disk without room for another state leaves the one that is there, as does a state that the log has left behind.
      const { code } = LedgerError.from(error);
      if (code === "DISK_FULL" || code === "NOT_READY") await this.#beginAnew();
      throw error;
    }
    this.#isHeld = false;
    if (this.#failure !== undefined) return true;
    this.#configuration = configurationOf(this.#deps.state, this.#configuration.membership);
    await this.#beginAnew();
    this.#deps.onConfiguration();
    return true;
  }

  async #beginAnew(): Promise<void> {
    await this.#writer.idle();
    if (this.#failure !== undefined) return;
    this.#isHeld = false;
    this.#coreLog.clear();
    // The new core hands out again what it knows to be committed.
    this.#applier.reset();
    this.#sending.clear();
    this.#core = this.#newCore();
    this.#full = undefined;
    this.#isRetrying = false;
    this.reads.dropAll();
    this.#handle({ kind: this.isAlone ? "campaign" : "turn" });
    this.#deps.onRole();
  }

  #refuseUnasked(proposal: number): void {
    const error = this.#failure ?? this.#full;
    if (error !== undefined) this.#pending.refused(proposal, error);
  }

  #endTurnSoon(): void {
    if (this.#isTurnEnding) return;
    this.#isTurnEnding = true;
    void this.#deps.timers.yield().then(() => {
      this.#isTurnEnding = false;
      this.#handle({ kind: "turn" });
    });
  }

  #wakeIdlers(): void {
    for (const wake of this.#idlers.splice(0)) wake();
  }

  /** INV-GROUP-3. An entry that is in the log may be found applied after a restart. */
  #die(thrown: unknown): void {
    if (this.#failure !== undefined) return;
    this.#cause = thrown;
    const error = LedgerError.from(thrown);
    this.#deps.onFatal(error);
    this.stop(stoppedBy(error));
  }
}

/** What the state says, else the membership alone. */
function configurationOf(state: GroupState, membership: Membership): GroupConfiguration {
  const bytes = state.configuration;
  return bytes === undefined ? { membership, members: [] } : decodeConfiguration(bytes);
}

function isSame(a: Membership, b: Membership): boolean {
  return equalBytes(encodeMembership(a), encodeMembership(b));
}
