/**
 * Elections (Raft 5.2, 5.4.1), with the question beforehand (dissertation 9.6) and voters that stick to a leader they
 * hear from (dissertation 4.2.3).
 *
 *   INV-RAFT-10  A node grants at most one vote in a term, to a log at least as complete as its own, and says so only
 *               when that is on its disk (museum rows 1 and 3). Its own vote counts no earlier.
 *   INV-RAFT-11  Votes count by who cast them, and only of voters (museum row 2).
 *   INV-RAFT-18  A node leads in a term only when that term is on its disk: so it leads in it once.
 */
import type { NodeId } from "@authledger/types";
import { lastChangeWithin } from "./changes-in-log.js";
import type { Message } from "./message.js";
import { jointVote } from "./quorum.js";
import { commitTo } from "./replication.js";
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from "./roles.js";
import { isVoterOf, type State, send, sendDurably } from "./state.js";

type VoteRequest = Extract<Message, { type: "vote" | "pre-vote" }>;

export type Campaign = "ask-first" | "election" | "transfer";

/** Starts an election, where this node may. */
export function campaign(s: State, how: Campaign): void {
  if (!mayCampaign(s)) return;
  if (how === "ask-first") {
    becomePreCandidate(s);
    requestVotes(s, "pre-vote", s.term + 1, false);
    // It asks for no promise of its own: nothing to wait for.
    countVote(s, s.id, true);
  } else {
    becomeCandidate(s);
    requestVotes(s, "vote", s.term, how === "transfer");
    s.hasVotedForSelf = true;
  }
}

export function campaignAsConfigured(s: State): void {
  campaign(s, s.settings.preVote ? "ask-first" : "election");
}

/** Whether this node may be elected, as far as is known without a look at its log. */
export function mayStand(s: State): boolean {
  return s.role !== "leader" && !s.isRecovering && s.isVoter && !s.log.hasPendingSnapshot;
}

/** An entry that is committed and not applied may take this node's vote away (museum row 27). */
function mayCampaign(s: State): boolean {
  return mayStand(s) && !hasUnappliedChange(s);
}

function hasUnappliedChange({ log }: State): boolean {
  return lastChangeWithin(log, log.applied + 1, log.commit) > 0;
}

function requestVotes(
  s: State,
  type: "vote" | "pre-vote",
  term: number,
  isTransfer: boolean,
): void {
  const { lastIndex: index, lastTerm: logTerm } = s.log;
  // Were the end of the log lost in a crash, and the term, the node could ask again in this term with a shorter log, and
  // win by the answers to what it asked before. A log that is durable as a whole it would ask with again.
  const isWhole = s.log.durable === index;
  for (const to of s.progress.keys()) {
    if (to === s.id || !isVoterOf(s.membership, to)) continue;
    const request = { type, from: s.id, to, term, index, logTerm, isTransfer };
    if (type === "pre-vote" || isWhole) send(s, request);
    else sendDurably(s, request);
  }
}

/** Another asks for a vote. INV-RAFT-10. */
export function receiveVoteRequest(s: State, request: VoteRequest): void {
  const { from, term, type } = request;
  const isFree =
    s.vote === from ||
    (s.vote === undefined && s.leader === undefined) ||
    (type === "pre-vote" && term > s.term);
  const granted =
    isFree &&
    !s.isRecovering &&
    s.now >= s.quietUntil &&
    s.log.isUpToDate(request.index, request.logTerm);
  if (granted && type === "vote") {
    s.vote = from;
    s.electionElapsed = 0;
  }
  if (granted) answerVote(s, type, from, term, false);
  else refuseVote(s, type, from);
}

export function refuseVote(s: State, type: "vote" | "pre-vote", to: NodeId): void {
  answerVote(s, type, to, s.term, true);
}

/** Says what is known to be committed here, too. An answer to a question beforehand promises nothing, and waits for nothing. */
function answerVote(
  s: State,
  type: "vote" | "pre-vote",
  to: NodeId,
  term: number,
  reject: boolean,
): void {
  const { commit } = s.log;
  const commitTerm = s.log.term(commit) ?? 0;
  const rest = { from: s.id, to, term, reject, commit, commitTerm };
  if (type === "vote") sendDurably(s, { type: "vote-response", ...rest });
  else send(s, { type: "pre-vote-response", ...rest });
}

type VoteResponse = Extract<Message, { type: "vote-response" | "pre-vote-response" }>;

/** A vote for this node, or a refusal. */
export function receiveVote(s: State, response: VoteResponse): void {
  const { type, from, term, reject } = response;
  learnCommit(s, response);
  const isAsked =
    type === "vote-response"
      ? s.role === "candidate" && term === s.term
      : s.role === "pre-candidate" && term === (reject ? s.term : s.term + 1);
  if (isAsked) countVote(s, from, !reject);
}

/**
 * Whoever answers names an entry that is committed: where this log has it, all up to it is (Raft 5.3, log matching). A change
 * of the configuration may be among that: it is applied before this node stands for election again. Whoever grants its vote says so, too:
 * else a candidate that does not know of a removal would count the vote of the removed node for ever.
 */
function learnCommit(s: State, { commit, commitTerm }: VoteResponse): void {
  if (s.role === "leader" || s.isRecovering || commitTerm === 0) return;
  if (commit <= s.log.commit || !s.log.matches(commit, commitTerm)) return;
  commitTo(s, commit);
  if (s.role !== "follower" && hasUnappliedChange(s)) becomeFollower(s, s.term, undefined);
}

/** Whether this node holds on to a leader that it hears from, whoever asks for its vote. */
export function sticksToLeader(s: State): boolean {
  // The time of its own next attempt does not count: a node that may not stand for election begins that anew for ever.
  const hears = s.role === "leader" || s.sinceLeader < s.settings.electionTicks;
  return s.settings.checkQuorum && s.leader !== undefined && hears;
}

/** INV-RAFT-11. A vote was cast for this candidate, or refused. The first word of a node counts. */
export function countVote(s: State, from: NodeId, granted: boolean): void {
  if (!s.votes.has(from)) s.votes.set(from, granted);
  const { voters, outgoing } = s.membership;
  const result = jointVote(voters, outgoing, s.votes);
  if (result === "won") {
    if (s.role === "pre-candidate") campaign(s, "election");
    // Until its own vote is on its disk a crash could take the term back: it would be elected in it once more, by the same
    // votes, and write other entries where those of its first reign may be.
    else if (s.votes.get(s.id) === true) becomeLeader(s);
  } else if (result === "lost") {
    // Not another term: it stays with the vote it has cast (museum row 1).
    becomeFollower(s, s.term, undefined);
  }
}
