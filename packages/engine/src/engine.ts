/**
 * The engine of a node: owns every file, is the single writer, and answers what crosses the port.
 *
 * One thread: a read runs where it arrives, between two entries; a write waits for its entry to be synced and
 * applied. Long work (replay, flush, filling log segments) is cut into slices by those who do it.
 */
import type { Clock, Disk, Random, Timers } from "@authledger/io";
import { joinPath } from "@authledger/io";
import { GroupState, isGone } from "@authledger/state";
import { DataLock, PageStore, type StoreStats } from "@authledger/store";
import { type Hasher, LedgerError, toHex, validateOrigin } from "@authledger/types";
import { Wal, type WalStats } from "@authledger/wal";
import { BlockFeed } from "./block-feed.js";
import { BlockReads } from "./block-reads.js";
import { ClusterAdmin } from "./cluster/cluster-admin.js";
import type { ClusterOptions } from "./cluster/cluster-calls.js";
import { snapshotDirectory } from "./cluster/snapshot-files.js";
import { StateHolder } from "./cluster/state-holder.js";
import { finishSwitch, unfinishedSwitch } from "./cluster/state-switch.js";
import { Deleter, type DeleterStats } from "./deleter.js";
import { Expirer, type ExpiryStats, GC_ACTOR } from "./expirer.js";
import { Exports } from "./exports.js";
import { Flusher, type FlushPolicy } from "./flusher.js";
import { GROUP } from "./group-id.js";
import { GroupOfOne } from "./group-of-one.js";
import { SIGN_INTERVAL_MS, SIGN_ROUND_MAX } from "./limits.js";
import { type ListingDeps, Listings } from "./listings.js";
import {
  Maintenance,
  type MaintenanceOptions,
  type MaintenanceStats,
} from "./maintenance/maintenance.js";
import {
  DATA_FORMAT_VERSION,
  type NodeDirectory,
  openNodeDirectory,
  replicaName,
} from "./node-directory.js";
import { OpeningGroup } from "./opening-group.js";
import type { EngineCall, EnginePort, EngineReply, EngineRequest, NodeInfo } from "./port.js";
import { Proposer } from "./proposer.js";
import { Reads } from "./reads.js";
import { RetentionKeeper } from "./retention-keeper.js";
import { Signer } from "./signer.js";
import { stoppedBy } from "./stopped.js";
import { findOrganization, findVault, organizationInfo, vaultInfo } from "./vault-lookup.js";
import { updateVault } from "./vault-update.js";
import { Writes } from "./writes.js";

export interface EngineOptions extends MaintenanceOptions {
  /** The data directory; created when missing. */
  readonly directory: string;
  /** Memory of the page cache, in bytes. Default 256 MiB. */
  readonly cacheBytes: number;
  /** Prefix of all origins, for a new cluster. Default `<16 hex of the cluster id>.authledger.local`. */
  readonly clusterOrigin?: string | undefined;
  /** Bytes of a segment of a new log, as `WalOptions.segmentBytes`. Default 64 MiB. */
  readonly logSegmentBytes?: number | undefined;
  /** When the page store is flushed. Default as limits.ts says. */
  readonly flushPolicy?: FlushPolicy | undefined;
  /** Absent: a group of one, which opens no connection. */
  readonly cluster?: ClusterOptions | undefined;
}

export interface EngineDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  /** Takes the data directory for this process. */
  readonly lock: (directory: string) => Promise<{ release(): Promise<void> }>;
  /** The node cannot go on: the process must exit with the error's exit code. */
  readonly onFatal: (error: LedgerError) => void;
  /** The scrubber found something; the node goes on (docs/operations.md). */
  readonly onAlarm?: ((alarm: string) => void) | undefined;
}

/** Figures for metrics. */
export interface EngineStats {
  readonly store: StoreStats;
  readonly wal: WalStats;
  readonly writesWaiting: number;
  readonly entriesInFlight: number;
  readonly appliedIndex: number;
  readonly flushedIndex: number;
  readonly branchBytes: number;
  readonly expiry: ExpiryStats;
  readonly maintenance: MaintenanceStats;
  readonly deleter: DeleterStats;
}

export class Engine implements EnginePort {
  readonly #deps: EngineDeps;
  readonly #node: NodeDirectory;
  readonly #lock: { release(): Promise<void> };
  readonly #wal: Wal;
  readonly #holder: StateHolder;
  readonly #state: GroupState;
  readonly #group: GroupOfOne;
  readonly #proposer: Proposer;
  readonly #signer: Signer;
  readonly #flusher: Flusher;
  readonly #reads: Reads;
  readonly #listings: Listings;
  readonly #blocks: BlockReads;
  readonly #feed: BlockFeed;
  readonly #writes: Writes;
  readonly #expirer: Expirer;
  readonly #deleter: Deleter;
  readonly #keeper: RetentionKeeper;
  readonly #exports: Exports;
  readonly #maintenance: Maintenance;
  #stopTicking: () => void = () => undefined;
  #nextSigned = 0;
  #failure: LedgerError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    readonly options: EngineOptions;
    readonly deps: EngineDeps;
    readonly node: NodeDirectory;
    readonly lock: { release(): Promise<void> };
    readonly wal: Wal;
    readonly holder: StateHolder;
    readonly open: OpeningGroup;
    readonly flusher: Flusher;
    readonly group: GroupOfOne;
  }) {
    const { deps, node, wal, holder, open } = parts;
    const { state } = holder;
    this.#deps = deps;
    this.#node = node;
    this.#lock = parts.lock;
    this.#wal = wal;
    this.#holder = holder;
    this.#state = state;
    this.#group = parts.group;
    this.#flusher = parts.flusher;
    const { clock, hasher, random, timers } = deps;
    const soon = (run: () => void): void => {
      const done = timers.yield().then(run);
      done.catch((error: unknown) => this.#die(LedgerError.from(error)));
    };
    const name = replicaName(node.identity);
    const onRefused = (error: LedgerError): void => this.#die(error);
    this.#signer = new Signer(GROUP, name, node.secrets, { wal, clock, hasher, soon, onRefused });
    this.#proposer = new Proposer({
      clock,
      lastTimeMs: () => state.applied.leaderTimeMs,
      submit: (entry) => this.#group.submit(entry),
      soon,
      onCaughtUp: () => this.#writes.caughtUp(),
    });
    open.proposer = this.#proposer;
    open.onFatal = (error) => this.#die(error);
    this.#reads = new Reads({ state, signer: this.#signer, clock, hasher });
    const see: ListingDeps["see"] = (vault, consistency) => this.#reads.see(vault, consistency);
    this.#listings = new Listings({ state, see });
    this.#exports = new Exports({ state, flusher: this.#flusher, clock, hasher, timers });
    const nowMs = (): number => clock.nowMs();
    const getBlock = this.#reads.getBlock.bind(this.#reads);
    this.#blocks = new BlockReads({ state, hasher, nowMs, getBlock });
    this.#feed = new BlockFeed(state.applied.index, timers);
    open.feed = this.#feed;
    const { proposer, signer } = { proposer: this.#proposer, signer: this.#signer };
    this.#maintenance = new Maintenance(
      {
        ...{ holder, state, flusher: parts.flusher, clock, timers, hasher },
        onAlarm: (alarm) => deps.onAlarm?.(alarm),
        onFatal: (error) => this.#die(error),
        failure: () => this.#failure,
      },
      parts.options,
    );
    const checkWritable = (vault: number): void => this.#maintenance.checkWritable(vault);
    const writes = new Writes({ state, proposer, signer, hasher, random, nowMs, checkWritable });
    this.#writes = writes;
    const onFatal = (error: LedgerError): void => this.#die(error);
    this.#deleter = new Deleter({ state, writes, signer, timers, onFatal });
    this.#expirer = this.#newExpirer(writes);
    this.#keeper = this.#newKeeper(writes);
  }

  #newKeeper(writes: Writes): RetentionKeeper {
    return new RetentionKeeper({
      state: this.#state,
      propose: async (vault) => {
        this.#maintenance.checkWritable(vault);
        await writes.proposePrune(vault);
      },
      onFatal: (error) => this.#die(error),
    });
  }

  #newExpirer(writes: Writes): Expirer {
    const { clock, timers } = this.#deps;
    return new Expirer({
      state: this.#state,
      clock,
      timers,
      propose: async (vault, transaction) => {
        this.#maintenance.checkWritable(vault);
        return writes.proposeOwn(vault, GC_ACTOR, transaction);
      },
      onFatal: (error) => this.#die(error),
    });
  }

  /**
   * Opens the data directory, recovers, and is ready for calls.
   * @throws LedgerError DATA_DIR_IN_USE, DATA_DIR_INVALID, FORMAT_NEWER, WAL_CORRUPT, STORE_NO_VALID_SLOT, ...
   */
  static async open(options: EngineOptions, deps: EngineDeps): Promise<Engine> {
    if (options.clusterOrigin !== undefined)
      validateOrigin(options.clusterOrigin, "cluster origin");
    await deps.disk.makeDirectory(options.directory);
    const lock = await deps.lock(options.directory);
    const closers = [() => lock.release()];
    try {
      const engine = await Engine.#open(options, deps, lock, closers);
      await engine.#begin(options.clusterOrigin);
      return engine;
    } catch (error) {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      throw error;
    }
  }

  static async #open(
    options: EngineOptions,
    deps: EngineDeps,
    lock: { release(): Promise<void> },
    closers: (() => Promise<void>)[],
  ): Promise<Engine> {
    const { directory, cacheBytes, logSegmentBytes } = options;
    const node = await openNodeDirectory(directory, deps);
    const groupDirectory = joinPath(directory, "groups", String(GROUP));
    const snapshots = snapshotDirectory(groupDirectory);
    await deps.disk.makeDirectory(snapshots);
    await deps.disk.syncDirectory(joinPath(directory, "groups"));
    await deps.disk.syncDirectory(groupDirectory);
    const storeOptions = {
      path: joinPath(groupDirectory, "state.db"),
      cacheBytes,
      groupId: GROUP,
      incarnation: node.identity.incarnation,
    };
    const begun = await unfinishedSwitch(deps.disk, snapshots);
    const store = await PageStore.open(storeOptions, deps);
    closers.push(() => store.close());
    const open = new OpeningGroup(deps.onFatal);
    const wal = await Wal.open(
      {
        directory: joinPath(directory, "wal"),
        voters: "one",
        ...(logSegmentBytes !== undefined && { segmentBytes: logSegmentBytes }),
        // The log may not have heard yet of a state that was being put in place.
        ...(begun === undefined &&
          store.applied.index > 0 && {
            knownDurableIndexes: new Map([[GROUP, store.applied.index]]),
          }),
      },
      { ...deps, onFatal: (error) => open.die(error) },
    );
    closers.push(() => wal.close());
    if (begun !== undefined) {
      await finishSwitch(begun, store.uuid, GROUP, { disk: deps.disk, wal, directory: snapshots });
    }
    const state = new GroupState(store, deps.hasher);
    const onFatal = (error: LedgerError): void => open.die(error);
    const holder = new StateHolder(store, state, storeOptions, { ...deps, onFatal });
    const flusher = new Flusher(GROUP, cacheBytes, {
      get store() {
        return holder.store;
      },
      state,
      wal,
      clock: deps.clock,
      yield: () => deps.timers.yield(),
      onDiskFull: (error) => open.proposer?.pause(error),
      onFatal: (error) => open.die(error),
      onFlushed: () => open.afterApply(),
      policy: options.flushPolicy,
    });
    open.flusher = flusher;
    const group = await GroupOfOne.open(GROUP, node.identity.nodeId, {
      wal,
      state,
      yield: () => deps.timers.yield(),
      onBlocks: (index, blocks) => open.feed?.note(index, blocks),
      onApplied: () => open.afterApply(),
      room: () => open.room(),
      onSettled: () => open.proposer?.settled(),
      onFatal: (error) => open.die(error),
    });
    if (open.failure !== undefined) throw open.failure;
    return new Engine({ options, deps, node, lock, wal, holder, open, flusher, group });
  }

  /** Initializes a new cluster and starts the clockwork. */
  async #begin(clusterOrigin: string | undefined): Promise<void> {
    if (this.#state.cluster === undefined) {
      const id = toHex(this.#deps.random.bytes(16));
      const origin = clusterOrigin ?? `${id.slice(0, 16)}.authledger.local`;
      await this.#writes.initialize(id, origin);
    }
    this.#tick();
    this.#expirer.start();
    this.#deleter.start();
  }

  get identity(): NodeDirectory["identity"] {
    return this.#node.identity;
  }

  /** Authenticates page tokens of the front. */
  get pageTokenKey(): Uint8Array {
    return this.#node.secrets.pageTokenKey;
  }

  /** Why the node has stopped, if it has. */
  get failure(): LedgerError | undefined {
    return this.#failure;
  }

  stats(): EngineStats {
    return {
      store: this.#holder.store.stats(),
      wal: this.#wal.stats(),
      writesWaiting: this.#proposer.waiting,
      entriesInFlight: this.#proposer.inFlight,
      appliedIndex: this.#state.applied.index,
      flushedIndex: this.#flusher.flushedIndex,
      branchBytes: this.#state.branchBytes,
      expiry: this.#expirer.stats(),
      maintenance: this.#maintenance.stats,
      deleter: this.#deleter.stats(),
    };
  }

  call<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): Promise<EngineReply<C>> {
    try {
      return Promise.resolve(this.ask(call, request, deadlineAtMs));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  ask<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): EngineReply<C> | Promise<EngineReply<C>> {
    if (this.#failure !== undefined) throw stoppedBy(this.#failure);
    if (this.#closing !== undefined) {
      throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
    }
    return (this.#handlers[call] as Handler<C>)(request, deadlineAtMs);
  }

  /** Stops the node for what was found outside of the engine, as a broken invariant of the front. */
  fail(error: LedgerError): void {
    this.#die(error);
  }

  /** Waits for what was accepted, flushes, and closes everything. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#stopTicking();
    await this.#expirer.stop();
    await this.#deleter.stop();
    await this.#keeper.stop();
    this.#feed.stop(new LedgerError("SHUTTING_DOWN", "the node is shutting down"));
    this.#exports.endAll();
    await this.#maintenance.stop();
    await this.#proposer.idle();
    if (this.#failure === undefined) {
      await this.#group.idle();
      await this.#signer.idle();
      await this.#flusher.flush();
    }
    await this.#holder.close();
    await this.#wal.close();
    await this.#lock.release();
  }

  readonly #cluster = new ClusterAdmin({
    identity: () => this.#node.identity,
    clusterId: () => this.#state.cluster?.id,
    term: () => this.#group.term,
    lastIndex: () => this.#group.lastIndex,
    appliedIndex: () => this.#state.applied.index,
  });

  readonly #handlers: { readonly [C in EngineCall]: Handler<C> } = {
    resolve_vault: ({ organization, vault }) => {
      const row = findVault(this.#state, organization, vault);
      return { vault: isGone(row) ? this.#state.requireVault(row.id).id : row.id };
    },
    write: (request, deadline) => this.#writes.write(request, deadline),
    read_entities: (request) => this.#reads.readEntities(request),
    check: (request) => this.#reads.check(request),
    list_tuples: (request) => this.#reads.listTuples(request),
    list_entities: (request) => this.#listings.entities(request),
    list_resources: (request) => this.#listings.resources(request),
    get_client_state: (request) => this.#listings.clientState(request),
    get_tip: (request) => this.#reads.getTip(request),
    get_block: (request) => this.#reads.getBlock(request),
    get_block_range: (request) => this.#blocks.range(request),
    get_compact_range: (request) => this.#blocks.compactRange(request),
    get_block_proof: (request) => this.#blocks.proof(request),
    list_changes: (request) => this.#blocks.changes(request),
    wait_blocks: (request) => this.#feed.wait(request),
    get_checkpoint: (request) => this.#reads.getCheckpoint(request),
    get_consistency_proof: (request) => this.#reads.getConsistencyProof(request),
    get_trust_anchor: ({ vault }) => ({ anchor: this.#writes.trustAnchor(vault) }),
    create_organization: (request) => this.#writes.createOrganization(request),
    get_organization: ({ organization }) => ({
      organization: organizationInfo(findOrganization(this.#state, organization)),
    }),
    list_organizations: ({ limit, after }) => {
      const { rows, next } = this.#state.rows.organizations(after ?? 1n, limit);
      const organizations = rows.map(organizationInfo);
      return next === undefined ? { organizations } : { organizations, next };
    },
    delete_organization: (request) => this.#deleter.deleteOrganization(request),
    delete_vault: (request) => this.#deleter.deleteVault(request),
    create_vault: (request) => this.#writes.createVault(request),
    get_vault: ({ organization, vault }) => {
      const row = findVault(this.#state, organization, vault);
      return { vault: vaultInfo(this.#state, row), health: this.#maintenance.healthOf(row.id) };
    },
    update_vault: (request) =>
      updateVault(
        { state: this.#state, propose: (...own) => this.#writes.proposeOwn(...own) },
        request,
      ),
    list_vaults: ({ organization, limit, after }) => {
      const { id } = findOrganization(this.#state, organization);
      const { rows, next } = this.#state.rows.vaults(id, after ?? 0n, limit);
      const vaults = rows.map((row) => vaultInfo(this.#state, row));
      return next === undefined ? { vaults } : { vaults, next };
    },
    get_node_info: () => this.#nodeInfo(),
    export_begin: () => this.#exports.begin(),
    export_next: ({ export: id }) => this.#exports.next(id),
    export_end: ({ export: id }) => this.#exports.end(id),
    compact: (request) => this.#maintenance.compact(request),
    cluster_status: () => this.#cluster.status(),
    cluster_init: () => this.#cluster.refuse(),
    cluster_add: () => this.#cluster.refuse(),
    cluster_promote: () => this.#cluster.refuse(),
    cluster_remove: () => this.#cluster.refuse(),
    cluster_transfer: () => this.#cluster.refuse(),
    check_integrity: (request) => this.#maintenance.checkIntegrity(request),
  };

  #nodeInfo(): NodeInfo {
    const cluster = this.#state.cluster!;
    return {
      nodeId: this.#node.identity.nodeId,
      clusterId: cluster.id,
      clusterOrigin: cluster.origin,
      formatVersion: DATA_FORMAT_VERSION,
      role: "leader",
      term: this.#group.term,
      lastIndex: this.#group.lastIndex,
      appliedIndex: this.#state.applied.index,
      flushedIndex: this.#flusher.flushedIndex,
      organizations: this.#state.rows.liveOrganizations - 1,
      vaults: this.#state.rows.liveVaults - 1,
      maintenance: this.#maintenance.info(),
    };
  }

  /** Once a second: flush when it is due, sign heads that moved. */
  #tick(): void {
    this.#stopTicking = this.#deps.timers.after(SIGN_INTERVAL_MS, () => {
      if (this.#failure !== undefined || this.#closing !== undefined) return;
      this.#flusher.tick();
      this.#exports.tick();
      this.#signMoved();
      this.#maintenance.tick();
      this.#keeper.tick();
      this.#tick();
    });
  }

  #signMoved(): void {
    const count = this.#state.rows.vaultCount;
    for (let looked = 0; looked < Math.min(count, SIGN_ROUND_MAX); looked++) {
      const vault = this.#state.openVault(this.#nextSigned);
      this.#nextSigned = (this.#nextSigned + 1) % count;
      if (vault === undefined || !this.#signer.isMoved(vault)) continue;
      // A refusal has stopped the node by now; a full disk is met again by whoever asks.
      this.#signer.head(vault).catch(() => undefined);
    }
  }

  #die(error: LedgerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#flusher.stop();
    this.#proposer.stop(stoppedBy(error));
    void this.#expirer.stop();
    void this.#deleter.stop();
    void this.#keeper.stop();
    this.#feed.stop(stoppedBy(error));
    this.#deps.onFatal(error);
  }
}

type Handler<C extends EngineCall> = (
  request: EngineRequest<C>,
  deadlineAtMs: number | undefined,
) => EngineReply<C> | Promise<EngineReply<C>>;

/** Takes a data directory with the lock of the page store. */
export function lockDataDirectory(directory: string): Promise<{ release(): Promise<void> }> {
  return DataLock.acquire(directory);
}
