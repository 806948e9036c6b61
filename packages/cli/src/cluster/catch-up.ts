/** Waiting for nodes of a cluster: until one has caught up and votes, and until all are well. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterMember, ClusterStatus, LedgerClient } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { Progress } from "../output/progress.js";
import { textFlag } from "../run/command.js";
import type { Run } from "../run/run.js";
import { millisecondsOf } from "../run/settings.js";
import {
  clusterHealth,
  clusterSentence,
  isCaughtUp,
  lookAtCluster,
  nameOf,
  votersOf,
} from "./cluster-view.js";

const LOOK_MS = 200;
const WAIT_DEFAULT = "10m";
/** Passing on, proposing and one round: a change that takes longer is looked for in the status. */
const CHANGE_MS = 15_000;

export function withWait(command: Command, what: string): Command {
  return command.option("--wait <time>", `${what} (default ${WAIT_DEFAULT})`);
}

/** Until when the command may wait, in milliseconds since 1970. @throws LedgerError USAGE */
function untilMs(run: Run): number {
  return Date.now() + millisecondsOf(textFlag(run, "wait") ?? WAIT_DEFAULT, "wait");
}

/** Options of calls that change the cluster. */
export function changeCall(run: Run): Run["call"] {
  return { ...run.call, deadlineMs: run.settings.deadlineMs ?? CHANGE_MS };
}

/**
 * Makes a learner a voter as soon as it has caught up, telling on a terminal how far it is.
 * @throws LedgerError NOT_CAUGHT_UP when it has not by then
 */
export async function promoteWhenReady(
  run: Run,
  client: LedgerClient,
  member: ClusterMember,
): Promise<void> {
  const until = untilMs(run);
  const progress = new Progress({
    write: run.io.err,
    isTerminal: run.io.isErrTerminal && !run.settings.isQuiet,
    nowMs: Date.now,
  });
  try {
    for (;;) {
      const refusal = await tryPromote(run, client, member);
      if (refusal === undefined) return;
      if (Date.now() >= until) throw refusal;
      const { match, last } = refusal.details;
      if (typeof match === "number" && typeof last === "number") progress.update(match, last);
      await sleep(LOOK_MS, undefined, { signal: run.io.signal });
    }
  } finally {
    progress.clear();
  }
}

/** Why it has no vote yet; undefined when it has one. */
async function tryPromote(
  run: Run,
  client: LedgerClient,
  { nodeId }: ClusterMember,
): Promise<LedgerError | undefined> {
  try {
    const status = await client.cluster.status({ ...changeCall(run), atLeader: true });
    const member = status.members.find((one) => one.nodeId === nodeId);
    if (member?.role === "voter") return undefined;
    if (member !== undefined && !isCaughtUp(status, member)) {
      return notCaughtUp(status, member);
    }
    await client.cluster.promote(nodeId, changeCall(run));
    return undefined;
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    if (error.code === "NOT_CAUGHT_UP" || error.code === "CHANGE_PENDING") return error;
    // The leader may be lost just now, and with it the answer: the next look tells whether the vote was given.
    if (mayPass(run, error)) return error;
    throw thrown;
  }
}

/** Nobody answered, or nobody in time, or a node is full: another look may be answered, unless the command is interrupted. */
function mayPass(run: Run, { row }: LedgerError): boolean {
  return row.exit === "UNAVAILABLE" && !run.io.signal.aborted;
}

function notCaughtUp(status: ClusterStatus, member: ClusterMember): LedgerError {
  const last = Number(status.lastIndex);
  const match = Number(member.matchIndex ?? 0n);
  const problem = member.link?.problem ? `; ${member.link.problem}` : "";
  const message = `${nameOf(member)} has ${match} of ${last} entries${problem}`;
  return new LedgerError("NOT_CAUGHT_UP", message, { details: { match, last } });
}

/**
 * Waits until the cluster has a leader and all its voters are up and close behind it.
 * @param expect how many voters there must be; undefined: as many as there are
 * @throws LedgerError DEADLINE_EXCEEDED that says what is missing
 */
export async function waitUntilReady(
  run: Run,
  client: LedgerClient,
  expect: number | undefined,
): Promise<ClusterStatus> {
  const until = untilMs(run);
  let missing = "nobody answered";
  for (;;) {
    try {
      const status = await lookAtCluster({ ...run, say: () => undefined }, client);
      const found = missingOf(status, expect);
      if (found === undefined) return status;
      missing = found;
    } catch (thrown) {
      const error = LedgerError.from(thrown);
      if (!mayPass(run, error)) throw thrown;
      missing = error.message;
    }
    if (Date.now() >= until) {
      throw new LedgerError("DEADLINE_EXCEEDED", `the cluster is not ready: ${missing}`);
    }
    await sleep(LOOK_MS, undefined, { signal: run.io.signal });
  }
}

function missingOf(status: ClusterStatus, expect: number | undefined): string | undefined {
  const voters = votersOf(status);
  if (expect !== undefined && voters.length !== expect) {
    return `${voters.length} of ${expect} voters; ${clusterSentence(status)}`;
  }
  const slow = voters.filter((member) => !isCaughtUp(status, member)).map(nameOf);
  if (clusterHealth(status) !== "healthy") return clusterSentence(status);
  return slow.length === 0 ? undefined : `${slow.join(", ")} not caught up`;
}
