/**
 * Consensus of one group as a pure state machine: `step` takes what happened and adds to `actions` what is to be done,
 * in order. It knows neither clock, disk nor network; equal events on equal cores give equal actions.
 *
 * The semantics are those of the Raft paper and dissertation in the form that etcd gave them. A broken invariant throws
 * `AssertionError`: the node must not go on.
 */
import { assert, assertNever, type NodeId } from "@authledger/types";
import type { Action, Role } from "./action.js";
import type { Membership } from "./configuration.js";
import {
  campaign,
  campaignAsConfigured,
  countVote,
  receiveVote,
  receiveVoteRequest,
  refuseVote,
  sticksToLeader,
} from "./election.js";
import type { Event } from "./event.js";
import { fingerprint } from "./fingerprint.js";
import { receiveAppend, receiveHeartbeat } from "./follower.js";
import { checkInvariants, type Held } from "./invariants.js";
import {
  receiveAppendResponse,
  receiveHeartbeatResponse,
  receiveOwnDurable,
  receiveSnapshotSent,
  receiveUnreachable,
} from "./leader.js";
import type { LogReader } from "./log.js";
import { LogView } from "./log-view.js";
import { applyEntry, leaveWhenDue, proposeChange } from "./membership.js";
import type { Message } from "./message.js";
import { finishStep } from "./output.js";
import { type ProgressStatus, statusOf } from "./progress.js";
import { takeProposal } from "./proposals.js";
import { beginRead, endTurn, hasLease, receiveRead, receiveReadResponse } from "./reads.js";
import { endRecovery, receiveRecoveryIndex } from "./recovery.js";
import { tellCommit } from "./replication.js";
import { becomeFollower, drawElectionTimeout } from "./roles.js";
import { receiveSnapshot } from "./snapshots.js";
import {
  type CoreOptions,
  cloneState,
  isVoterOf,
  reconcileProgress,
  State,
  send,
  sendDurably,
  settingsOf,
} from "./state.js";
import { beatNow, tick } from "./ticks.js";
import { beginTransfer } from "./transfer.js";

export class Core {
  readonly #state: State;
  readonly #held: Held;

  constructor(options: CoreOptions | State) {
    const s = options instanceof State ? options : begin(options);
    this.#state = s;
    this.#held = { term: s.term, vote: s.vote, commit: s.log.commit, applied: s.log.applied };
  }

  /** Takes one event. What follows from it is added to `actions`. */
  step(event: Event, actions: Action[]): void {
    const s = this.#state;
    s.out = actions;
    dispatch(s, event);
    endRecovery(s);
    finishStep(s);
    checkInvariants(s, this.#held);
  }

  /**
   * An independent copy over `log`, which holds what this core's log holds: for searches over what may happen next.
   * `jitter` takes the place of this core's.
   */
  clone(log: LogReader, jitter: () => number): Core {
    return new Core(cloneState(this.#state, log, jitter));
  }

  /** Equal for cores that will behave alike; for searches that want to know whether they have been here. */
  fingerprint(): string {
    return fingerprint(this.#state);
  }

  get id(): NodeId {
    return this.#state.id;
  }

  get term(): number {
    return this.#state.term;
  }

  get vote(): NodeId | undefined {
    return this.#state.vote;
  }

  get role(): Role {
    return this.#state.role;
  }

  /** The leader of this term, where it is known. */
  get leader(): NodeId | undefined {
    return this.#state.leader;
  }

  get commit(): number {
    return this.#state.log.commit;
  }

  get applied(): number {
    return this.#state.log.applied;
  }

  get firstIndex(): number {
    return this.#state.log.firstIndex;
  }

  get lastIndex(): number {
    return this.#state.log.lastIndex;
  }

  get lastTerm(): number {
    return this.#state.log.lastTerm;
  }

  /** Everything up to here is on this node's disk. */
  get durable(): number {
    return this.#state.log.durable;
  }

  get membership(): Membership {
    return this.#state.membership;
  }

  get isRecovering(): boolean {
    return this.#state.isRecovering;
  }

  /** Whom the leadership is being given to. */
  get transferee(): NodeId | undefined {
    return this.#state.transferee;
  }

  /** Whether this leader may answer reads by its lease; asked again immediately before a reply leaves. */
  get hasLease(): boolean {
    return hasLease(this.#state);
  }

  /** The term of an entry, or undefined where the log does not know it. */
  termOf(index: number): number | undefined {
    return this.#state.log.term(index);
  }

  /** What this node knows of all members, by id; of use on a leader. */
  get progress(): ProgressStatus[] {
    return Array.from(this.#state.progress.values(), statusOf);
  }
}

function begin(options: CoreOptions): State {
  const { log, hardState, applied, membership } = options;
  const settings = settingsOf(options);
  const isRecovering = options.isRecovering ?? false;
  const commit = Math.max(hardState.commit, applied);
  // A node that lost the end of its log may have been told of more than it has.
  const known = isRecovering ? Math.min(commit, log.lastIndex) : commit;
  assert(known <= log.lastIndex && applied <= known, "the log reaches up to its commit index", {
    commit,
    applied,
    last: log.lastIndex,
  });
  const view = new LogView(log, known, applied);
  const s = new State(settings, view, hardState, membership);
  if (isRecovering) s.term = Math.max(s.term, view.lastTerm);
  s.isRecovering = isRecovering;
  reconcileProgress(s);
  drawElectionTimeout(s);
  // Its former life may have promised a lease not to vote.
  if (settings.readMode === "lease" && !s.isAlone) s.quietUntil = settings.electionTicks + 1;
  return s;
}

function dispatch(s: State, event: Event): void {
  switch (event.kind) {
    case "message":
      receive(s, event.message);
      return;
    case "tick":
      tick(s);
      return;
    case "beat":
      beatNow(s);
      return;
    case "turn":
      endTurn(s);
      tellCommit(s);
      return;
    case "propose":
      takeProposal(s, event.proposal, event.payloads);
      return;
    case "propose-change":
      proposeChange(s, event.proposal, event.change);
      return;
    case "read":
      beginRead(s, event.context);
      return;
    case "durable":
      receiveDurable(s, event.append);
      return;
    case "applied":
      s.log.appliedTo(event.index);
      leaveWhenDue(s);
      return;
    case "apply-change":
      applyEntry(s, event.index, event.change);
      return;
    case "unreachable":
      receiveUnreachable(s, event.node);
      return;
    case "snapshot-sent":
      receiveSnapshotSent(s, event.node, event.ok);
      return;
    case "transfer":
      receiveTransfer(s, event.to);
      return;
    case "campaign":
      campaignAsConfigured(s);
      return;
    case "recovering":
      s.isRecovering = event.isRecovering;
      s.recovery = { request: 0, index: undefined, compared: 0 };
      return;
    default:
      assertNever(event, "event");
  }
}

function receiveDurable(s: State, append: number): void {
  s.log.finishAppend(append);
  while (s.selfVotes.length > 0 && s.selfVotes[0]!.append <= append) {
    const { term } = s.selfVotes.shift()!;
    if (term === s.term && s.role === "candidate") countVote(s, s.id, true);
  }
  if (s.role === "leader") receiveOwnDurable(s);
}

function receiveTransfer(s: State, target: NodeId): void {
  if (s.role === "leader") {
    beginTransfer(s, target);
  } else if (s.leader === undefined) {
    s.out.push({ kind: "transfer-failed", to: target });
  } else {
    send(s, { type: "transfer", from: s.id, to: s.leader, term: 0, target });
  }
}

/** All messages but those that belong to no term. */
type OfTerm = Exclude<Message, { type: "transfer" | "read" }>;

function receive(s: State, message: Message): void {
  if (message.type === "transfer") receiveTransferRequest(s, message.target);
  else if (message.type === "read") receiveRead(s, message);
  else if (message.term < s.term) answerOldTerm(s, message);
  else if (message.term === s.term || enterTerm(s, message)) receiveOfTerm(s, message);
}

function receiveOfTerm(s: State, message: OfTerm): void {
  switch (message.type) {
    case "vote":
    case "pre-vote":
      receiveVoteRequest(s, message);
      return;
    case "append":
    case "heartbeat":
    case "snapshot":
      receiveFromLeader(s, message);
      return;
    case "vote-response":
    case "pre-vote-response":
      receiveVote(s, message);
      return;
    case "append-response":
      if (s.role === "leader") receiveAppendResponse(s, message);
      return;
    case "heartbeat-response":
      if (s.role === "leader") receiveHeartbeatResponse(s, message.from, message.round);
      return;
    case "timeout-now":
      receiveTimeoutNow(s, message.index, message.logTerm);
      return;
    case "read-response":
      receiveReadResponse(s, message.context, message.index, message.reject);
      if (!message.reject) receiveRecoveryIndex(s, message.context, message.index);
      return;
    default:
      assertNever(message, "message");
  }
}

function receiveTransferRequest(s: State, target: NodeId): void {
  // Passed on by a follower: it is not passed on twice.
  if (s.role === "leader") beginTransfer(s, target);
}

/** A message of a later term. False when it is ignored. */
function enterTerm(s: State, message: Message): boolean {
  const { type, from, term } = message;
  if (type === "vote" || type === "pre-vote") {
    if (!message.isTransfer && sticksToLeader(s)) return false;
    // A question beforehand raises nobody's term.
    if (type === "pre-vote") return true;
  }
  // A granted answer to such a question names the term that was asked for; a refusal names the other's real one.
  if (type === "pre-vote-response" && !message.reject) return true;
  const isLeader = type === "append" || type === "heartbeat" || type === "snapshot";
  becomeFollower(s, term, isLeader ? from : undefined);
  return true;
}

/** A message of an earlier term. A leader, or a candidate that nobody answers, must learn that it is behind. */
function answerOldTerm(s: State, { type, from: to }: Message): void {
  const { id: from, term } = s;
  if (type === "pre-vote") {
    refuseVote(s, "pre-vote", to);
  } else if (type === "vote") {
    // Raft 5.1. Else one that stands again and again with an old log could stay ahead of the only one that can win.
    refuseVote(s, "vote", to);
  } else if (type === "append" || type === "heartbeat") {
    // Else the leader learns of the later term when this node asks it for its vote. A node in doubt, or one that is no
    // voter, never stands for election; one that is behind on the configuration may not know the leader for a voter.
    const mayTellByElection = s.isVoter && !s.isRecovering && isVoterOf(s.membership, to);
    if (!s.settings.checkQuorum && !s.settings.preVote && mayTellByElection) return;
    sendDurably(s, {
      type: "append-response",
      from,
      to,
      term,
      index: 0,
      reject: false,
      hint: 0,
      logTerm: 0,
      isRecovering: s.isRecovering,
    });
  }
}

type FromLeader = Extract<Message, { type: "append" | "heartbeat" | "snapshot" }>;

function receiveFromLeader(s: State, message: FromLeader): void {
  assert(s.role !== "leader", "one leader in a term (Raft 5.2)", { term: s.term });
  if (s.role !== "follower") becomeFollower(s, s.term, message.from);
  s.electionElapsed = 0;
  s.sinceLeader = 0;
  s.leader = message.from;
  if (message.type === "append") receiveAppend(s, message);
  else if (message.type === "heartbeat") receiveHeartbeat(s, message);
  else receiveSnapshot(s, message);
}

/** INV-RAFT-8. The leader wants this node to be elected. */
function receiveTimeoutNow(s: State, index: number, logTerm: number): void {
  if (s.role !== "follower") return;
  if (s.log.durable < index || !s.log.matches(index, logTerm)) return;
  campaign(s, "transfer");
}
