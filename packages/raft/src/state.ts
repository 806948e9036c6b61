/** What the core remembers between two events, and the few things that all its modules do with it. */
import type { NodeId } from "@authledger/types";
import type { Action, DropReason, Role } from "./action.js";
import type { Membership } from "./configuration.js";
import { sortedNodes } from "./configuration-change.js";
import { Inflights } from "./inflights.js";
import type { LogReader, SnapshotMeta } from "./log.js";
import type { LogView } from "./log-view.js";
import type { HardState, Message } from "./message.js";
import { Progress } from "./progress.js";

/** Where a node begins, and its settings. */
export interface CoreOptions {
  readonly id: NodeId;
  readonly log: LogReader;
  /** As it was found on the disk; term 0, no vote and commit 0 where nothing is. */
  readonly hardState: HardState;
  /** What the state has applied; the log begins at most one entry behind it. */
  readonly applied: number;
  /** As of `applied`. */
  readonly membership: Membership;
  /** Least election timeout; the real one is drawn from [electionTicks, 2 electionTicks). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** A random number of [0, 1). */
  readonly jitter: () => number;
  /** Asks before it raises the term (dissertation 9.6). Default: true. */
  readonly preVote?: boolean;
  /** A leader that hears from no majority steps down; voters stick to a leader they hear from (dissertation 6.2, 4.2.3). Default: true. */
  readonly checkQuorum?: boolean;
  /**
   * Ticks within which a leader must hear from a majority. Default: electionTicks. Up to twice as many no follower is sure to
   * stand, so a leader loses nothing by waiting for a node whose loop is held, and no read or write is the less safe.
   */
  readonly quorumTicks?: number;
  /** How a leader makes sure that it still is one before it answers a read (dissertation 6.4). Default: "quorum". */
  readonly readMode?: "quorum" | "lease";
  /** With leases: by how much the clocks of two nodes may differ in rate, as a share. Default: 0.1. */
  readonly clockDrift?: number;
  /** Whether the node may have lost what it acknowledged (storage.md). Default: false. */
  readonly isRecovering?: boolean;
  /** A leader that is no voter any more steps down once that is applied. Default: true. */
  readonly stepDownOnRemoval?: boolean;
  /**
   * When a follower hears that more is committed: at once, by a message of its own where nothing else leaves; or at the end
   * of a turn, unless entries or a heartbeat have said so by then. Default: "at-once".
   */
  readonly commitNotice?: "at-once" | "at-turn";
  /** Messages with entries on their way to one follower. Default: 64. */
  readonly inflightMessagesMax?: number;
  /** Bytes of payload on their way to one follower. Default: 8 MiB. */
  readonly inflightBytesMax?: number;
  /** Bytes of payload of one message; one entry may be larger. Default: 1 MiB. */
  readonly messageBytesMax?: number;
  /** Bytes of payload that a leader takes before they are committed. Default: 16 MiB. */
  readonly uncommittedBytesMax?: number;
  /** Entries that may be committed and not applied before a leader takes no more. Default: 5,000. */
  readonly unappliedMax?: number;
  /** Bytes of payload that are handed out for applying at once. Default: 4 MiB. */
  readonly applyBytesMax?: number;
}

export type Settings = Required<
  Omit<CoreOptions, "log" | "hardState" | "applied" | "membership" | "isRecovering">
>;

const MIB = 1024 * 1024;

/** A read that waits: of this node, or of a follower. */
export interface WaitingRead {
  readonly from: NodeId;
  readonly context: number;
  /** It asks how far its log must reach, not for the commit index. */
  readonly isRecovering: boolean;
}

/** Reads that wait for a majority to confirm the leader, all by one round of heartbeats. */
export interface ReadRound {
  readonly round: number;
  readonly commit: number;
  readonly lastIndex: number;
  readonly reads: readonly WaitingRead[];
}

/** Reads of this follower that were sent to the leader. */
export interface AskedReads {
  /** The first request they were part of. An answer to it or a later one is an answer to them. */
  readonly request: number;
  readonly contexts: readonly number[];
  /** Ticks since. */
  age: number;
}

/** What a node knows that may have lost what it acknowledged; see recovery.ts. All of it is of one term. */
export interface Recovery {
  /** The first question to the leader; 0 before it. */
  request: number;
  /** How far the log must reach; undefined before the answer. */
  index: number | undefined;
  /** Up to here the log was compared with the leader's. */
  compared: number;
}

export class State {
  readonly settings: Settings;
  readonly log: LogView;
  term: number;
  vote: NodeId | undefined;
  role: Role = "follower";
  leader: NodeId | undefined;
  membership: Membership;
  readonly progress: Map<NodeId, Progress> = new Map();
  /** The progress of the voters, and of the outgoing ones: so that a turn looks nothing up. */
  voters: Progress[] = [];
  outgoing: Progress[] = [];
  votes: Map<NodeId, boolean> = new Map();
  isRecovering: boolean;
  /** Ticks that this core has seen. */
  now = 0;
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Ticks since the leader was heard from. */
  sinceLeader = 0;
  electionTimeout = 0;
  /** Until this tick the node grants no vote: in its former life it may have promised that to a lease. */
  quietUntil = 0;
  uncommittedBytes = 0;
  /** A configuration entry may be at or below this index and not applied: no other is proposed before. */
  pendingChangeIndex = 0;
  /** The last change of the configuration that the log had when this leader was elected and that was not applied; 0 if none. */
  inheritedChange = 0;
  /** As leader: where its log ended when it was elected. */
  electedAt = 0;
  /** As leader: the same, or where its log ended when it applied the newest change of the voters since. */
  configuredAt = 0;

  transferee: NodeId | undefined;
  transferElapsed = 0;

  /** Reads that no round asks for yet. */
  waitingReads: WaitingRead[] = [];
  readRounds: ReadRound[] = [];
  lastRound = 0;
  /** With leases: when the rounds left that are not confirmed. */
  roundsSent: { readonly round: number; readonly at: number }[] = [];
  /** The last tick of the lease. */
  leaseUntil = -1;
  /** The leader has asked another to start an election that no stickiness stops: no lease any more in this term. */
  isLeaseForfeited = false;

  newReads: number[] = [];
  askedReads: AskedReads[] = [];
  lastRequest: number;
  recovery: Recovery = { request: 0, index: undefined, compared: 0 };

  /** Of the step that runs. */
  out: Action[] = [];
  whenDurable: Message[] = [];
  truncatedFrom: number | undefined;
  /** The first entry of this step. */
  appendedFrom: number | undefined;
  restored: SnapshotMeta | undefined;
  hasVotedForSelf = false;
  /** Term and vote are written though they did not change. */
  mustWriteState = false;

  /** What the owner was told last. */
  told: { term: number; vote: NodeId | undefined; commit: number } = {
    term: 0,
    vote: undefined,
    commit: 0,
  };
  toldRole: { role: Role; term: number; leader: NodeId | undefined };
  lastAppend = 0;
  /** Appends on their way that carry a vote for this node itself. */
  selfVotes: { readonly append: number; readonly term: number }[] = [];

  constructor(settings: Settings, log: LogView, hardState: HardState, membership: Membership) {
    this.settings = settings;
    this.log = log;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membership = membership;
    this.isRecovering = false;
    // A request of a former life must never be answered as one of this life (museum row 18).
    this.lastRequest = Math.floor(settings.jitter() * 2 ** 31) * 2 ** 20;
    this.told = { term: hardState.term, vote: hardState.vote, commit: log.commit };
    this.toldRole = { role: "follower", term: hardState.term, leader: undefined };
  }

  get id(): NodeId {
    return this.settings.id;
  }

  /** May vote and be voted for, as far as this node knows. */
  get isVoter(): boolean {
    return isVoterOf(this.membership, this.id);
  }

  /** Its own word is a majority. */
  get isAlone(): boolean {
    const { voters, outgoing } = this.membership;
    return voters.length === 1 && outgoing.length === 0 && voters[0] === this.id;
  }

  get hasCommittedInTerm(): boolean {
    return this.log.term(this.log.commit) === this.term;
  }
}

export function settingsOf(options: CoreOptions): Settings {
  return {
    id: options.id,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    jitter: options.jitter,
    preVote: options.preVote ?? true,
    checkQuorum: options.checkQuorum ?? true,
    quorumTicks: options.quorumTicks ?? options.electionTicks,
    readMode: options.readMode ?? "quorum",
    clockDrift: options.clockDrift ?? 0.1,
    stepDownOnRemoval: options.stepDownOnRemoval ?? true,
    commitNotice: options.commitNotice ?? "at-once",
    inflightMessagesMax: options.inflightMessagesMax ?? 64,
    inflightBytesMax: options.inflightBytesMax ?? 8 * MIB,
    messageBytesMax: options.messageBytesMax ?? MIB,
    uncommittedBytesMax: options.uncommittedBytesMax ?? 16 * MIB,
    unappliedMax: options.unappliedMax ?? 5_000,
    applyBytesMax: options.applyBytesMax ?? 4 * MIB,
  };
}

export function isVoterOf(membership: Membership, node: NodeId): boolean {
  return membership.voters.includes(node) || membership.outgoing.includes(node);
}

export function isMemberOf(membership: Membership, node: NodeId): boolean {
  return isVoterOf(membership, node) || membership.learners.includes(node);
}

/** Leaves now. */
export function send(s: State, message: Message): void {
  s.out.push({ kind: "send", message });
}

/** Leaves when everything of this step and before it is durable: what a vote or an acknowledgment promises. */
export function sendDurably(s: State, message: Message): void {
  s.whenDurable.push(message);
}

export function drop(s: State, proposal: number, why: DropReason): void {
  s.out.push({ kind: "dropped", proposal, why });
}

/** Makes the progress of all members follow from the membership, by id. What is known of those who stay is kept. */
export function reconcileProgress(s: State): void {
  const { voters, outgoing, learners } = s.membership;
  const known = new Map(s.progress);
  s.progress.clear();
  for (const id of sortedNodes(new Set([...voters, ...outgoing, ...learners]))) {
    const progress = known.get(id) ?? newProgress(s, id);
    progress.isLearner = learners.includes(id);
    s.progress.set(id, progress);
  }
  linkVoters(s);
}

function newProgress(s: State, id: NodeId): Progress {
  const { inflightMessagesMax, inflightBytesMax } = s.settings;
  const next = Math.max(s.log.lastIndex, 1);
  const progress = new Progress(id, next, new Inflights(inflightMessagesMax, inflightBytesMax));
  // It had no time to be heard from: it must not make the leader step down.
  progress.isActive = true;
  return progress;
}

/** Looks the voters' progress up once. */
function linkVoters(s: State): void {
  s.voters = s.membership.voters.map((id) => s.progress.get(id)!);
  s.outgoing = s.membership.outgoing.map((id) => s.progress.get(id)!);
}

/** A copy that shares nothing that changes. */
export function cloneState(s: State, reader: LogReader, jitter: () => number): State {
  const hardState = { term: s.term, vote: s.vote, commit: s.log.commit };
  const copy = new State({ ...s.settings, jitter }, s.log.clone(reader), hardState, s.membership);
  const { progress, settings, log, ...rest } = s;
  Object.assign(copy, rest);
  for (const [id, known] of progress) copy.progress.set(id, known.clone());
  linkVoters(copy);
  copy.votes = new Map(s.votes);
  copy.waitingReads = s.waitingReads.slice();
  copy.readRounds = s.readRounds.slice();
  copy.roundsSent = s.roundsSent.slice();
  copy.newReads = s.newReads.slice();
  copy.askedReads = s.askedReads.map((asked) => ({ ...asked }));
  copy.selfVotes = s.selfVotes.slice();
  copy.told = { ...s.told };
  copy.recovery = { ...s.recovery };
  copy.out = [];
  copy.whenDurable = [];
  return copy;
}
