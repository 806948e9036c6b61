/**
 * The cluster side of an engine: puts together the group with what surrounds it (peers, clocks, seed, administration), and
 * keeps what the cluster knows of this node current.
 */

import type { GroupState } from "@authledger/state";
import { assert, LedgerError, type NodeId, toHex } from "@authledger/types";
import type { EngineDeps, EngineOptions } from "../engine-options.js";
import { GROUP } from "../group-id.js";
import type { NodeDirectory } from "../node-directory.js";
import type { GroupWatcher, OpeningGroup } from "../opening-group.js";
import { ClusterAdmin } from "./cluster-admin.js";
import { ClusterNode } from "./cluster-node.js";
import type { Divergence } from "./divergence.js";
import type { EntryTraces } from "./entry-traces.js";
import { nodesOf } from "./group-configuration.js";
import { LeaderMoves } from "./leader-moves.js";
import { LoneFence } from "./lone-fence.js";
import { encodeMemberInfos } from "./member-info.js";
import { groupDirectory, NodeReplicas, type NodeReplicasDeps } from "./node-replicas.js";
import { FrameKind } from "./peer-port.js";
import type { NewEntry } from "./peer-versions.js";
import type { RaftGroup } from "./raft-group.js";
import { ReadRules } from "./read-rules.js";
import { SeedCarrier } from "./seed-carrier.js";
import type { SnapshotHooks } from "./snapshot-hooks.js";

export interface NodeClusterDeps
  extends EngineDeps,
    Pick<NodeReplicasDeps, "holder" | "flusher" | "wal" | "aroundReplaced" | "onReplaced"> {
  readonly options: EngineOptions;
  readonly node: NodeDirectory;
  readonly group: RaftGroup;
  readonly state: GroupState;
  readonly open: OpeningGroup;
  readonly traces: EntryTraces | undefined;
  /** Whether writes are proposed, and by whom, is another matter now. */
  readonly onAdmission: (admission: "open" | "soon" | LedgerError, isLeading: boolean) => void;
  /** Proposes the entry that names a new cluster. */
  readonly initialize: (clusterId: string) => Promise<void>;
  readonly onDied: (error: LedgerError) => void;
  /** Resolves when no vault needs a voter's signature any more. @throws LedgerError POLICIES_PENDING */
  readonly release: (node: NodeId) => Promise<void>;
  /** Resolves when the vaults' policies name the voters, or after a while. */
  readonly follow: () => Promise<void>;
}

/** A group of one has nobody to give its state to, and nobody gives it one. */
const ALONE: SnapshotHooks = {
  send: () => undefined,
  install: () => Promise.reject(new LedgerError("NOT_CLUSTERED", "this node has no peers")),
  installed: () => undefined,
};

export class NodeCluster {
  readonly reads: ReadRules;
  readonly admin: ClusterAdmin;
  /** Absent without an address for peers. */
  readonly node: ClusterNode | undefined;
  readonly #deps: NodeClusterDeps;
  readonly #moves: LeaderMoves;
  readonly #seeds: SeedCarrier | undefined;
  readonly #replicas: NodeReplicas | undefined;
  /** Where there are no replicas to compare with. */
  #fence: LoneFence | undefined;
  /** Told of: writes are refused before they are made. Before the next look the proposer refuses them, entry by entry. */
  #isSkewed = false;
  #stopping: Promise<void> | undefined;
  #isTelling = false;
  #beginning: Promise<void> | undefined;

  constructor(deps: NodeClusterDeps) {
    this.#deps = deps;
    const { options, group, state, timers } = deps;
    this.#moves = new LeaderMoves(group, timers);
    this.node = this.#openNode();
    const { node } = this;
    if (node !== undefined) {
      const { secrets } = deps.node;
      const { random, onDied: onFatal } = deps;
      const onAlarm = (alarm: string): void => deps.onAlarm?.(alarm);
      const { directory, cluster } = options;
      this.#replicas = new NodeReplicas({
        ...{ ...deps, node, directory },
        replicas: cluster?.replicas,
      });
      this.#shareTraces(node);
      this.#seeds = new SeedCarrier(node, { group, secrets, random, onAlarm, onFatal });
    }
    this.reads = new ReadRules({ group, state });
    this.admin = new ClusterAdmin({
      group,
      identity: deps.node.identity,
      cluster: node && options.cluster && { node, options: options.cluster },
      moves: this.#moves,
      timers,
      clusterId: () => state.cluster?.id,
      appliedIndex: () => state.applied.index,
      stateProblem: () => this.stateProblem,
      confirm: () => this.reads.confirm(),
      beginCluster: () => this.#beginCluster(),
      release: deps.release,
      follow: deps.follow,
    });
    deps.open.watcher = this.#watcher();
  }

  /** Joins the peers; a node that founds a cluster names it first. */
  async start(): Promise<void> {
    const { group, state } = this.#deps;
    if (this.#replicas === undefined) this.#fence = await this.#openFence();
    this.#admit();
    const founded = this.#deps.node.identity.clusterId ?? state.cluster?.id;
    if (state.cluster === undefined && group.isReady) await this.#initialize(founded);
    if (this.node !== undefined && state.cluster !== undefined) {
      const joins = this.#deps.node.identity.joins === true;
      await this.node.join(state.cluster.id, joins);
    }
    await this.#replicas?.start();
    this.node?.start();
    this.#tellOwn();
  }

  /** @throws LedgerError REPLICA_DIVERGED, NOT_READY where this replica's state is not that of the majority (INV-REPLICA-11) */
  requireRight(): void {
    const problem = this.stateProblem;
    if (problem !== undefined) throw problem;
  }

  /** The same as a value. */
  get stateProblem(): LedgerError | undefined {
    return this.#divergence?.problem;
  }

  /** @throws LedgerError UPGRADE_UNFINISHED */
  requireUnderstood(what: NewEntry): void {
    this.node?.requireUnderstood(what);
  }

  get isFenced(): boolean {
    return this.#divergence?.isFenced ?? false;
  }

  get #divergence(): Divergence | undefined {
    return this.#replicas?.divergence ?? this.#fence?.divergence;
  }

  /** Why a call that needs a cluster is refused while there is none; undefined once there is one. */
  notYet(): LedgerError | undefined {
    if (this.#deps.state.cluster !== undefined) return undefined;
    if (this.node !== undefined && this.node.clusterId === undefined) {
      return new LedgerError("NODE_WAITING", "this node waits to be added to a cluster");
    }
    const message = "this node has not received the cluster's data yet";
    return new LedgerError("NOT_READY", message, { retryAfterMs: 500 });
  }

  /**
   * A full disk refuses each transaction by itself, as other things do that are found later.
   * @throws LedgerError NOT_LEADER, NO_LEADER, CLOCK_SKEW, ... when writes are not taken here
   */
  requireWritable(): void {
    if (this.#deps.group.isReady && !this.#isSkewed) return;
    const admission = this.#admission();
    if (admission instanceof LedgerError && admission.code !== "DISK_FULL") throw admission;
  }

  /** Gives the leadership away, if another node can take it. */
  async handOver(): Promise<void> {
    const { group, node } = this.#deps;
    if (group.role === "leader" && !group.isAlone) await this.#moves.handOver(node.identity.nodeId);
  }

  stop(error: LedgerError): void {
    this.node?.stop();
    this.#moves.stop(error);
    this.#deps.group.stop(error);
    this.#stopping ??= this.#replicas?.stop() ?? this.#fence?.stop();
  }

  /** Resolves when nothing of it uses the disk any more; after `stop`. */
  async ended(): Promise<void> {
    await this.#stopping;
    await this.node?.idle();
  }

  #openNode(): ClusterNode | undefined {
    const { options, group, state, node, disk, clock, timers } = this.#deps;
    if (options.cluster === undefined) return undefined;
    return new ClusterNode(options.cluster, {
      ...{ group, groupId: GROUP, node, disk, clock, timers },
      appliedIndex: () => state.applied.index,
      configIndex: () => state.applied.configIndex,
      onCare: () => this.#care(),
      onAlarm: (alarm) => this.#deps.onAlarm?.(alarm),
      onFatal: (error) => this.#deps.onDied(error),
    });
  }

  #openFence(): Promise<LoneFence | undefined> {
    const { group, node, options } = this.#deps;
    return LoneFence.open({
      ...this.#deps,
      directory: groupDirectory(options.directory),
      self: node.identity.nodeId,
      voters: () => group.configuration.membership.voters,
    });
  }

  #shareTraces(node: ClusterNode): void {
    const { traces, state } = this.#deps;
    traces?.tellBy((frame) => node.sendToAll(FrameKind.trace, frame));
    node.on(FrameKind.trace, (_from, frame) => traces?.heard(frame, state.applied.index));
  }

  #watcher(): GroupWatcher {
    return {
      send: (message) => this.node?.sendMessage(message),
      onRole: () => {
        this.#admit();
        this.#moves.onRole();
        this.#replicas?.onRole();
      },
      onConfiguration: () => {
        this.node?.onConfiguration();
        // A new voter asks at once: whoever made it one may be the only node that has the log seed, and may be lost next.
        this.#seeds?.care();
        this.#admit();
      },
      onTransferFailed: (to) => this.#moves.onTransferFailed(to),
      onApplied: () => this.#divergence?.applied(),
      releasable: (floor) => this.#replicas?.releasable(floor) ?? floor,
      snapshots: this.#replicas?.hooks ?? ALONE,
    };
  }

  #admission(): "open" | "soon" | LedgerError {
    const { group } = this.#deps;
    const state = group.writeState;
    return state === "open" && this.#isSkewed ? (this.node?.clocks.problem ?? state) : state;
  }

  #admit(): void {
    this.#deps.onAdmission(this.#admission(), this.#deps.group.isReady);
  }

  async #initialize(clusterId = toHex(this.#deps.random.bytes(16))): Promise<void> {
    await this.#deps.initialize(clusterId);
  }

  /** `cluster_init`: a node that waits becomes the first of a new cluster. Calls at the same time begin one. */
  #beginCluster(): Promise<void> {
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  /** From the first step that is missing, should an earlier attempt have failed behind it. */
  async #begin(): Promise<void> {
    const { group, node, random, state } = this.#deps;
    assert(this.node !== undefined, "a node that waits has an address for peers");
    if (this.node.clusterId === undefined) {
      const seed = random.bytes(32);
      await this.node.begin(toHex(random.bytes(16)), () => node.secrets.takeLogSeed(seed));
    }
    if (nodesOf(group.configuration.membership).length === 0) await group.begin();
    if (!group.isReady) throw group.notLeading();
    if (state.cluster === undefined) await this.#initialize(this.node.clusterId);
    this.#admit();
    this.#tellOwn();
  }

  #care(): void {
    this.#seeds?.care();
    this.#replicas?.care();
    this.#tellOwn();
    this.#deps.group.reads.renewAge();
    const problem = this.#deps.group.isReady ? this.node?.clocks.problem : undefined;
    if ((problem !== undefined) === this.#isSkewed) return;
    this.#isSkewed = problem !== undefined;
    if (problem !== undefined) this.#deps.onAlarm?.(problem.message);
    this.#admit();
  }

  /** As leader: the group's configuration says of each member what that says of itself. */
  #tellOwn(): void {
    const { group } = this.#deps;
    if (this.node === undefined || !group.isReady || this.#isTelling) return;
    const { info } = this.node;
    const isKnown = group.configuration.members.some(({ nodeId }) => nodeId === info.nodeId);
    const told = isKnown ? this.node.changedInfos() : [info];
    const [next] = told;
    if (next === undefined) return;
    this.#isTelling = true;
    const action = isKnown ? "update" : "add-voter";
    const ended = (): void => {
      this.#isTelling = false;
    };
    group.proposeChange(
      {
        transition: "auto",
        changes: [{ action, node: next.nodeId }],
        context: encodeMemberInfos([next]),
      },
      { applied: ended, failed: ended },
    );
  }
}
