/**
 * Looks at the cluster a few times a second on behalf of everybody who wants to know: probes, metrics, the log.
 *
 *   INV-CLUSTER-3  A node says that it is ready only when it belongs to a cluster that has had a leader within the last
 *                  seconds, has applied all but a bounded part of what it knows to be committed, does not know its
 *                  state to be wrong, and, where there are others, reaches one of them (L-147).
 *
 * An election takes less than a second: that alone makes no node unready, or each one would take all of them out of
 * service at once. Nor does a wrong state: it is that of a minority.
 */
import type { ClusterStatus, EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import { Rounds } from "./watchdog/node-jobs.js";

const LOOK_MS = 250;
/** Without a leader for so long the node is not ready. */
const LEADERLESS_MS_MAX = 3_000;
/** Entries known to be committed and not applied yet. */
const LAG_MAX = 1_000;

export interface ClusterWatchDeps {
  readonly engine: EnginePort;
  readonly nowMs: () => number;
  /** The node has become ready, or is not any more; then with the reason. */
  readonly onReadiness: (problem: string | undefined) => void;
  /** Role, term or leader is another than at the look before. */
  readonly onChange: (status: ClusterStatus) => void;
}

export class ClusterWatch {
  readonly #deps: ClusterWatchDeps;
  #timer: NodeJS.Timeout | undefined;
  #status: ClusterStatus | undefined;
  #leaderSeenAtMs: number | undefined;
  #problem: string | undefined = "the node is starting";
  #isFirst = true;
  /** Its looks, for the watchdog. */
  readonly rounds: Rounds = new Rounds();

  constructor(deps: ClusterWatchDeps) {
    this.#deps = deps;
  }

  /** The newest look; undefined before the first. */
  get status(): ClusterStatus | undefined {
    return this.#status;
  }

  /** Why the node is not ready; undefined when it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Takes the first look, and goes on until it is stopped. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.rounds.run(() => this.look()), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async look(): Promise<void> {
    let problem: string | undefined;
    try {
      const status = await this.#deps.engine.call("cluster_status", {});
      const before = this.#status;
      this.#status = status;
      if (before === undefined || isOther(before, status)) this.#deps.onChange(status);
      problem = this.#judge(status);
    } catch (thrown) {
      problem = LedgerError.from(thrown).message;
    }
    const isChanged = this.#isFirst || (problem === undefined) !== (this.#problem === undefined);
    this.#problem = problem;
    this.#isFirst = false;
    if (isChanged) this.#deps.onReadiness(problem);
  }

  #judge(status: ClusterStatus): string | undefined {
    const { role, leader, commitIndex, appliedIndex, isRecovering, stateProblem } = status;
    if (role === "waiting") return "the node waits to be added to a cluster";
    if (role === "removed") return "the node was removed from its cluster";
    if (isRecovering) return "the node may have lost the end of its log and catches up";
    if (stateProblem !== undefined) return stateProblem;
    const nowMs = this.#deps.nowMs();
    if (leader !== undefined) this.#leaderSeenAtMs = nowMs;
    const leaderlessMs = nowMs - (this.#leaderSeenAtMs ?? Number.NEGATIVE_INFINITY);
    if (leaderlessMs > LEADERLESS_MS_MAX) return "the cluster has no leader";
    const lag = commitIndex - appliedIndex;
    if (lag > LAG_MAX) return `the node has ${lag} committed entries to apply`;
    const links = status.members.flatMap(({ link }) => (link === undefined ? [] : [link]));
    const isCutOff = links.length > 0 && links.every(({ isConnected }) => !isConnected);
    return isCutOff ? "the node reaches no other one" : undefined;
  }
}

function isOther(a: ClusterStatus, b: ClusterStatus): boolean {
  return a.role !== b.role || a.term !== b.term || a.leader !== b.leader;
}
