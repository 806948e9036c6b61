/**
 * The engine of a node: owns every file, is the single writer, and answers what crosses the port.
 *
 * One thread: a read runs where it arrives, between two entries; a write waits for its entry to be synced and
 * applied. Long work (replay, flush, filling log segments) is cut into slices by those who do it.
 */
import { type GroupState, isGone } from "@authledger/state";
import { DataLock, type StoreStats } from "@authledger/store";
import { type Consistency, height, LedgerError, validateOrigin } from "@authledger/types";
import type { Wal, WalStats } from "@authledger/wal";
import { Authorization, authorizationHandlers } from "./authorization/authorization.js";
import { BlockFeed } from "./block-feed.js";
import { BlockReads } from "./block-reads.js";
import { HEAD_RENEW_MS } from "./cluster/cosign-limits.js";
import { type GroupStats, groupStats } from "./cluster/group-stats.js";
import { LeaderWork } from "./cluster/leader-work.js";
import { NodeCluster } from "./cluster/node-cluster.js";
import { NodeHeads } from "./cluster/node-heads.js";
import { policyBundlesAfter } from "./cluster/policy-bundles.js";
import { PolicyKeeper } from "./cluster/policy-keeper.js";
import type { RaftGroup } from "./cluster/raft-group.js";
import type { StateHolder } from "./cluster/state-holder.js";
import { clusterKey } from "./cluster-key.js";
import { Deleter, type DeleterStats } from "./deleter.js";
import type { EngineDeps, EngineOptions } from "./engine-options.js";
import { erase } from "./eraser.js";
import { Expirer, type ExpiryStats, GC_ACTOR } from "./expirer.js";
import { Exports } from "./exports.js";
import type { Flusher } from "./flusher.js";
import { SIGN_INTERVAL_MS, SIGN_ROUND_MAX } from "./limits.js";
import { type ListingDeps, Listings } from "./listings.js";
import { Maintenance, type MaintenanceStats } from "./maintenance/maintenance.js";
import { DATA_FORMAT_VERSION, type NodeDirectory } from "./node-directory.js";
import { type EngineParts, openParts } from "./open-engine.js";
import type { EngineCall, EnginePort, EngineReply, EngineRequest, NodeInfo } from "./port.js";
import { type ProposedEntry, Proposer } from "./proposer.js";
import { Reads } from "./reads.js";
import { RetentionKeeper } from "./retention-keeper.js";
import type { Signer } from "./signer.js";
import { stoppedBy } from "./stopped.js";
import { SystemSealer } from "./system-sealer.js";
import { harmless } from "./tracer.js";
import {
  findOrganization,
  findVault,
  organizationInfo,
  organizationPage,
  usageOf,
  vaultInfo,
  vaultPage,
} from "./vault-lookup.js";
import { updateVault, type VaultUpdateDeps } from "./vault-update.js";
import { type WriteDeps, Writes } from "./writes.js";

/** Figures for metrics. */
export interface EngineStats {
  readonly store: StoreStats;
  readonly wal: WalStats;
  readonly writesWaiting: number;
  readonly entriesInFlight: number;
  /** Since the start: what was proposed here, and into how many entries it went. */
  readonly batching: { readonly proposals: number; readonly entries: number };
  readonly appliedIndex: number;
  readonly flushedIndex: number;
  readonly branchBytes: number;
  readonly expiry: ExpiryStats;
  readonly maintenance: MaintenanceStats;
  readonly deleter: DeleterStats;
  readonly group: GroupStats;
  /** On the leader: does every vault's policy name exactly those who vote? False on the others, who do not look. */
  readonly arePoliciesSettled: boolean;
}

export class Engine implements EnginePort {
  readonly #deps: EngineDeps;
  readonly #node: NodeDirectory;
  readonly #lock: { release(): Promise<void> };
  readonly #wal: Wal;
  readonly #holder: StateHolder;
  readonly #state: GroupState;
  readonly #group: RaftGroup;
  readonly #cluster: NodeCluster;
  readonly #leaderWork: LeaderWork;
  readonly #proposer: Proposer;
  readonly #heads: NodeHeads;
  readonly #signer: Signer;
  readonly #flusher: Flusher;
  readonly #reads: Reads;
  readonly #listings: Listings;
  readonly #authorization: Authorization;
  readonly #blocks: BlockReads;
  readonly #feed: BlockFeed;
  readonly #writes: Writes;
  readonly #expirer: Expirer;
  readonly #deleter: Deleter;
  readonly #keeper: RetentionKeeper;
  readonly #policies: PolicyKeeper;
  readonly #exports: Exports;
  readonly #maintenance: Maintenance;
  #stopTicking: () => void = () => undefined;
  #nextSigned = 0;
  #failure: LedgerError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: EngineParts) {
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
    const onFatal = (error: LedgerError): void => this.#die(error);
    this.#heads = this.#newHeads(parts, soon, onFatal);
    open.heads = this.#heads;
    this.#signer = this.#heads.signer;
    this.#proposer = new Proposer({
      clock,
      lastTimeMs: () => state.applied.leaderTimeMs,
      stampProblem: (nowMs) =>
        this.#cluster.node?.clocks.problemOf(nowMs) ?? this.#cluster.stateProblem,
      submit: (entry) => submitTo(parts, entry, this.#proposer),
      soon,
      onCaughtUp: () => this.#writes.caughtUp(),
    });
    open.proposer = this.#proposer;
    open.onFatal = onFatal;
    this.#reads = this.#newReads(parts);
    const see: ListingDeps["see"] = (vault, consistency) => this.#reads.see(vault, consistency);
    this.#listings = new Listings({ state, see });
    this.#exports = new Exports({ state, flusher: this.#flusher, clock, hasher, timers });
    const nowMs = (): number => clock.nowMs();
    const getBlock = this.#reads.getBlock.bind(this.#reads);
    this.#blocks = new BlockReads({ state, hasher, nowMs, getBlock });
    this.#feed = new BlockFeed(state.applied.index, timers);
    open.feed = this.#feed;
    const { proposer, signer } = { proposer: this.#proposer, signer: this.#signer };
    this.#maintenance = this.#newMaintenance(parts, onFatal);
    const rules = this.#writeRules();
    const writes = new Writes({
      state,
      proposer,
      signer,
      hasher,
      random,
      nowMs,
      tracer: deps.tracer,
      ...rules,
    });
    this.#writes = writes;
    this.#authorization = this.#newAuthorization(writes, see);
    const confirm = (): Promise<void> => this.#cluster.reads.confirm();
    this.#deleter = new Deleter({ state, writes, signer, timers, confirm, onFatal });
    this.#expirer = this.#newExpirer(writes);
    this.#keeper = this.#newKeeper(writes);
    this.#policies = this.#newPolicies(writes);
    this.#leaderWork = new LeaderWork([this.#expirer, this.#deleter, this.#policies]);
    this.#cluster = this.#newCluster(parts, writes);
    this.#heads.listen(this.#cluster.node);
  }

  #newReads({ deps, holder }: EngineParts): Reads {
    const { clock, hasher } = deps;
    const untilSize: NodeHeads["untilSize"] = (...wanted) => this.#heads.untilSize(...wanted);
    const requireRight = (): void => this.#cluster.requireRight();
    const { state } = holder;
    return new Reads({ state, signer: this.#signer, clock, hasher, requireRight, untilSize });
  }

  #newHeads(
    { deps, options, group, node, wal, holder, evidence }: EngineParts,
    soon: (run: () => void) => void,
    onHalt: (error: LedgerError) => void,
  ): NodeHeads {
    const { state } = holder;
    return new NodeHeads({
      ...{ ...deps, group, node, wal, state, soon, evidence, onHalt },
      clusterNode: options.cluster && (() => this.#cluster.node),
      cosigners: () => this.#policies.cosigners,
      isWhole: (vault) => this.#maintenance.healthOf(vault) === "healthy",
      stateProblem: () => this.#cluster.stateProblem,
      handOver: () => this.#cluster.handOver(),
      onAlarm: (alarm) => deps.onAlarm?.(alarm),
    });
  }

  #newMaintenance(
    { deps, options, holder, flusher }: EngineParts,
    onFatal: (error: LedgerError) => void,
  ): Maintenance {
    const { clock, timers, hasher } = deps;
    const { state } = holder;
    return new Maintenance(
      {
        ...{ holder, state, flusher, clock, timers, hasher, onFatal },
        onAlarm: (alarm) => deps.onAlarm?.(alarm),
        failure: () => this.#failure,
      },
      options,
    );
  }

  #writeRules(): Pick<WriteDeps, "checkWritable" | "checkAllowed"> {
    return {
      checkWritable: (vault) => this.#checkWritable(vault),
      checkAllowed: (...about) => this.#authorization.checkAllowed(...about),
    };
  }

  #newAuthorization(writes: Writes, see: ListingDeps["see"]): Authorization {
    const [state, { hasher }] = [this.#state, this.#deps];
    const propose: Writes["proposeRecords"] = (...about) => writes.proposeRecords(...about);
    const prove: Reads["prove"] = (...about) => this.#reads.prove(...about);
    const confirm = (): Promise<void> => this.#cluster.reads.confirm();
    return new Authorization({ state, hasher, see, prove, propose, confirm });
  }

  #newPolicies(writes: Writes): PolicyKeeper {
    const { clock, hasher, random, timers } = this.#deps;
    const [state, signer] = [this.#state, this.#signer];
    const checkWritable = (vault: number): void => this.#checkWritable(vault);
    return new PolicyKeeper({
      ...{ state, signer, policies: this.#heads.policies, hasher, clock, timers, checkWritable },
      sealer: new SystemSealer(hasher, random),
      voters: () => this.#heads.settledVoters(),
      propose: (make) => writes.proposeItem(make, false),
      barrier: () => writes.barrier(),
      onFatal: (error) => this.#die(error),
    });
  }

  #newCluster(parts: EngineParts, writes: Writes): NodeCluster {
    const { deps, options, node, holder, wal, open, group, traces } = parts;
    const { state } = holder;
    return new NodeCluster({
      ...{ ...deps, options, node, state, open, group, traces },
      ...{ holder, wal, flusher: parts.flusher },
      aroundReplaced: async (replace) => {
        this.#exports.endRunning();
        await this.#maintenance.around(replace);
      },
      onReplaced: () => {
        // One that waited for the same flush has begun on the old state.
        this.#exports.endRunning();
        this.#authorization.forget();
        this.#feed.skipTo(state.applied.index);
      },
      onAdmission: (admission, isLeading) => this.#admit(admission, isLeading),
      initialize: (id) =>
        writes.initialize(id, options.clusterOrigin ?? `${id.slice(0, 16)}.authledger.local`),
      onDied: (error) => this.#die(error),
      release: (member) => this.#policies.release(member),
      follow: () => this.#policies.follow(),
    });
  }

  /** This node leads now, leads no more, or knows another leader. */
  #admit(admission: "open" | "soon" | LedgerError, isLeading: boolean): void {
    if (isLeading && !this.#leaderWork.isLeading) this.#writes.beginLeading();
    this.#proposer.admit(admission);
    this.#leaderWork.lead(isLeading && this.#state.cluster !== undefined);
  }

  /** @throws LedgerError VAULT_DIVERGED, REPLICA_DIVERGED, NOT_READY */
  #checkWritable(vault: number): void {
    this.#maintenance.checkWritable(vault);
    this.#cluster.requireRight();
  }

  #newKeeper(writes: Writes): RetentionKeeper {
    return new RetentionKeeper({
      state: this.#state,
      propose: async (vault) => {
        this.#checkWritable(vault);
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
        this.#checkWritable(vault);
        return writes.proposeOwn(vault, GC_ACTOR, transaction);
      },
      onFatal: (error) => this.#die(error),
    });
  }

  /**
   * Opens the data directory, recovers, and is ready for calls.
   * @throws LedgerError DATA_DIR_IN_USE, DATA_DIR_INVALID, FORMAT_NEWER, WAL_CORRUPT, STORE_NO_VALID_SLOT, ...
   */
  static async open(options: EngineOptions, given: EngineDeps): Promise<Engine> {
    const deps = { ...given, tracer: given.tracer && harmless(given.tracer) };
    if (options.clusterOrigin !== undefined)
      validateOrigin(options.clusterOrigin, "cluster origin");
    await deps.disk.makeDirectory(options.directory);
    const lock = await deps.lock(options.directory);
    const closers = [() => lock.release()];
    try {
      const engine = new Engine(await openParts(options, deps, lock, closers));
      await engine.#begin();
      return engine;
    } catch (error) {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      throw error;
    }
  }

  /** Initializes a new cluster or joins its peers, and starts the clockwork. */
  async #begin(): Promise<void> {
    await this.#cluster.start();
    this.#tick();
    this.#admit(this.#group.writeState, this.#group.isReady);
  }

  get identity(): NodeDirectory["identity"] {
    return this.#node.identity;
  }

  /** Authenticated page tokens of the front before voters shared a key for them. */
  get pageTokenKey(): Uint8Array {
    return this.#node.secrets.pageTokenKey;
  }

  /**
   * A secret that all voters of the cluster share, by its purpose; undefined while the log seed has not reached this node. One that
   * waits may have a seed of a beginning that failed, which is nobody's.
   */
  clusterKey(purpose: string): Uint8Array | undefined {
    const { secrets } = this.#node;
    const isShared = secrets.hasLogSeed && this.#state.cluster !== undefined;
    return isShared ? clusterKey(secrets.logSeed, purpose) : undefined;
  }

  /** Refuses what needs a key of the cluster while there is none here: the leader has it, or gets it in a moment. */
  keyless(message: string): LedgerError {
    if (this.#group.role === "leader") {
      return new LedgerError("NOT_READY", `${message} yet`, { retryAfterMs: 1_000 });
    }
    const { code, message: who, details, retryAfterMs } = this.#group.notLeading();
    const hint = { details, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    return new LedgerError(code, `${message}; ${who}`, hint);
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
      batching: this.#proposer.batching,
      appliedIndex: this.#state.applied.index,
      flushedIndex: this.#flusher.flushedIndex,
      branchBytes: this.#state.branchBytes,
      expiry: this.#expirer.stats(),
      maintenance: this.#maintenance.stats,
      deleter: this.#deleter.stats(),
      group: groupStats(this.#group, this.#cluster.node),
      arePoliciesSettled: this.#policies.isSettled,
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
    if (this.#state.cluster === undefined && !BEFORE_CLUSTER.has(call)) {
      throw this.#cluster.notYet() ?? new LedgerError("NOT_READY", "the node is starting");
    }
    return (this.#handlers[call] as Handler<C>)(request, deadlineAtMs);
  }

  /** Time between the beginnings of two passes of the scrubber in milliseconds; 0 = never. */
  setScrubInterval(intervalMs: number): void {
    this.#maintenance.setScrubInterval(intervalMs);
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
    this.#heads.stop();
    await this.#leaderWork.end();
    await this.#keeper.stop();
    this.#feed.stop(new LedgerError("SHUTTING_DOWN", "the node is shutting down"));
    this.#exports.endAll();
    await this.#maintenance.stop();
    await this.#proposer.idle();
    if (this.#failure === undefined) {
      await this.#cluster.handOver();
      await this.#group.idle();
      this.#cluster.stop(new LedgerError("SHUTTING_DOWN", "the node is shutting down"));
      await this.#signer.idle();
      await this.#flusher.flush();
    }
    this.#cluster.stop(new LedgerError("SHUTTING_DOWN", "the node is shutting down"));
    await this.#cluster.ended();
    await this.#holder.close();
    await this.#wal.close();
    await this.#lock.release();
  }

  readonly #handlers: { readonly [C in EngineCall]: Handler<C> } = {
    resolve_vault: ({ organization, vault }, deadline) =>
      this.#cluster.reads.found(deadline, () =>
        this.#right(() => {
          const row = findVault(this.#state, organization, vault);
          return { vault: isGone(row) ? this.#state.requireVault(row.id).id : row.id };
        }),
      ),
    write: (request, deadline) =>
      this.#writing(() => this.#writes.write(request, deadline), deadline),
    read_entities: (request, deadline) =>
      this.#read(request, deadline, () => this.#reads.readEntities(request)),
    // On the path of a plain check: without a closure where nobody has to be asked.
    check: (request, deadline) =>
      this.#group.hasLocalReads
        ? this.#reads.check(request)
        : this.#read(request, deadline, () => this.#reads.check(request)),
    list_tuples: (request, deadline) =>
      this.#read(request, deadline, () => this.#reads.listTuples(request)),
    list_entities: (request, deadline) =>
      this.#read(request, deadline, () => this.#listings.entities(request)),
    list_resources: (request, deadline) =>
      this.#read(request, deadline, () => this.#listings.resources(request)),
    get_client_state: (request, deadline) =>
      this.#read(request, deadline, () => this.#listings.clientState(request)),
    get_tip: (request, deadline) =>
      this.#read(request, deadline, () => this.#reads.getTip(request)),
    get_block: (request, deadline) =>
      this.#read(request, deadline, () => this.#reads.getBlock(request)),
    get_block_range: (request) => this.#right(() => this.#blocks.range(request)),
    get_compact_range: (request) => this.#right(() => this.#blocks.compactRange(request)),
    get_block_proof: (request) => this.#right(() => this.#blocks.proof(request)),
    list_changes: (request) => this.#right(() => this.#blocks.changes(request)),
    wait_blocks: (request) => this.#feed.wait(request),
    get_checkpoint: (request, deadline) =>
      this.#read(request, deadline, () => this.#reads.getCheckpoint(request)),
    // A replica that is behind does not take a size for one that was never signed: that would pass for a fork.
    get_consistency_proof: (request, deadline) => {
      const { vault, toSize } = request;
      const newest = height(Math.max(0, toSize - 1));
      const read = () => this.#reads.getConsistencyProof(request);
      return this.#read(
        { vault, consistency: { kind: "at_height", height: newest } },
        deadline,
        read,
      );
    },
    get_policy_bundles: ({ vault, ...from }) =>
      this.#right(() => {
        const about = { state: this.#state, hasher: this.#deps.hasher };
        return policyBundlesAfter(about, this.#state.requireVault(vault), from);
      }),
    report_checkpoint: (request) => this.#right(() => this.#heads.report(request)),
    get_trust_anchor: ({ vault }) =>
      this.#right(() => ({ anchor: this.#writes.trustAnchor(vault) })),
    create_organization: (request) => this.#writing(() => this.#writes.createOrganization(request)),
    get_organization: ({ organization }, deadline) =>
      this.#metadata(deadline, () => ({
        organization: organizationInfo(findOrganization(this.#state, organization)),
      })),
    list_organizations: (request, deadline) =>
      this.#metadata(deadline, () => organizationPage(this.#state, request)),
    delete_organization: (request) =>
      this.#writing(() => this.#deleter.deleteOrganization(request)),
    suspend_organization: (request) =>
      this.#writing(() => {
        this.#cluster.requireUnderstood("suspension");
        return this.#deleter.setOrganizationService("suspended", request);
      }),
    resume_organization: (request) =>
      this.#writing(() => this.#deleter.setOrganizationService("active", request)),
    get_usage: (request, deadline) =>
      this.#metadata(deadline, () => ({ usage: usageOf(this.#state, request) })),
    erase: (request, deadline) =>
      this.#writing(() => {
        this.#cluster.requireUnderstood("erasure");
        return erase({ state: this.#state, writes: this.#writes }, request, deadline);
      }, deadline),
    delete_vault: (request) => this.#writing(() => this.#deleter.deleteVault(request)),
    create_vault: (request) => this.#writing(() => this.#writes.createVault(request)),
    get_vault: ({ organization, vault }, deadline) =>
      this.#metadata(deadline, () => {
        const row = findVault(this.#state, organization, vault);
        const health = this.#maintenance.healthOf(row.id);
        return { vault: vaultInfo(this.#state, row), health };
      }),
    update_vault: (request) => {
      const propose: VaultUpdateDeps["propose"] = (...own) => this.#writes.proposeOwn(...own);
      return this.#writing(() => updateVault({ state: this.#state, propose }, request));
    },
    list_vaults: (request, deadline) =>
      this.#metadata(deadline, () => vaultPage(this.#state, request)),
    get_node_info: () => this.#nodeInfo(),
    export_begin: () => this.#right(() => this.#exports.begin()),
    export_next: ({ export: id }) => this.#right(() => this.#exports.next(id)),
    export_end: ({ export: id }) => this.#exports.end(id),
    compact: (request) => this.#maintenance.compact(request),
    check_integrity: (request) => this.#maintenance.checkIntegrity(request),
    ...authorizationHandlers(() => this.#authorization, {
      hasLocalReads: () => this.#group.hasLocalReads,
      read: (...about) => this.#read(...about),
      requireWritable: () => this.#requireWritable(),
    }),
    cluster_status: () => this.#cluster.admin.status(),
    cluster_init: (request) => this.#cluster.admin.init(request),
    cluster_add: (request) => this.#cluster.admin.add(request),
    cluster_promote: (request) => this.#cluster.admin.promote(request),
    cluster_remove: (request) => this.#cluster.admin.remove(request),
    cluster_transfer: (request) => this.#cluster.admin.transfer(request),
  };

  #read<T>(
    request: { readonly vault: number; readonly consistency: Consistency },
    deadlineAtMs: number | undefined,
    read: () => T | Promise<T>,
  ): T | Promise<T> {
    // Before it waits; whoever has waited is asked again where the vault is opened (reads.ts).
    this.#cluster.requireRight();
    return this.#cluster.reads.read(request.vault, request.consistency, deadlineAtMs, read);
  }

  /**
   * What changes something. A leader that was just elected may not have applied yet what those before it have left:
   * until then a vault of theirs would not be there.
   */
  #writing<T>(run: () => Promise<T>, deadlineAtMs?: number): Promise<T> {
    this.#requireWritable();
    const isBehind = !this.#group.isReady && this.#group.writeState === "soon";
    return isBehind ? this.#writes.barrier(deadlineAtMs).then(() => this.#right(run)) : run();
  }

  /** Who does not lead says that first, wrong or not: then the call is passed on. */
  #requireWritable(): void {
    this.#cluster.requireWritable();
    this.#cluster.requireRight();
  }

  #metadata<T>(deadlineAtMs: number | undefined, read: () => T): T | Promise<T> {
    this.#cluster.requireRight();
    return this.#cluster.reads.metadata(deadlineAtMs, () => this.#right(read));
  }

  /** What is answered without asking the others, unless they have said that it is wrong here. */
  #right<T>(read: () => T): T {
    this.#cluster.requireRight();
    return read();
  }

  #nodeInfo(): NodeInfo {
    const { cluster } = this.#state;
    const { role } = this.#group;
    return {
      nodeId: this.#node.identity.nodeId,
      clusterId: cluster?.id ?? "",
      clusterOrigin: cluster?.origin ?? "",
      formatVersion: DATA_FORMAT_VERSION,
      role: cluster === undefined ? "starting" : role === "leader" ? "leader" : "follower",
      term: this.#group.term,
      lastIndex: this.#group.lastIndex,
      appliedIndex: this.#state.applied.index,
      flushedIndex: this.#flusher.flushedIndex,
      organizations: Math.max(0, this.#state.rows.liveOrganizations - 1),
      vaults: Math.max(0, this.#state.rows.liveVaults - 1),
      maintenance: this.#maintenance.info(),
      evidence: this.#heads.evidence.files,
    };
  }

  /** Once a second: flush when it is due, sign heads that moved. */
  #tick(): void {
    this.#stopTicking = this.#deps.timers.after(SIGN_INTERVAL_MS, () => {
      if (this.#failure !== undefined || this.#closing !== undefined) return;
      this.#flusher.tick();
      this.#exports.tick();
      this.#heads.tick();
      this.#signMoved();
      this.#maintenance.tick();
      if (this.#leaderWork.isLeading) this.#keeper.tick();
      this.#policies.tick();
      this.#tick();
    });
  }

  #signMoved(): void {
    if (this.#signer.asksLeader || this.#cluster.isFenced) return;
    const count = this.#state.rows.vaultCount;
    for (let looked = 0; looked < Math.min(count, SIGN_ROUND_MAX); looked++) {
      const vault = this.#state.openVault(this.#nextSigned);
      this.#nextSigned = (this.#nextSigned + 1) % count;
      if (vault === undefined) continue;
      if (!this.#signer.isMoved(vault) && !this.#signer.isOlderThan(vault, HEAD_RENEW_MS)) continue;
      // A refusal has stopped the node by now; a full disk is met again by whoever asks.
      this.#signer.head(vault).catch(() => undefined);
    }
  }

  #die(error: LedgerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#flusher.stop();
    this.#proposer.stop(stoppedBy(error));
    void this.#leaderWork.end();
    void this.#keeper.stop();
    this.#feed.stop(stoppedBy(error));
    // What the log died of is what those are told whose entries it did not take. After a read of it they may be committed.
    const { failed } = this.#wal;
    this.#cluster.stop(failed?.row.retry === "with-key" ? failed : stoppedBy(error));
    this.#deps.onFatal(error);
  }
}

type Handler<C extends EngineCall> = (
  request: EngineRequest<C>,
  deadlineAtMs: number | undefined,
) => EngineReply<C> | Promise<EngineReply<C>>;

/** What is asked of a node that belongs to no cluster yet. */
const BEFORE_CLUSTER: ReadonlySet<EngineCall> = new Set([
  "cluster_status",
  "cluster_init",
  "get_node_info",
]);

/** Hands an entry to the group; everybody who waits for it is told once. */
function submitTo(
  { group, traces }: EngineParts,
  { payload, proposals, traced }: ProposedEntry,
  to: Proposer,
): void {
  group.propose(payload, {
    ...(traced.length > 0 && {
      placed: (index: number, term: number) => traces?.proposed(index, term, traced),
    }),
    applied: (outcomes, index) => {
      for (const [i, outcome] of outcomes.entries()) proposals[i]!.done(outcome, index);
      to.settled();
    },
    failed: (error) => {
      for (const proposal of proposals) proposal.failed(error);
      to.settled();
    },
  });
}

/** Takes a data directory with the lock of the page store. */
export function lockDataDirectory(directory: string): Promise<{ release(): Promise<void> }> {
  return DataLock.acquire(directory);
}
