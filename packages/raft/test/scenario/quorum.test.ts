/** etcd/raft's scenarios of quorums, byte for byte. */
import { join } from "node:path";
import type { NodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { jointVote, majorityReached, majorityVote } from "../../src/quorum.js";
import { node } from "../support/group.js";
import { type Directive, parseScript, scenarioFiles, scenarioFolder } from "./script.js";

const folder = scenarioFolder("quorum/testdata");

describe.runIf(folder !== undefined)("the quorums of etcd/raft (dissertation 4.3)", () => {
  for (const file of folder === undefined ? [] : scenarioFiles(folder)) {
    test(file, () => {
      for (const directive of parseScript(join(folder!, file))) {
        expect(run(directive), `${file}:${directive.line}`).toBe(directive.expected);
      }
    });
  }
});

function run({ command, args }: Directive): string {
  const voters = nodes(args.get("cfg"));
  const joint = args.get("cfgj");
  const outgoing = joint?.[0] === "zero" ? [] : nodes(joint);
  const both = [...new Set([...voters, ...outgoing])];
  const given = args.get(command === "vote" ? "votes" : "idx") ?? [];
  const known = new Map(both.map((id, i) => [id, given[i] ?? "_"] as const));
  for (const [id, value] of known) if (value === "_") known.delete(id);
  return command === "vote"
    ? vote(voters, joint && outgoing, known)
    : committed(voters, outgoing, known);
}

function nodes(ids: readonly string[] | undefined): NodeId[] {
  return [...new Set((ids ?? []).map((id) => node(Number(id))))];
}

function vote(
  voters: readonly NodeId[],
  outgoing: readonly NodeId[] | undefined,
  known: ReadonlyMap<NodeId, string>,
): string {
  const votes = new Map([...known].map(([id, value]) => [id, value === "y"] as const));
  const one = outgoing === undefined;
  const result = one ? majorityVote(voters, votes) : jointVote(voters, outgoing, votes);
  if (!one) expect(jointVote(outgoing, voters, votes)).toBe(result);
  return { won: "VoteWon", lost: "VoteLost", pending: "VotePending" }[result];
}

function committed(
  voters: readonly NodeId[],
  outgoing: readonly NodeId[],
  known: ReadonlyMap<NodeId, string>,
): string {
  const reached = (half: readonly NodeId[]): number =>
    majorityReached(half.map((id) => Number(known.get(id) ?? 0)));
  const index = Math.min(reached(voters), reached(outgoing));
  const both = [...new Set([...voters, ...outgoing])].sort((a, b) => Number(a - b));
  return `${picture(both, known)}${index === Number.POSITIVE_INFINITY ? "∞" : index}`;
}

/** A bar for each voter, as long as the number of voters that it is ahead of. */
function picture(ids: readonly NodeId[], known: ReadonlyMap<NodeId, string>): string {
  if (ids.length === 0) return "<empty majority quorum>";
  const index = (id: NodeId): number => Number(known.get(id) ?? 0);
  const lines = ids.map((id) => {
    const below = ids.filter((other) => index(other) < index(id)).length;
    const bar = known.has(id) ? `${"x".repeat(below)}>` : "?";
    return `${bar.padEnd(ids.length + 1)} ${String(index(id)).padStart(5)}    (id=${id})\n`;
  });
  return `${" ".repeat(ids.length)}    idx\n${lines.join("")}`;
}
