/**
 * A replica that gives its state and one that takes it, each with a disk, a page store, a log and an exchange of its
 * own, and a link between them that does what a test says.
 */
import { type Disk, joinPath, MemoryDisk, NodeHasher, SeededRandom } from "@authledger/io";
import type { SnapshotMeta } from "@authledger/raft";
import { GroupState } from "@authledger/state";
import { PageStore } from "@authledger/store";
import { groupId, type LedgerError, type NodeId, nodeId, toHex } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { Ledger } from "../../state/test/state-support.js";
import {
  decodeConfiguration,
  encodeConfiguration,
  encodeMembership,
} from "../src/cluster/group-configuration.js";
import type { PeerFrame } from "../src/cluster/peer-port.js";
import { SnapshotExchange } from "../src/cluster/snapshot-exchange.js";
import type { SnapshotPurpose } from "../src/cluster/snapshot-frames.js";
import type { ReceivedSnapshot } from "../src/cluster/snapshot-receiver.js";
import { StateHolder } from "../src/cluster/state-holder.js";
import { finishSwitch, unfinishedSwitch } from "../src/cluster/state-switch.js";
import { Flusher } from "../src/flusher.js";
import { settle, TestTime } from "./engine-support.js";

const GROUP = groupId(1);
export const SENDER: NodeId = nodeId(1n);
export const RECEIVER: NodeId = nodeId(2n);
const DIRECTORY = "/n/groups/1";
const SNAPSHOTS: string = joinPath(DIRECTORY, "snapshots");
const STATE = joinPath(DIRECTORY, "state.db");
const hasher = new NodeHasher();

const NOBODY = {
  voters: [SENDER],
  learners: [RECEIVER],
  outgoing: [],
  learnersNext: [],
  autoLeave: false,
};

/** A ledger of a few blocks whose state has a configuration. */
async function ledgerWithMembers(random: SeededRandom, entries = 20): Promise<Ledger> {
  const ledger = await Ledger.create(random, 2);
  for (let i = 0; i < entries; i++) {
    const tuple = { resource: `doc:d${i}`, relation: "viewer", subject: `user:u${i % 5}` };
    ledger.write(1 + (i % 2), [{ op: "create_tuple", tuple, expiresAtMs: 0 }], `k${i}`);
  }
  const bytes = encodeConfiguration({ membership: NOBODY, members: [] });
  ledger.state.applyConfiguration(ledger.log.length + 1, 1, bytes);
  ledger.log.push(bytes);
  return ledger;
}

export interface ReplicaEvents {
  readonly sent: { readonly to: NodeId; readonly ok: boolean; readonly why: string }[];
  readonly alarms: string[];
  readonly fatal: LedgerError[];
  /** For what states were received. */
  readonly purposes: SnapshotPurpose[];
}

/** One side: a process on a disk, which may end and begin again. */
export class Replica {
  readonly disk: Disk;
  readonly time: TestTime;
  readonly events: ReplicaEvents;
  readonly holder: StateHolder;
  readonly wal: Wal;
  exchange!: SnapshotExchange;
  /** What was received and is to be installed, when `holds` says that it waits. */
  received: ReceivedSnapshot | undefined;

  private constructor(
    { disk, time, fatal }: { disk: Disk; time: TestTime; fatal: LedgerError[] },
    holder: StateHolder,
    wal: Wal,
  ) {
    this.disk = disk;
    this.time = time;
    this.events = { sent: [], alarms: [], fatal, purposes: [] };
    this.holder = holder;
    this.wal = wal;
  }

  /** Opens what is on the disk as an engine does; with a ledger's state where it holds none. */
  static async open(
    disk: Disk,
    options: {
      readonly time: TestTime;
      readonly seed: number;
      readonly send: (to: NodeId, frame: PeerFrame) => void;
      readonly ledger?: Ledger;
      readonly chunkBytes?: number;
      readonly term?: number;
      readonly holds?: boolean;
      readonly clusterId?: string;
    },
  ): Promise<Replica> {
    const { time, seed, ledger } = options;
    const random = new SeededRandom(seed);
    const base = { disk, clock: time, timers: time, random };
    await disk.makeDirectory(SNAPSHOTS);
    const begun = await unfinishedSwitch(disk, SNAPSHOTS);
    const storeOptions = {
      path: STATE,
      cacheBytes: 1 << 22,
      groupId: 1,
      incarnation: new Uint8Array(16).fill(ledger === undefined ? 2 : 1),
    };
    const store = ledger?.store ?? (await PageStore.open(storeOptions, base));
    const fatal: LedgerError[] = [];
    const onFatal = (error: LedgerError): void => void fatal.push(error);
    const wal = await Wal.open(
      { directory: "/n/wal", voters: "many", segmentBytes: 64 * 1024 },
      { ...base, onFatal },
    );
    if (begun !== undefined) {
      const onAlarm = (): void => undefined;
      await finishSwitch(begun, store.uuid, GROUP, { disk, wal, directory: SNAPSHOTS, onAlarm });
    }
    if (wal.group(GROUP) === undefined) {
      await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    }
    const state = ledger?.state ?? new GroupState(store, hasher);
    const holder = new StateHolder(store, state, storeOptions, { ...base, onFatal });
    const replica = new Replica({ disk, time, fatal }, holder, wal);
    const flusher = new Flusher(GROUP, 1 << 22, {
      get store() {
        return holder.store;
      },
      state,
      wal,
      clock: time,
      yield: () => time.yield(),
      onDiskFull: () => undefined,
      onFatal,
      onFlushed: () => undefined,
      releasable: () => 0,
    });
    replica.exchange = await SnapshotExchange.open(
      { chunkBytes: options.chunkBytes },
      {
        ...base,
        hasher,
        group: GROUP,
        incarnation: storeOptions.incarnation,
        directory: SNAPSHOTS,
        statePath: STATE,
        holder,
        flusher,
        send: (to, frame) => {
          options.send(to, { ...frame, payload: frame.payload.slice() });
          return true;
        },
        clusterId: () => options.clusterId ?? "0".repeat(32),
        term: () => options.term ?? 1,
        isWanted: (_, index) => index > state.applied.index,
        onSent: (to, ok, why) => void replica.events.sent.push({ to, ok, why }),
        onReceived: (received) => {
          replica.received = received;
          replica.events.purposes.push(received.purpose);
          if (options.holds !== true) void replica.install().catch(onFatal);
          return true;
        },
        onAsked: (from, index) => replica.exchange.send(from, index, "rebuild"),
        aroundReplaced: (replace) => replace(),
        onReplaced: () => undefined,
        onAlarm: (alarm) => void replica.events.alarms.push(alarm),
        onFatal,
      },
    );
    return replica;
  }

  /** What a group's driver does when the core takes a snapshot. */
  async install(): Promise<void> {
    const { start } = this.received!.state;
    const { membership } = decodeConfiguration(start.configuration);
    const meta: SnapshotMeta = { index: start.index, term: start.term, membership };
    const record = await this.exchange.install(meta, encodeMembership(membership));
    await this.wal.append([{ kind: "hard-state", group: GROUP, term: 1, vote: undefined }, record]);
    this.exchange.installed();
  }

  /** Every row of every table, and where in the log it is. */
  dump(): string[] {
    const { state } = this.holder;
    const { index, term, configIndex, leaderTimeMs, digest } = state.applied;
    state.prepareFlush();
    const rows = [`${index} ${term} ${configIndex} ${leaderTimeMs} ${toHex(digest)}`];
    for (const table of this.holder.store.tables) {
      const cursor = table.cursor();
      for (let ok = cursor.first(); ok; ok = cursor.next()) {
        rows.push(`${table.name} ${toHex(cursor.key)} ${toHex(cursor.value)}`);
      }
    }
    return rows;
  }

  get logBegins(): number {
    return this.wal.group(GROUP)!.firstIndex;
  }

  async close(): Promise<void> {
    await this.exchange.stop();
    await this.holder.close();
    await this.wal.close();
  }
}

/** What a link does with a frame: how many times it arrives, 0 = lost. */
export type Link = (to: NodeId, frame: PeerFrame) => number;

/** Both sides over a link. Either can be ended and begun again. */
export class SnapshotPair {
  readonly time = new TestTime();
  readonly ledger: Ledger;
  readonly disks = { sender: new MemoryDisk() as Disk, receiver: new MemoryDisk() as Disk };
  readonly chunkBytes: number;
  link: Link = () => 1;
  sender!: Replica;
  receiver!: Replica;
  #queue: { readonly to: NodeId; readonly frame: PeerFrame }[] = [];
  #seed = 1;

  private constructor(ledger: Ledger, chunkBytes: number) {
    this.ledger = ledger;
    this.chunkBytes = chunkBytes;
  }

  static async create(
    random: SeededRandom,
    chunkBytes = 4_096,
    entries = 20,
  ): Promise<SnapshotPair> {
    const pair = new SnapshotPair(await ledgerWithMembers(random, entries), chunkBytes);
    await pair.openSender();
    await pair.openReceiver();
    return pair;
  }

  async openSender(): Promise<void> {
    const { ledger } = this;
    this.sender = await Replica.open(this.disks.sender, { ...this.#about(), ledger });
  }

  async openReceiver(
    more: { readonly term?: number; readonly holds?: boolean; readonly clusterId?: string } = {},
  ): Promise<void> {
    this.receiver = await Replica.open(this.disks.receiver, { ...this.#about(), ...more });
  }

  begin(index = 1): void {
    this.sender.exchange.send(RECEIVER, index);
  }

  /** Lets frames and time pass until something holds. */
  async until(holds: () => boolean, turns = 400): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      if (holds()) return;
      await settle(3);
      for (const { to, frame } of this.#queue.splice(0)) {
        const times = this.link(to, frame);
        for (let i = 0; i < times; i++) {
          if (to === RECEIVER) this.receiver.exchange.onFrame(SENDER, frame);
          else this.sender.exchange.onFrame(RECEIVER, frame);
        }
      }
      await settle(3);
      this.time.advance(50);
    }
    if (!holds()) throw new Error("it did not come to that");
  }

  /** Frames on their way are lost. */
  loseFrames(): void {
    this.#queue = [];
  }

  get group(): typeof GROUP {
    return GROUP;
  }

  get isSent(): boolean {
    return this.sender.events.sent.length > 0;
  }

  #about(): {
    readonly time: TestTime;
    readonly seed: number;
    readonly send: (to: NodeId, frame: PeerFrame) => void;
    readonly chunkBytes: number;
  } {
    const send = (to: NodeId, frame: PeerFrame): void => void this.#queue.push({ to, frame });
    return { time: this.time, seed: this.#seed++, send, chunkBytes: this.chunkBytes };
  }
}
