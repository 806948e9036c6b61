/**
 * The museum: bugs that real implementations of Raft had (the numbers are those of the design's table), each as a patch
 * of the built core, and who must find it. Where an assertion of the core itself would stop the mutant at once, it is
 * silenced: the simulator must not depend on it.
 */
import type { Patch } from "../museum/built-packages.js";
import type { Focus } from "./settings.js";

/**
 * Who looks for a mutant, until its budget is spent: a directed scenario, seeds of the swarm, or states of a start of the
 * explorer.
 */
export type Hunter =
  | { readonly by: "scenario"; readonly file: string }
  | { readonly by: "swarm"; readonly seeds: number; readonly focus?: Focus }
  | { readonly by: "explorer"; readonly shape: string; readonly states: number };

export interface Exhibit {
  readonly number: string;
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly hunters: readonly Hunter[];
  /** Its first hunter needs less than a second: it is hunted in every test run. */
  readonly isQuick?: boolean;
}

/** The core's own checks after each step, silenced. */
const SILENT: Patch = {
  file: "invariants.js",
  find: "export function checkInvariants(s, held) {",
  replace: "export function checkInvariants(s, held) { return;",
};

/** The core's own check that nothing committed is cut off, silenced. */
const CUTS_ANYTHING: Patch = {
  file: "log-view.js",
  find: 'assert(index > this.#commit, "INV-RAFT-1: nothing committed is cut off"',
  replace: 'assert(true, "silenced"',
};

/** Leaders that are cut off with entries on their way to slow disks. */
const SLOW_DISKS: Focus = {
  settings: { voters: 3, learners: 0, machines: 3, syncMsMin: 1, syncMsMax: 200 },
  perSecond: { propose: 60, isolate: 1, transfer: 2, campaign: 2, crash: 0, "crash-all": 0 },
};

/** Reads of nodes that crash, start again and are in doubt, over a network that keeps old messages. */
const OLD_ANSWERS: Focus = {
  settings: {
    voters: 3,
    network: {
      latencyMsMin: 2,
      latencyMsMax: 20,
      loss: 0,
      duplicate: 0,
      lateDuplicate: 0.05,
      reorder: 0.2,
    },
  },
  perSecond: { read: 60, propose: 60, "restart-fast": 3, doubt: 0.3 },
};

/** Two voters, who come and go. */
const FEW_VOTERS: Focus = {
  settings: { voters: 2, learners: 1, machines: 4 },
  perSecond: { change: 3, propose: 60, isolate: 1 },
};

const SWARM: Hunter = { by: "swarm", seeds: 300 };
const LONG_SWARM: Hunter = { by: "swarm", seeds: 3_000 };
const focused = (focus: Focus): Hunter => ({ by: "swarm", seeds: 2_000, focus });

const patch = (file: string, find: string, replace: string): Patch => ({ file, find, replace });

export const exhibits: readonly Exhibit[] = [
  {
    number: "1",
    isQuick: true,
    name: "a vote is forgotten when the role changes within a term",
    patches: [
      SILENT,
      patch(
        "roles.js",
        'reset(s, term);\n    s.role = "follower";',
        'reset(s, term);\n    s.vote = undefined;\n    s.role = "follower";',
      ),
    ],
    hunters: [{ by: "explorer", shape: "three fresh nodes", states: 300_000 }, SWARM],
  },
  {
    number: "2",
    name: "votes are counted without their sender",
    patches: [
      patch(
        "election.js",
        "if (!s.votes.has(from))\n        s.votes.set(from, granted);",
        "const free = s.membership.voters.find((id) => !s.votes.has(id));\n    s.votes.set(granted && free !== undefined ? free : from, granted);",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "3",
    isQuick: true,
    name: "a vote leaves before it is durable",
    patches: [
      patch(
        "election.js",
        'sendDurably(s, { type: "vote-response", ...rest });',
        'send(s, { type: "vote-response", ...rest });',
      ),
    ],
    hunters: [SWARM, { by: "explorer", shape: "three fresh nodes", states: 10_000 }],
  },
  {
    number: "3b",
    isQuick: true,
    name: "a vote is not written where the term stays",
    patches: [patch("output.js", "|| told.vote !== s.vote ||", "||")],
    hunters: [SWARM],
  },
  {
    number: "4",
    name: "an entry of an earlier term is committed by counting",
    patches: [patch("replication.js", " || log.term(index) !== s.term)", ")")],
    hunters: [
      { by: "scenario", file: "figure-8.txt" },
      { by: "explorer", shape: "figure 8", states: 300_000 },
      { by: "swarm", seeds: 3_000 },
    ],
  },
  {
    number: "5",
    isQuick: true,
    name: "a follower acknowledges the length of its log",
    patches: [
      patch(
        "follower.js",
        "    acknowledge(s, to, last);",
        "    acknowledge(s, to, log.lastIndex);",
      ),
    ],
    hunters: [{ by: "scenario", file: "ackuracy.txt" }, SWARM],
  },
  {
    number: "6",
    isQuick: true,
    name: "a follower commits behind what was compared",
    patches: [
      patch(
        "follower.js",
        "commitTo(s, Math.min(message.commit, last));",
        "commitTo(s, Math.min(message.commit, log.lastIndex));",
      ),
    ],
    hunters: [{ by: "scenario", file: "follower-overcommit.txt" }, SWARM],
  },
  {
    number: "7",
    name: "the hint of a refusal counts as a match",
    patches: [
      patch(
        "leader.js",
        "else if (!progress.refuse(response.index, hint))\n        return;",
        "else if (!progress.refuse(response.index, hint))\n        return;\n    progress.match = Math.max(progress.match, hint);",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "8",
    isQuick: true,
    name: "every append truncates, whether entries differ or not",
    patches: [
      SILENT,
      CUTS_ANYTHING,
      patch(
        "follower.js",
        "while (at < entries.length && log.matches(entries[at].index, entries[at].term))\n        at++;",
        "",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "9",
    isQuick: true,
    name: "an old append cuts the log behind it",
    patches: [
      SILENT,
      CUTS_ANYTHING,
      patch(
        "follower.js",
        "function takeEntries(s, { entries }) {",
        "function takeEntries(s, { entries, index }) {",
      ),
      patch(
        "follower.js",
        "if (at === entries.length)\n        return;",
        "if (at === entries.length) {\n        if (log.lastIndex > index + at) { log.truncate(index + at + 1); s.truncatedFrom = index + at + 1; }\n        return;\n    }",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "10",
    name: "a new leader changes the membership while an older change is in its log",
    patches: [patch("roles.js", "s.pendingChangeIndex = s.log.lastIndex;", "")],
    hunters: [LONG_SWARM, { by: "explorer", shape: "four nodes", states: 300_000 }],
  },
  {
    number: "11",
    isQuick: true,
    name: "learners count for a commit",
    patches: [
      patch(
        "replication.js",
        "return Math.min(matchOf(s.voters), matchOf(s.outgoing));",
        "return matchOf([...s.progress.values()]);",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "12",
    name: "a joint configuration commits with the incoming half alone",
    patches: [
      patch(
        "replication.js",
        "return Math.min(matchOf(s.voters), matchOf(s.outgoing));",
        "return matchOf(s.voters);",
      ),
    ],
    hunters: [
      { by: "swarm", seeds: 1_000 },
      { by: "explorer", shape: "a joint configuration", states: 100_000 },
    ],
  },
  {
    number: "13",
    isQuick: true,
    name: "a follower acknowledges before its sync",
    patches: [
      patch(
        "follower.js",
        "export function acknowledge(s, to, index) {\n    sendDurably(s, {",
        "export function acknowledge(s, to, index) {\n    send(s, {",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "14",
    isQuick: true,
    name: "a leader counts itself before its own sync",
    patches: [
      patch(
        "replication.js",
        "s.log.append(payloads.map((payload, i) => ({ index: first + i, term: s.term, payload })));",
        "s.log.append(payloads.map((payload, i) => ({ index: first + i, term: s.term, payload })));\n    const own = s.progress.get(s.id);\n    if (own !== undefined)\n        own.match = s.log.lastIndex;",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "16",
    name: "a lease begins when its round is acknowledged",
    isQuick: true,
    patches: [patch("reads.js", "sent = at;", "sent = s.now;")],
    hunters: [{ by: "scenario", file: "lease-late-answer.txt" }],
  },
  {
    number: "16b",
    name: "a lease does not end before another may be elected by transfer",
    isQuick: true,
    patches: [patch("transfer.js", "    dropLease(s);\n    s.isLeaseForfeited = true;", "")],
    hunters: [{ by: "scenario", file: "lease-transfer.txt" }],
  },
  {
    number: "17",
    name: "a leader answers reads without asking anybody",
    patches: [
      patch(
        "reads.js",
        "return s.hasCommittedInTerm && (s.isAlone || hasLease(s));",
        "return s.hasCommittedInTerm;",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "18",
    name: "a read is answered before the leader has committed in its term",
    patches: [
      patch("reads.js", "return read.isRecovering || s.hasCommittedInTerm;", "return true;"),
    ],
    hunters: [LONG_SWARM],
  },
  {
    number: "18b",
    name: "a round's number is used again",
    patches: [
      patch("reads.js", "s.lastRound++;", "s.lastRound = 1;"),
      patch("reads.js", "if (round <= progress.ackedRound)\n        return;", ""),
    ],
    hunters: [LONG_SWARM],
  },
  {
    number: "19",
    isQuick: true,
    name: "the term of an entry that was cut is 0",
    patches: [
      patch(
        "replication.js",
        "if (previousTerm === undefined || progress.next < log.firstIndex)\n        return askSnapshot(s, progress);",
        "",
      ),
      patch("replication.js", "logTerm: previousTerm,", "logTerm: previousTerm ?? 0,"),
    ],
    hunters: [SWARM],
  },
  {
    number: "21",
    isQuick: true,
    name: "indexes are not shifted by a snapshot",
    patches: [patch("log-view.js", "this.#tailFrom = snapshot.index + 1;", "this.#tailFrom = 1;")],
    hunters: [SWARM],
  },
  {
    number: "24",
    name: "the completion of a truncated append counts (ABA)",
    patches: [
      SILENT,
      patch(
        "log-view.js",
        "for (const pending of this.#pending)\n            pending.to = Math.min(pending.to, index - 1);",
        "",
      ),
    ],
    hunters: [focused(SLOW_DISKS)],
  },
  {
    number: "25",
    isQuick: true,
    name: "paging of committed entries skips",
    patches: [patch("log-view.js", "this.#handed = page.to;", "this.#handed = end;")],
    hunters: [SWARM],
  },
  {
    number: "26",
    isQuick: true,
    name: "a joint configuration is left again and again",
    patches: [patch("membership.js", "s.pendingChangeIndex = log.lastIndex + 1;", "")],
    hunters: [SWARM],
  },
  {
    number: "26b",
    name: "a joint configuration is never left",
    patches: [patch("membership.js", "!membership.autoLeave || !isJoint(membership))", "true)")],
    hunters: [SWARM],
  },
  {
    number: "27",
    isQuick: true,
    name: "a learner or a removed node stands for election",
    patches: [patch("election.js", "!s.isRecovering && s.isVoter &&", "!s.isRecovering &&")],
    hunters: [SWARM],
  },
  {
    number: "28",
    name: "the bytes on their way are not forgotten",
    patches: [
      patch(
        "inflights.js",
        "this.#start = 0;\n        this.#count = 0;\n        this.#bytes = 0;",
        "this.#start = 0;\n        this.#count = 0;",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "29",
    isQuick: true,
    name: "a follower that was probed in vain is not asked again",
    patches: [
      patch(
        "leader.js",
        "progress.isActive = true;\n    progress.isPaused = false;",
        "progress.isActive = true;",
      ),
    ],
    hunters: [SWARM],
  },
  {
    number: "30",
    isQuick: true,
    name: "any request to start an election is followed",
    patches: [
      patch(
        "core.js",
        "if (s.log.durable < index || !s.log.matches(index, logTerm))\n        return;",
        "",
      ),
    ],
    hunters: [{ by: "scenario", file: "stale-timeout-now.txt" }, focused(SLOW_DISKS)],
  },
  {
    number: "31",
    isQuick: true,
    name: "an append holds entries with a gap",
    patches: [patch("log-view.js", "if (end < this.#tailFrom || end >= to ||", "if (end >= to ||")],
    hunters: [LONG_SWARM],
  },
  {
    number: "S1",
    name: "the answer to a read of a former life passes for one of this life",
    patches: [
      patch(
        "reads.js",
        "context > s.lastRequest || isOfRecovery(context)",
        "isOfRecovery(context)",
      ),
    ],
    hunters: [focused(OLD_ANSWERS)],
  },
  {
    number: "S2",
    name: "a candidate asks for votes with a log that is not durable",
    patches: [patch("election.js", 'type === "pre-vote" || isWhole', "true")],
    hunters: [SWARM],
  },
  {
    number: "S3",
    name: "a candidate does not hear what is committed: who is left of two waits for ever",
    patches: [patch("election.js", "    learnCommit(s, response);\n", "")],
    hunters: [focused(FEW_VOTERS)],
  },
  {
    number: "S4",
    name: "where the leader's log ends passes for the answer to a read",
    patches: [
      patch("reads.js", " || isOfRecovery(context)", ""),
      patch(
        "recovery.js",
        "s.lastRequest += isOfRecovery(s.lastRequest) === isRecovery ? 2 : 1;",
        "s.lastRequest += 1;",
      ),
      patch("recovery.js", " || !isOfRecovery(context)", ""),
    ],
    hunters: [focused(OLD_ANSWERS)],
  },
];
