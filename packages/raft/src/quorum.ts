/**
 * What a majority has: over votes, and over indexes. In a joint configuration both halves must agree (dissertation,
 * section 4.3), so a vote is won when both are won, and the joint index is the smaller one.
 */
import type { NodeId } from "@authledger/types";

export type VoteResult = "won" | "lost" | "pending";

/** How many of `size` are a majority. */
export function majority(size: number): number {
  return Math.floor(size / 2) + 1;
}

/** The outcome of a vote among `voters`. Votes of others do not count, and nobody counts twice (museum row 2). */
export function majorityVote(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  // Nobody to ask: as half of a joint configuration it must not stand in the way of the other half.
  if (voters.length === 0) return "won";
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}

export function jointVote(
  voters: readonly NodeId[],
  outgoing: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const incoming = majorityVote(voters, votes);
  const leaving = majorityVote(outgoing, votes);
  if (incoming === leaving) return incoming;
  return incoming === "lost" || leaving === "lost" ? "lost" : "pending";
}

/**
 * The largest value that a majority has reached: one value per voter, 0 where none is known. Infinity without voters.
 * Sorts `values` in place, so that a turn of the leader allocates nothing here.
 */
export function majorityReached(values: number[]): number {
  return reachedBy(values, majority(values.length));
}

/** The largest value that `count` of them have reached; Infinity without voters. Sorts `values` in place. */
export function reachedBy(values: number[], count: number): number {
  const size = values.length;
  if (size === 0) return Number.POSITIVE_INFINITY;
  // Insertion sort: there are a handful, and nearly sorted ones are the rule.
  for (let i = 1; i < size; i++) {
    const value = values[i]!;
    let at = i - 1;
    while (at >= 0 && values[at]! > value) {
      values[at + 1] = values[at]!;
      at--;
    }
    values[at + 1] = value;
  }
  return values[size - count]!;
}
