/** How the scenarios write what a node has and says. */
import {
  type ConfigurationChange,
  decodeConfigurationChange,
  type Entry,
  isConfigurationChange,
  type Membership,
  type Message,
  type ProgressStatus,
  type Role,
  type SnapshotMeta,
} from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { text } from "../support/group.js";

const STATES = { probe: "StateProbe", replicate: "StateReplicate", snapshot: "StateSnapshot" };
const ROLES: Record<Role, string> = {
  follower: "StateFollower",
  "pre-candidate": "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};
const TYPES: Partial<Record<Message["type"], string>> = {
  append: "MsgApp",
  "append-response": "MsgAppResp",
  heartbeat: "MsgHeartbeat",
  "heartbeat-response": "MsgHeartbeatResp",
  vote: "MsgVote",
  "vote-response": "MsgVoteResp",
  "pre-vote": "MsgPreVote",
  "pre-vote-response": "MsgPreVoteResp",
  snapshot: "MsgSnap",
  "timeout-now": "MsgTimeoutNow",
  transfer: "MsgTransferLeader",
};
const LETTERS = { "add-voter": "v", "add-learner": "l", remove: "r", update: "u" };

export function describeRole(role: Role): string {
  return ROLES[role];
}

export function messageName(type: Message["type"]): string {
  return TYPES[type] ?? type;
}

function describeNodes(nodes: readonly NodeId[]): string {
  return `(${nodes.join(" ")})`;
}

/** voters=(1 2)&&(1) learners=(3) learners_next=(4) autoleave */
export function describeMembership(membership: Membership): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  let described = `voters=${describeNodes(voters)}`;
  if (outgoing.length > 0) described += `&&${describeNodes(outgoing)}`;
  if (learners.length > 0) described += ` learners=${describeNodes(learners)}`;
  if (learnersNext.length > 0) described += ` learners_next=${describeNodes(learnersNext)}`;
  return autoLeave ? `${described} autoleave` : described;
}

export function describeProgress(progress: ProgressStatus): string {
  const { node, state, match, next, pendingSnapshot, inflight } = progress;
  let described = `${node}: ${STATES[state]} match=${match} next=${next}`;
  if (progress.isLearner) described += " learner";
  if (progress.isPaused) described += " paused";
  if (pendingSnapshot > 0) described += ` pendingSnap=${pendingSnapshot}`;
  if (!progress.isActive) described += " inactive";
  if (inflight > 0) described += ` inflight=${inflight}${progress.isFull ? "[full]" : ""}`;
  return described;
}

export function describeEntry({ term, index, payload }: Entry): string {
  if (!isConfigurationChange(payload)) return `${term}/${index} EntryNormal ${quoted(payload)}`;
  const change = decodeConfigurationChange(payload);
  // The context says in which version of etcd's entries the change was proposed.
  const kind = change.context.length > 0 ? "EntryConfChange" : "EntryConfChangeV2";
  return `${term}/${index} ${kind} ${describeChange(change)}`.trimEnd();
}

function quoted(payload: Uint8Array): string {
  return JSON.stringify(text(payload));
}

function describeChange({ changes }: ConfigurationChange): string {
  return changes.map(({ action, node }) => `${LETTERS[action]}${node}`).join(" ");
}

export function describeSnapshot({ index, term, membership }: SnapshotMeta): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  const list = (nodes: readonly NodeId[]): string => `[${nodes.join(" ")}]`;
  const lists = `Voters:${list(voters)} VotersOutgoing:${list(outgoing)} Learners:${list(learners)}`;
  const rest = `LearnersNext:${list(learnersNext)} AutoLeave:${autoLeave}`;
  return `Index:${index} Term:${term} ConfState:${lists} ${rest}`;
}

export function describeEntries(entries: readonly Entry[]): string {
  if (entries.length <= 1)
    return entries.map((entry) => ` Entries:[${describeEntry(entry)}]`).join("");
  return ` Entries:[\n${indent(entries.map(describeEntry).join("\n"))}\n]`;
}

export function describeMessage(message: Message): string {
  const { from, to, type, term } = message;
  return `${from}->${to} ${messageName(type)} Term:${term} Log:${describeBody(message)}`;
}

function describeBody(message: Message): string {
  switch (message.type) {
    case "append": {
      const commit = message.commit > 0 ? ` Commit:${message.commit}` : "";
      return `${message.logTerm}/${message.index}${commit}${describeEntries(message.entries)}`;
    }
    case "append-response": {
      const refused = message.reject ? ` Rejected (Hint: ${message.hint})` : "";
      return `${message.logTerm}/${message.index}${refused}`;
    }
    case "heartbeat":
      return `0/0${message.commit > 0 ? ` Commit:${message.commit}` : ""}`;
    case "vote":
    case "pre-vote":
      return `${message.logTerm}/${message.index}`;
    case "vote-response":
    case "pre-vote-response":
      return message.reject ? "0/0 Rejected (Hint: 0)" : "0/0";
    case "snapshot":
      return `0/0\n  Snapshot: ${describeSnapshot(message.snapshot)}`;
    default:
      return "0/0";
  }
}

export function indent(lines: string): string {
  return lines.replace(/^(?=.)/gm, "  ");
}
