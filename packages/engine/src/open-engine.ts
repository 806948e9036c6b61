/** Opens what an engine stands on, in the order in which one needs the other: directory, state, log, group. */
import { joinPath } from "@authledger/io";
import { GroupState } from "@authledger/state";
import { PageStore } from "@authledger/store";
import { equalBytes, LedgerError } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { ELECTION_TICKS, HEARTBEAT_TICKS, QUORUM_TIMEOUTS } from "./cluster/cluster-limits.js";
import { EntryTraces } from "./cluster/entry-traces.js";
import { EvidenceStore } from "./cluster/evidence-store.js";
import {
  decodeConfiguration,
  type GroupConfiguration,
  NO_MEMBERSHIP,
} from "./cluster/group-configuration.js";
import { type CoreSettings, RaftGroup } from "./cluster/raft-group.js";
import { snapshotDirectory } from "./cluster/snapshot-files.js";
import { StateHolder } from "./cluster/state-holder.js";
import { finishSwitch, type StateSwitch, unfinishedSwitch } from "./cluster/state-switch.js";
import type { EngineDeps, EngineOptions } from "./engine-options.js";
import { Flusher } from "./flusher.js";
import { GROUP } from "./group-id.js";
import { type NodeDirectory, openNodeDirectory } from "./node-directory.js";
import { OpeningGroup } from "./opening-group.js";

export interface EngineParts {
  readonly options: EngineOptions;
  readonly deps: EngineDeps;
  readonly node: NodeDirectory;
  readonly lock: { release(): Promise<void> };
  readonly wal: Wal;
  readonly holder: StateHolder;
  readonly open: OpeningGroup;
  readonly flusher: Flusher;
  readonly group: RaftGroup;
  readonly traces: EntryTraces | undefined;
  readonly evidence: EvidenceStore;
}

type Closers = (() => Promise<void>)[];

/** @param closers gets what must be closed when something behind it fails */
export async function openParts(
  options: EngineOptions,
  deps: EngineDeps,
  lock: { release(): Promise<void> },
  closers: Closers,
): Promise<EngineParts> {
  const node = await openNodeDirectory(options.directory, deps, options.cluster?.join);
  const open = new OpeningGroup(deps.onFatal);
  const { holder, wal } = await openStateAndLog(options, deps, node, open, closers);
  const flusher = openFlusher(options, deps, holder, wal, open);
  open.flusher = flusher;
  if (wal.group(GROUP) === undefined) {
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
  }
  const { state } = holder;
  const { nodeId } = node.identity;
  const traces = deps.tracer && new EntryTraces(GROUP, nodeId, deps.tracer);
  const group = new RaftGroup(GROUP, nodeId, coreSettings(options, deps), {
    wal,
    state,
    clock: deps.clock,
    timers: deps.timers,
    traces,
    configuration: firstConfiguration(state, node),
    hasPeers: node.identity.hasPeers === true,
    send: (message) => open.watcher?.send(message),
    onBlocks: (index, blocks) => open.feed?.note(index, blocks),
    onApplied: () => {
      open.afterApply();
      open.watcher?.onApplied();
    },
    room: () => open.room(),
    onRole: () => open.watcher?.onRole(),
    onConfiguration: () => open.watcher?.onConfiguration(),
    onTransferFailed: (to) => open.watcher?.onTransferFailed(to),
    snapshots: {
      send: (to, index) => open.watcher?.snapshots.send(to, index),
      install: (snapshot, configuration) =>
        open.watcher!.snapshots.install(snapshot, configuration),
      installed: () => open.watcher?.snapshots.installed(),
    },
    onFatal: (error) => open.die(error),
  });
  try {
    await group.open();
  } catch (error) {
    // What the group met says more than that it has stopped.
    throw group.cause ?? open.failure ?? error;
  }
  if (open.failure !== undefined) throw open.failure;
  const evidence = await EvidenceStore.open(options.directory, deps);
  return { options, deps, node, lock, wal, holder, open, flusher, group, traces, evidence };
}

async function openStateAndLog(
  { directory, cacheBytes, logSegmentBytes }: EngineOptions,
  deps: EngineDeps,
  node: NodeDirectory,
  open: OpeningGroup,
  closers: Closers,
): Promise<{ readonly holder: StateHolder; readonly wal: Wal }> {
  const { disk } = deps;
  const groupDirectory = joinPath(directory, "groups", String(GROUP));
  const snapshots = snapshotDirectory(groupDirectory);
  await disk.makeDirectory(snapshots);
  await disk.syncDirectory(joinPath(directory, "groups"));
  await disk.syncDirectory(groupDirectory);
  const path = joinPath(groupDirectory, "state.db");
  const { incarnation } = node.identity;
  const storeOptions = { path, cacheBytes, groupId: GROUP, incarnation };
  const begun = await unfinishedSwitch(disk, snapshots);
  const store = await PageStore.open(storeOptions, deps);
  closers.push(() => store.close());
  const state = new GroupState(store, deps.hasher);
  const wal = await Wal.open(
    {
      directory: joinPath(directory, "wal"),
      voters: isAlone(firstConfiguration(state, node), node) ? "one" : "many",
      ...(logSegmentBytes !== undefined && { segmentBytes: logSegmentBytes }),
      ...(!isNewToLog(begun, store) &&
        store.applied.index > 0 && {
          knownDurableIndexes: new Map([[GROUP, store.applied.index]]),
        }),
    },
    { ...deps, onFatal: (error) => open.die(error) },
  );
  closers.push(() => wal.close());
  if (begun !== undefined) {
    const onAlarm = (alarm: string): void => deps.onAlarm?.(alarm);
    await finishSwitch(begun, store.uuid, GROUP, { disk, wal, directory: snapshots, onAlarm });
  }
  const onFatal = (error: LedgerError): void => open.die(error);
  const holder = new StateHolder(store, state, storeOptions, { ...deps, onFatal });
  requireLog(wal, state);
  return { holder, wal };
}

/** The log may not have heard yet of a state that was being put in place; one that has moved on since it has heard of. */
function isNewToLog(begun: StateSwitch | undefined, { uuid, applied }: PageStore): boolean {
  return begun !== undefined && equalBytes(begun.uuid, uuid) && begun.index === applied.index;
}

/** What the state lacks must be in the log. @throws LedgerError WAL_CORRUPT */
function requireLog(wal: Wal, state: GroupState): void {
  const firstIndex = wal.group(GROUP)?.firstIndex ?? 1;
  const { index } = state.applied;
  if (index + 1 >= firstIndex) return;
  const message = `the log begins at entry ${firstIndex}, the page store ends at ${index}`;
  throw new LedgerError("WAL_CORRUPT", message);
}

function openFlusher(
  { cacheBytes, flushPolicy: policy }: EngineOptions,
  { clock, timers }: EngineDeps,
  holder: StateHolder,
  wal: Wal,
  open: OpeningGroup,
): Flusher {
  return new Flusher(GROUP, cacheBytes, {
    get store() {
      return holder.store;
    },
    state: holder.state,
    wal,
    clock,
    yield: () => timers.yield(),
    onDiskFull: (error) => open.proposer?.pause(error),
    onFatal: (error) => open.die(error),
    onFlushed: () => open.afterApply(),
    policy,
    releasable: (floor) => open.watcher?.releasable(floor) ?? floor,
  });
}

/** As the state says; a node that waits belongs to nobody, any other one to itself. */
function firstConfiguration(state: GroupState, { identity }: NodeDirectory): GroupConfiguration {
  const known = state.configuration;
  if (known !== undefined) return decodeConfiguration(known);
  const voters = identity.joins === true ? [] : [identity.nodeId];
  return { membership: { ...NO_MEMBERSHIP, voters }, members: [] };
}

/** Nobody else has counted on what this node has acknowledged. */
function isAlone({ membership }: GroupConfiguration, { identity }: NodeDirectory): boolean {
  const { voters, outgoing } = membership;
  const isOnly = voters.length === 1 && voters[0] === identity.nodeId && outgoing.length === 0;
  return isOnly && identity.hasPeers !== true;
}

function coreSettings({ cluster }: EngineOptions, { random }: EngineDeps): CoreSettings {
  const electionTicks = cluster?.electionTicks ?? ELECTION_TICKS;
  return {
    electionTicks,
    quorumTicks: QUORUM_TIMEOUTS * electionTicks,
    heartbeatTicks: cluster?.heartbeatTicks ?? HEARTBEAT_TICKS,
    readMode: cluster?.readMode ?? "quorum",
    jitter: () => {
      const [a, b, c] = random.bytes(3);
      return (a! * 65_536 + b! * 256 + c!) / 2 ** 24;
    },
  };
}
