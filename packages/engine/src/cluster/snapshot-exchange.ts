/**
 * Snapshots as a group sees them: gives its state to followers, takes that of a leader, and puts it in place. The
 * group's driver calls it for the core's actions and for frames of peers, and decides what a received state is for.
 *
 *     leader    send-snapshot -> send() ... onSent(to, ok)
 *     follower  frames -> onReceived(received) -> the core takes it -> install(meta) -> records durable -> installed()
 */
import type { Clock, Disk, Random, Timers } from "@authledger/io";
import type { SnapshotMeta } from "@authledger/raft";
import { assert, type GroupId, type Hasher, LedgerError, type NodeId } from "@authledger/types";
import type { WalRecord } from "@authledger/wal";
import type { Flusher } from "../flusher.js";
import { decodeConfiguration, encodeMembership } from "./group-configuration.js";
import { FrameKind, type PeerFrame } from "./peer-port.js";
import { SnapshotBuilder } from "./snapshot-builder.js";
import {
  decodeAck,
  decodeChunk,
  encodeAck,
  encodeChunk,
  type SnapshotPurpose,
} from "./snapshot-frames.js";
import { SNAPSHOT_CHUNK_BYTES } from "./snapshot-limits.js";
import { type ReceivedSnapshot, SnapshotReceiver } from "./snapshot-receiver.js";
import { SnapshotSender, type SnapshotSenderStats } from "./snapshot-sender.js";
import type { StateHolder } from "./state-holder.js";
import { endSwitch, type StateSwitch, snapshotRecord, switchFiles } from "./state-switch.js";

export interface SnapshotExchangeOptions {
  /** Bytes of one part; all of a cluster the same, else streams that were cut off begin anew. Default 512 KiB. */
  readonly chunkBytes?: number | undefined;
}

export interface SnapshotExchangeDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly group: GroupId;
  readonly incarnation: Uint8Array;
  /** `groups/<id>/snapshots`, which exists. */
  readonly directory: string;
  /** `groups/<id>/state.db` */
  readonly statePath: string;
  readonly holder: StateHolder;
  readonly flusher: Pick<Flusher, "flush" | "replacing">;
  readonly send: (to: NodeId, frame: PeerFrame) => boolean;
  readonly clusterId: () => string;
  readonly term: () => number;
  readonly isWanted: (purpose: SnapshotPurpose, index: number) => boolean;
  /** A follower has the state, or was given up: the event `snapshot-sent` of the core. */
  readonly onSent: (to: NodeId, ok: boolean, why: string, purpose: SnapshotPurpose) => void;
  /** A checked state is there. False: it is of no use, and discarded. */
  readonly onReceived: (received: ReceivedSnapshot) => boolean;
  /** A replica asks for a state of at least this index, to rebuild itself. */
  readonly onAsked: (from: NodeId, index: number) => void;
  /**
   * Runs what puts another state in place: what holds views of the old one without a limit ends them before, and
   * begins none until it has ended or failed.
   */
  readonly aroundReplaced: (replace: () => Promise<void>) => Promise<void>;
  /** Another state is in place. */
  readonly onReplaced: () => void;
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
}

const NO_UUID = new Uint8Array(16);

export class SnapshotExchange {
  readonly #deps: SnapshotExchangeDeps;
  readonly #builder: SnapshotBuilder;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  #received: ReceivedSnapshot | undefined;
  #ending: Promise<void> = Promise.resolve();
  #distrusting: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  private constructor(options: SnapshotExchangeOptions, deps: SnapshotExchangeDeps) {
    this.#deps = deps;
    const chunkBytes = options.chunkBytes ?? SNAPSHOT_CHUNK_BYTES;
    const { holder, flusher, clock, timers, group } = deps;
    const source = (): StateHolder => holder;
    this.#builder = new SnapshotBuilder(
      { ...deps, source, flush: () => flusher.flush() },
      chunkBytes,
    );
    this.#sender = new SnapshotSender({
      clock,
      timers,
      acquire: (index) => this.#builder.acquire(index),
      release: (built) => this.#builder.release(built),
      send: (to, chunk) =>
        deps.send(to, { kind: FrameKind.snapshotChunk, group, payload: encodeChunk(chunk) }),
      onEnded: deps.onSent,
    });
    this.#receiver = new SnapshotReceiver(
      {
        ...deps,
        checkRunning: () => this.#checkRunning(),
        send: (to, ack) =>
          deps.send(to, { kind: FrameKind.snapshotAck, group, payload: encodeAck(ack) }),
        onReceived: (received) => this.#take(received),
      },
      chunkBytes,
    );
  }

  /** Finds what an earlier process has left, and removes what is of no use. */
  static async open(
    options: SnapshotExchangeOptions,
    deps: SnapshotExchangeDeps,
  ): Promise<SnapshotExchange> {
    const exchange = new SnapshotExchange(options, deps);
    await exchange.#receiver.start();
    await exchange.#builder.start();
    return exchange;
  }

  get stats(): SnapshotSenderStats & { readonly receiving: string } {
    return { ...this.#sender.stats, receiving: this.#receiver.phase };
  }

  /** Another replica's state is on its way. */
  get isTaking(): boolean {
    return this.#receiver.isTaking;
  }

  /** What followers will have when they have what is there for them; the log behind it is worth keeping. */
  get builtIndex(): number | undefined {
    return this.#sender.stats.active > 0 ? this.#builder.index : undefined;
  }

  /** Frames that cannot be read are dropped with an alarm: their sender has a fault. */
  onFrame(from: NodeId, frame: PeerFrame): void {
    if (this.#isStopped || frame.group !== this.#deps.group) return;
    try {
      if (frame.kind === FrameKind.snapshotChunk) {
        this.#receiver.onChunk(from, decodeChunk(frame.payload));
      } else if (frame.kind === FrameKind.snapshotAck) {
        const ack = decodeAck(frame.payload);
        if (ack.status === "asks") this.#deps.onAsked(from, ack.index);
        else this.#sender.onAck(from, ack);
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#deps.onAlarm(`a frame of node ${from} was dropped: ${why}`);
    }
  }

  /** Gives a node a state of at least an index; ends in `onSent`. */
  send(to: NodeId, index: number, purpose: SnapshotPurpose = "catch-up"): void {
    if (!this.#isStopped) this.#sender.begin({ to, index, purpose, term: this.#deps.term() });
  }

  /** The node does not lead any more; nobody is told. */
  stopSending(purpose: SnapshotPurpose): void {
    this.#sender.stopFor(purpose);
  }

  /** Asks another replica for a state of at least an index. */
  ask(of: NodeId, index: number): boolean {
    const { group } = this.#deps;
    const about = { status: "asks", uuid: NO_UUID, index, offset: 0, reason: "" } as const;
    return this.#deps.send(of, { kind: FrameKind.snapshotAck, group, payload: encodeAck(about) });
  }

  /**
   * The state here has turned out to be wrong: ends what is sent of it, and removes what was built. The caller begins no other
   * transfer until another state is in place. Never rejects; false: there was no room to remove it, or the node has stopped.
   */
  distrust(): Promise<boolean> {
    if (this.#isStopped) return Promise.resolve(false);
    const done = this.#endGiving().then(
      () => !this.#isStopped,
      (error: unknown) => {
        this.#notRemoved(error);
        return false;
      },
    );
    this.#distrusting = Promise.all([this.#distrusting, done]).then(() => undefined);
    return done;
  }

  /** @throws LedgerError DISK_FULL */
  async #endGiving(): Promise<void> {
    this.#sender.endAll("the state that was sent has turned out to be wrong");
    await this.#builder.distrust();
  }

  /**
   * Puts the received state in place; the record must be appended to the log, before anything else, and `installed`
   * called when it is durable (INV-REPLICA-7).
   * @param configuration what the record keeps of it
   * @throws LedgerError DISK_FULL: the old state is in place as before. Of another of the disk the node must stop, and finds the
   *         old or the new state at its next start
   */
  async install({ index, term }: SnapshotMeta, configuration: Uint8Array): Promise<WalRecord> {
    const received = this.#received;
    const start = received?.state.start;
    assert(start?.index === index && start.term === term, "the snapshot to install was received", {
      index,
    });
    const { uuid, path } = received!.state;
    const to: StateSwitch = { uuid, index, term, configuration };
    await this.#replace(path, to);
    return snapshotRecord(this.#deps.group, to);
  }

  /**
   * Puts a received state in the place of a wrong one, under a log that agrees with it and stays as it is. It is there when
   * this resolves, whatever becomes of the files that are of no use then.
   * @param fits does the log agree with it? What is waited for may let go of entries: asked when nothing is waited for any more
   * @throws LedgerError NOT_READY: it does not, the old state is in place as before; of the disk, as `install`
   */
  async rebuild(received: ReceivedSnapshot, fits: () => boolean): Promise<void> {
    const { uuid, path, start } = received.state;
    const { index, term, configuration: bytes } = start;
    const { membership } = decodeConfiguration(bytes);
    const configuration = encodeMembership(membership);
    await this.#endGiving();
    await this.#replace(path, { uuid, index, term, configuration }, fits);
    this.installed();
  }

  /** The record of `install` is durable. */
  installed(): void {
    this.#ending = this.#end().catch((error: unknown) => this.#notRemoved(error));
  }

  /** Nobody uses the state that was received: the entries of the log are all there by now, or it is of no use. */
  discard(): void {
    if (this.#received === undefined) return;
    this.#received = undefined;
    this.#receiver
      .discard("the state is of no use any more")
      .catch((error: unknown) => this.#notRemoved(error));
  }

  async #end(): Promise<void> {
    const { disk, directory, onAlarm } = this.#deps;
    this.#received = undefined;
    await endSwitch(disk, directory, onAlarm);
    await this.#receiver.installed();
  }

  /** From time to time. */
  tick(): void {
    this.#builder.tick().catch((error: unknown) => this.#notRemoved(error));
  }

  /** A disk that is full does not end a node for a file of no use. */
  #notRemoved(thrown: unknown): void {
    const error = LedgerError.from(thrown);
    if (error.code === "DISK_FULL") {
      this.#deps.onAlarm(`a file of a snapshot was not removed: ${error.message}`);
    } else this.#deps.onFatal(error);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#sender.stopAll();
    await this.#ending;
    await this.#distrusting;
    await this.#receiver.stop();
    await this.#builder.stop();
  }

  #take(received: ReceivedSnapshot): void {
    this.#received = received;
    if (!this.#deps.onReceived(received)) this.discard();
  }

  async #replace(loaded: string, to: StateSwitch, fits = () => true): Promise<void> {
    const { flusher, holder, disk, statePath, aroundReplaced, onReplaced } = this.#deps;
    const paths = { loaded, state: statePath };
    const switched = async (): Promise<void> => {
      if (!fits()) throw new LedgerError("NOT_READY", "the log does not fit the state any more");
      await switchFiles(disk, paths, to);
    };
    await aroundReplaced(() => flusher.replacing(() => holder.replace(switched)));
    onReplaced();
  }

  #checkRunning(): void {
    if (this.#isStopped) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
  }
}
