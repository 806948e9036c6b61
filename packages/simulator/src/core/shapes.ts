/**
 * Where the explorer begins: small groups in states from which the known bugs are a few steps away. What may happen is
 * limited, so that everything that may is tried.
 */
import type { ConfigurationChange, Entry, MemberChange, Membership } from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import { FOUNDING } from "./judge.js";

interface ShapeNode {
  readonly id: NodeId;
  /** Behind the founding. */
  readonly log: readonly Entry[];
  readonly term: number;
  readonly vote: NodeId | undefined;
  readonly commit: number;
}

export interface Shape {
  readonly name: string;
  readonly membership: Membership;
  readonly nodes: readonly ShapeNode[];
  /** The last index that somebody knows to be committed; the first node has it. */
  readonly committed: number;
  readonly termMax: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Syncs are steps of their own, and a crash may come before. */
  readonly isDiskSlow: boolean;
  readonly changes: readonly ConfigurationChange[];
  readonly budgets: {
    /** Per node. */
    readonly timeouts: number;
    readonly crashes: number;
    readonly heartbeats: number;
    readonly proposals: number;
    readonly changes: number;
    readonly transfers: number;
    readonly duplicates: number;
  };
}

const NOTHING: Shape["budgets"] = {
  timeouts: 1,
  crashes: 0,
  heartbeats: 0,
  proposals: 0,
  changes: 0,
  transfers: 0,
  duplicates: 0,
};

const id = (n: number): NodeId => nodeId(BigInt(n));

function membershipOf(
  voters: readonly number[],
  rest: { readonly learners?: readonly number[]; readonly outgoing?: readonly number[] } = {},
): Membership {
  return {
    voters: voters.map(id),
    learners: (rest.learners ?? []).map(id),
    outgoing: (rest.outgoing ?? []).map(id),
    learnersNext: [],
    autoLeave: rest.outgoing !== undefined,
  };
}

function changeOf(
  action: MemberChange["action"],
  ...nodes: readonly number[]
): ConfigurationChange {
  return {
    transition: "auto",
    changes: nodes.map((n) => ({ action, node: id(n) })),
    context: new Uint8Array(),
  };
}

/** A log with entries of these terms behind the founding; one payload for each place and term. */
function logOf(terms: readonly number[]): Entry[] {
  return terms.map((term, i) => {
    const index = FOUNDING.index + 1 + i;
    return { index, term, payload: Uint8Array.of(0, term) };
  });
}

interface NodeDraft {
  readonly terms: readonly number[];
  readonly term?: number;
  readonly vote?: number;
  readonly commit?: number;
}

function nodesOf(drafts: readonly NodeDraft[]): ShapeNode[] {
  return drafts.map(({ terms, term, vote, commit }, i) => ({
    id: id(i + 1),
    log: logOf(terms),
    term: term ?? terms.at(-1) ?? FOUNDING.term,
    vote: vote === undefined ? undefined : id(vote),
    commit: commit ?? FOUNDING.index,
  }));
}

function shapeOf(
  draft: Pick<Shape, "name" | "membership"> &
    Partial<Omit<Shape, "budgets" | "nodes">> & {
      readonly nodes: readonly NodeDraft[];
      readonly budgets?: Partial<Shape["budgets"]>;
    },
): Shape {
  return {
    committed: FOUNDING.index,
    termMax: 4,
    preVote: false,
    checkQuorum: false,
    isDiskSlow: false,
    changes: [],
    ...draft,
    nodes: nodesOf(draft.nodes),
    budgets: { ...NOTHING, ...draft.budgets },
  };
}

const BLANK: NodeDraft = { terms: [] };

export const shapes: readonly Shape[] = [
  shapeOf({
    name: "three fresh nodes",
    membership: membershipOf([1, 2, 3]),
    nodes: [BLANK, BLANK, BLANK],
    termMax: 3,
    budgets: { proposals: 1 },
  }),
  shapeOf({
    name: "three fresh nodes whose disks are slow, and one crash",
    membership: membershipOf([1, 2, 3]),
    nodes: [BLANK, BLANK, BLANK],
    isDiskSlow: true,
    termMax: 3,
    budgets: { crashes: 1 },
  }),
  shapeOf({
    name: "three fresh nodes that ask before they raise the term",
    membership: membershipOf([1, 2, 3]),
    nodes: [BLANK, BLANK, BLANK],
    preVote: true,
    checkQuorum: true,
    termMax: 3,
    budgets: { proposals: 1, duplicates: 1 },
  }),
  shapeOf({
    name: "the logs of figure 7",
    membership: membershipOf([1, 2, 3, 4]),
    // The leader-to-be of term 8, one that lacks entries, one with more of its own term, one with other terms.
    nodes: [
      { terms: [1, 1, 4, 4, 5, 6], term: 7, commit: 3 },
      { terms: [1, 1, 4], term: 7 },
      { terms: [1, 1, 4, 4, 5, 6, 6], term: 7 },
      { terms: [1, 1, 2, 2, 3, 3, 3], term: 7 },
    ],
    committed: 3,
    termMax: 9,
    budgets: { heartbeats: 1 },
  }),
  shapeOf({
    name: "figure 8: an entry of term 2 on two of three, one of term 3 on the third",
    membership: membershipOf([1, 2, 3]),
    nodes: [
      { terms: [2], term: 3 },
      { terms: [2], term: 2 },
      { terms: [3], term: 3, vote: 3 },
    ],
    termMax: 6,
    budgets: { timeouts: 2 },
  }),
  shapeOf({
    name: "a joint configuration",
    membership: membershipOf([1, 2], { outgoing: [2, 3] }),
    nodes: [BLANK, BLANK, BLANK],
    termMax: 3,
    budgets: { proposals: 1 },
  }),
  shapeOf({
    name: "two voters and a learner that is promoted",
    membership: membershipOf([1, 2], { learners: [3] }),
    nodes: [BLANK, BLANK, BLANK],
    changes: [changeOf("add-voter", 3)],
    termMax: 3,
    budgets: { changes: 1 },
  }),
  shapeOf({
    name: "four nodes, and two leaders that change the membership",
    membership: membershipOf([1, 2, 3, 4]),
    nodes: [BLANK, BLANK, BLANK, BLANK],
    changes: [changeOf("remove", 4), changeOf("remove", 1)],
    termMax: 4,
    budgets: { changes: 2 },
  }),
  shapeOf({
    name: "a transfer of the leadership, and one crash",
    membership: membershipOf([1, 2, 3]),
    nodes: [BLANK, BLANK, BLANK],
    termMax: 4,
    budgets: { transfers: 1, crashes: 1, duplicates: 1, timeouts: 1 },
  }),
];
