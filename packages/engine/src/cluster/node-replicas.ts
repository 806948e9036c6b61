/**
 * What the replicas of a cluster are to each other as states: gives and takes snapshots, keeps the log that others lack,
 * compares digests, and rebuilds this replica when its state is wrong. Ties the modules to the group and to the peers.
 */
import { joinPath } from "@authledger/io";
import type { NodeId } from "@authledger/types";
import { LedgerError } from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import type { EngineDeps } from "../engine-options.js";
import type { Flusher } from "../flusher.js";
import { GROUP } from "../group-id.js";
import type { ReplicaOptions } from "./cluster-calls.js";
import type { ClusterNode } from "./cluster-node.js";
import { Divergence } from "./divergence.js";
import { decodeConfiguration } from "./group-configuration.js";
import { LOG_RETENTION_DEFAULTS, releasableIndex } from "./log-retention.js";
import { PartedMark } from "./parted-mark.js";
import { FrameKind } from "./peer-port.js";
import type { RaftGroup } from "./raft-group.js";
import { SnapshotExchange } from "./snapshot-exchange.js";
import { snapshotDirectory } from "./snapshot-files.js";
import type { SnapshotPurpose } from "./snapshot-frames.js";
import type { SnapshotHooks } from "./snapshot-hooks.js";
import type { ReceivedSnapshot } from "./snapshot-receiver.js";
import type { StateHolder } from "./state-holder.js";

export interface NodeReplicasDeps extends EngineDeps {
  readonly replicas: ReplicaOptions | undefined;
  /** The data directory. */
  readonly directory: string;
  readonly node: ClusterNode;
  readonly group: RaftGroup;
  readonly holder: StateHolder;
  readonly flusher: Flusher;
  readonly wal: Wal;
  /** Ends what holds views of the state for long, and runs what puts another one in its place. */
  readonly aroundReplaced: (replace: () => Promise<void>) => Promise<void>;
  readonly onReplaced: () => void;
  readonly onDied: (error: LedgerError) => void;
}

/** How often is looked whether the log has come to where a received state is. */
const REBUILD_LOOK_MS = 50;
/** How long a received state is kept for a log in which nothing is committed. */
const REBUILD_WAIT_MS = 10_000;
/** Why a leader gives its state to nobody. */
const WRONG = "this replica's state is wrong, or may be";

export class NodeReplicas {
  readonly hooks: SnapshotHooks;
  readonly divergence: Divergence;
  readonly #deps: NodeReplicasDeps;
  readonly #mark: PartedMark;
  #exchange: SnapshotExchange | undefined;
  /** Why a follower could not be given a state, as it was told last. */
  readonly #told = new Map<NodeId, string>();
  #isLeading = false;
  #isStopped = false;

  constructor(deps: NodeReplicasDeps) {
    this.#deps = deps;
    this.#mark = new PartedMark(deps.disk, groupDirectory(deps.directory), (error) =>
      deps.onAlarm?.(`it was not written down that this replica is wrong: ${error.message}`),
    );
    this.divergence = this.#newDivergence();
    this.hooks = {
      send: (to, index) => {
        // A state from before the node was a member is none for it.
        const { configIndex } = deps.holder.state.applied;
        // INV-REPLICA-15; the group takes the answer when the core's step is over.
        if (this.divergence.isDoubtful) this.#sent(to, false, WRONG, "catch-up");
        else this.#exchange?.send(to, Math.max(index, configIndex));
      },
      install: (snapshot, configuration): Promise<WalRecord> =>
        this.#open().install(snapshot, configuration),
      installed: () => this.#exchange?.installed(),
    };
  }

  /** Before the peers are heard. */
  async start(): Promise<void> {
    const { node } = this.#deps;
    this.#exchange = await this.#openExchange();
    for (const kind of [FrameKind.snapshotChunk, FrameKind.snapshotAck] as const) {
      node.on(kind, (from, payload) =>
        this.#exchange?.onFrame(from, { kind, group: GROUP, payload }),
      );
    }
    node.on(FrameKind.digest, (from, payload) => this.divergence.onFrame(from, payload));
    const doubtedFrom = await this.#mark.load();
    if (doubtedFrom !== undefined) await this.#exchange.distrust();
    this.divergence.start(doubtedFrom);
  }

  /** Who leads, or in which term, is another matter now. */
  onRole(): void {
    const isLeading = this.#deps.group.role === "leader";
    if (!isLeading) this.#exchange?.stopSending("catch-up");
    else if (!this.#isLeading && this.divergence.isDoubtful) {
      // It is told from within the step that made it the leader.
      void this.#deps.timers.yield().then(() => this.divergence.giveUpLeading());
    }
    this.#isLeading = isLeading;
  }

  /** Once a second. */
  care(): void {
    this.#exchange?.tick();
  }

  /** How much of the log may go that this node does not need itself (INV-REPLICA-9). */
  releasable(floor: number): number {
    const { group, wal, replicas, node } = this.#deps;
    const log = wal.group(GROUP)!;
    const durable = Math.min(floor, log.durableIndex);
    if (group.isAlone) return durable;
    const { logKeepBytes, logKeepEntries, logTailEntries } = { ...RETENTION, ...replicas };
    const built = this.#exchange?.builtIndex;
    const followers = group.role === "leader" ? group.progress : [];
    const needed = followers
      .filter((progress) => progress.node !== node.info.nodeId)
      .map(({ state, match }) => (state === "snapshot" && built !== undefined ? built : match));
    // Whoever becomes the leader has a little for those who are not far behind.
    needed.push(floor - logTailEntries);
    if (built !== undefined) needed.push(built);
    // A wrong one needs what follows the state that it is given, which may be as old as it asked for.
    if (this.divergence.isParted) needed.push(log.firstIndex - 1);
    const limits = { bytes: logKeepBytes, entries: logKeepEntries };
    return releasableIndex(log, durable, needed, limits);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.divergence.stop();
    await this.#exchange?.stop();
    await this.#mark.idle();
  }

  #open(): SnapshotExchange {
    if (this.#exchange !== undefined) return this.#exchange;
    throw new LedgerError("NOT_READY", "the node is starting");
  }

  #openExchange(): Promise<SnapshotExchange> {
    const { deps } = { deps: this.#deps };
    const { node, group, holder, replicas, directory } = deps;
    const own = groupDirectory(directory);
    return SnapshotExchange.open(
      { chunkBytes: replicas?.snapshotChunkBytes },
      {
        ...deps,
        group: GROUP,
        incarnation: node.info.incarnation,
        directory: snapshotDirectory(own),
        statePath: joinPath(own, "state.db"),
        send: (to, { kind, payload }) => node.send(to, kind, payload),
        clusterId: () => holder.state.cluster?.id ?? node.clusterId ?? "",
        term: () => group.term,
        isWanted: (purpose, index) => this.#isWanted(purpose, index),
        onSent: (to, ok, why, purpose) => this.#sent(to, ok, why, purpose),
        onReceived: (received) => this.#received(received),
        onAsked: (from, index) => this.#asked(from, index),
        onReplaced: () => {
          this.divergence.replaced();
          deps.onReplaced();
        },
        onAlarm: (alarm) => deps.onAlarm?.(alarm),
        onFatal: deps.onDied,
      },
    );
  }

  #newDivergence(): Divergence {
    const { node, group, holder, clock, timers, random, hasher, replicas, onDied } = this.#deps;
    const self = node.info.nodeId;
    const voters = (): readonly NodeId[] => group.configuration.membership.voters;
    return new Divergence(
      { every: replicas?.digestEvery, intervalMs: replicas?.digestIntervalMs },
      {
        ...{ self, voters, timers, random, hasher, clock },
        state: holder.state,
        others: () =>
          group.configuration.members.map(({ nodeId }) => nodeId).filter((one) => one !== self),
        send: (to, payload) => node.send(to, FrameKind.digest, payload),
        stepDown: (to) => {
          if (group.role === "leader" && !this.#isStopped) group.transfer(to);
        },
        onParted: () => void this.#exchange?.distrust(),
        askForState: (of) => void this.#ask(of),
        mark: this.#mark,
        onAlarm: (alarm) => this.#deps.onAlarm?.(alarm),
        onFatal: onDied,
      },
    );
  }

  #isWanted(purpose: SnapshotPurpose, index: number): boolean {
    const { holder, wal } = this.#deps;
    if (purpose === "catch-up") return index > holder.state.applied.index;
    return this.divergence.isParted && index + 1 >= (wal.group(GROUP)?.firstIndex ?? 1);
  }

  #sent(to: NodeId, ok: boolean, why: string, purpose: SnapshotPurpose): void {
    if (ok) this.#told.delete(to);
    else if (this.#told.get(to) !== why) {
      this.#told.set(to, why);
      this.#deps.onAlarm?.(`node ${to} was not given a snapshot: ${why}`);
    }
    if (purpose === "catch-up") this.#deps.group.snapshotSent(to, ok);
  }

  /** Nothing is put in the place of the wrong state while there is something left that was built of it: it would be sent in vain. */
  async #ask(of: NodeId): Promise<void> {
    const exchange = this.#open();
    const isNeeded = (): boolean => !exchange.isTaking && this.divergence.isParted;
    if (!(isNeeded() && (await exchange.distrust()) && isNeeded())) return;
    const { firstIndex } = this.#deps.wal.group(GROUP)!;
    exchange.ask(of, firstIndex - 1);
  }

  #asked(from: NodeId, index: number): void {
    if (!this.divergence.isDoubtful) this.#exchange?.send(from, index, "rebuild");
  }

  #received(received: ReceivedSnapshot): boolean {
    const { index, term, configuration } = received.state.start;
    if (!this.#isWanted(received.purpose, index)) return false;
    if (received.purpose === "rebuild") {
      this.#rebuild(received).catch((error: unknown) => this.#deps.onDied(LedgerError.from(error)));
      return true;
    }
    const { group, node } = this.#deps;
    const { membership } = decodeConfiguration(configuration);
    const to = node.info.nodeId;
    group.receive({
      ...{ type: "snapshot", from: received.from, to, term: received.leaderTerm },
      snapshot: { index, term, membership },
    });
    // The core may not have taken it: it has the entries by now, or the leader's term is over.
    const settled = group.idle().then(() => this.#exchange?.discard());
    settled.catch((error: unknown) => this.#deps.onDied(LedgerError.from(error)));
    return true;
  }

  /** The log stays as it is: the state is put under it, and what follows is applied again. */
  async #rebuild(received: ReceivedSnapshot): Promise<void> {
    const { group, wal } = this.#deps;
    const { index, term } = received.state.start;
    await this.#committed(index);
    if (this.#isStopped) return;
    const log = wal.group(GROUP)!;
    const fits = (): boolean =>
      group.commitIndex >= index &&
      index + 1 >= log.firstIndex &&
      log.term(index) === term &&
      this.divergence.isParted;
    const replaced = fits() && (await this.#restated(fits, received));
    // It is asked for again after a while (divergence.ts).
    if (!replaced) this.#exchange?.discard();
  }

  /** Waits until an entry is committed here; not where nothing is committed: what the log lacks may be in a catch-up. */
  async #committed(index: number): Promise<void> {
    const { group, timers, clock } = this.#deps;
    let commit = group.commitIndex;
    let sinceMs = clock.monotonicMs();
    while (group.commitIndex < index && !this.#isStopped && this.divergence.isParted) {
      if (group.commitIndex > commit) {
        commit = group.commitIndex;
        sinceMs = clock.monotonicMs();
      } else if (clock.monotonicMs() - sinceMs >= REBUILD_WAIT_MS) return;
      await new Promise<void>((resolve) => void timers.after(REBUILD_LOOK_MS, resolve));
    }
  }

  async #restated(fits: () => boolean, received: ReceivedSnapshot): Promise<boolean> {
    try {
      return await this.#deps.group.restate(fits, () => this.#open().rebuild(received, fits));
    } catch (error) {
      const { code, message } = LedgerError.from(error);
      if (code === "NOT_READY") return false;
      if (code !== "DISK_FULL") throw error;
      this.#deps.onAlarm?.(`there is no room to rebuild this replica: ${message}`);
      return false;
    }
  }
}

export function groupDirectory(directory: string): string {
  return joinPath(directory, "groups", String(GROUP));
}

const RETENTION = {
  logKeepBytes: LOG_RETENTION_DEFAULTS.bytes,
  logKeepEntries: LOG_RETENTION_DEFAULTS.entries,
  logTailEntries: 1_000,
};
