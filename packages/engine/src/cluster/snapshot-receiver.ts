/**
 * Takes a snapshot from another node, one at a time: writes its parts to a file as they come, and when all are there
 * makes a checked page store of them. Whether and when that one is used is the group's to say.
 *
 *   INV-REPLICA-6  A stream is taken up where the file ends, also by another process than the one that began it; the
 *                  file never grows beyond the stream's length.
 *   INV-REPLICA-14  Two senders do not take the file from each other: a stream that comes is given up for another one of
 *                  its own sender, for a newer leader's, or where its sender is silent; one to rebuild this replica with also
 *                  for one to catch up with.
 */
import { type DiskFile, joinPath, type Timers } from "@authledger/io";
import { equalBytes, LedgerError, type NodeId } from "@authledger/types";
import {
  chainsOf,
  fileOf,
  LOADED_FILE,
  listSnapshots,
  removeIfRoom,
  removeUnfinished,
  type SnapshotName,
} from "./snapshot-files.js";
import {
  nextChain,
  type SnapshotAck,
  type SnapshotChunk,
  type SnapshotPurpose,
} from "./snapshot-frames.js";
import {
  SNAPSHOT_BYTES_MAX,
  SNAPSHOT_SILENT_MS,
  SNAPSHOT_SYNC_BYTES,
  SNAPSHOT_WINDOW_CHUNKS,
} from "./snapshot-limits.js";
import { type LoadedState, loadSnapshot, type SnapshotLoaderDeps } from "./snapshot-loader.js";

export interface SnapshotReceiverDeps extends SnapshotLoaderDeps {
  readonly timers: Timers;
  /** 32 hex digits. */
  readonly clusterId: () => string;
  /** The node's own term: what a leader of an earlier one sends is refused. */
  readonly term: () => number;
  /** Is a state of this index of use, given what the node has? */
  readonly isWanted: (purpose: SnapshotPurpose, index: number) => boolean;
  readonly send: (to: NodeId, ack: SnapshotAck) => void;
  /** A whole and checked state is there: it is to be used or discarded. */
  readonly onReceived: (received: ReceivedSnapshot) => void;
  /** What was sent does not hold what it says. */
  readonly onAlarm: (alarm: string) => void;
  /** The disk has failed. */
  readonly onFatal: (error: LedgerError) => void;
}

export interface ReceivedSnapshot {
  readonly from: NodeId;
  /** Term of the leader that sent it. */
  readonly leaderTerm: number;
  readonly purpose: SnapshotPurpose;
  readonly state: LoadedState;
}

/** The stream that is being taken. */
interface Incoming {
  readonly name: SnapshotName;
  readonly path: string;
  readonly file: DiskFile;
  readonly chunkBytes: number;
  from: NodeId;
  leaderTerm: number;
  purpose: SnapshotPurpose;
  total: number;
  /** Bytes that are there. */
  offset: number;
  chain: Uint8Array;
  synced: number;
  heardAtMs: number;
  phase: "receiving" | "loading" | "ready";
}

export class SnapshotReceiver {
  readonly #deps: SnapshotReceiverDeps;
  readonly #chunkBytes: number;
  #incoming: Incoming | undefined;
  /** Parts on their way to the file; frames beyond the window are dropped, and asked for again. */
  #queued = 0;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(deps: SnapshotReceiverDeps, chunkBytes: number) {
    this.#deps = deps;
    this.#chunkBytes = chunkBytes;
  }

  get phase(): "none" | Incoming["phase"] {
    return this.#incoming?.phase ?? "none";
  }

  /** A state is coming, or is there and waits to be used: another one would be of no use. */
  get isTaking(): boolean {
    const incoming = this.#incoming;
    return incoming !== undefined && (incoming.phase !== "receiving" || !this.#isSilent(incoming));
  }

  /** Removes what a process that ended has left half done; received parts stay. */
  async start(): Promise<void> {
    const { disk, directory } = this.#deps;
    const { onAlarm } = this.#deps;
    await removeUnfinished(disk, directory, onAlarm);
    const names = await listSnapshots(disk, directory, "received");
    names.sort((a, b) => b.index - a.index);
    for (const name of names.slice(1)) {
      await removeIfRoom(disk, fileOf(directory, "received", name), onAlarm);
    }
  }

  /** A part has come. Its bytes may change afterwards. */
  onChunk(from: NodeId, chunk: SnapshotChunk): void {
    if (this.#isStopped) return;
    const incoming = this.#incoming;
    if (incoming !== undefined && incoming.phase !== "receiving" && isOf(chunk, incoming)) {
      // Checking it takes its time: whoever sent it hears meanwhile that all is there.
      this.#takeKnown(from, chunk, incoming);
      return;
    }
    if (this.#queued > SNAPSHOT_WINDOW_CHUNKS) return;
    const own = {
      ...chunk,
      data: chunk.data.slice(),
      chain: chunk.chain.slice(),
      uuid: chunk.uuid.slice(),
    };
    this.#queued++;
    this.#work = this.#work
      .then(() => this.#take(from, own))
      .catch((error: unknown) => this.#failed(LedgerError.from(error)))
      .finally(() => {
        this.#queued--;
      });
  }

  /** The state that was handed out is in use, durably: the sender may know. */
  async installed(): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === undefined) return;
    await this.#inTurn(() => this.#forget(incoming));
    this.#answer(incoming.from, incoming.name, "installed", incoming.total);
  }

  /** The state that was handed out is not used. */
  async discard(why: string): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === undefined) return;
    const { disk, directory, onAlarm } = this.#deps;
    await this.#inTurn(async () => {
      await removeIfRoom(disk, joinPath(directory, LOADED_FILE), onAlarm);
      await this.#forget(incoming);
    });
    this.#answer(incoming.from, incoming.name, "refused", 0, why);
  }

  /** A part that comes meanwhile waits: it would open the file that is being removed. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  /** Ends what runs; the file stays for the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
    await this.#incoming?.file.close();
    this.#incoming = undefined;
  }

  async #take(from: NodeId, chunk: SnapshotChunk): Promise<void> {
    if (this.#isStopped || this.#isOver(from, chunk)) return;
    const known = this.#incoming;
    const isKnown = known !== undefined && isOf(chunk, known);
    if (!isKnown && !this.#deps.isWanted(chunk.purpose, chunk.index)) {
      this.#answer(from, chunk, "installed", chunk.total);
      return;
    }
    const incoming = isKnown ? known : await this.#begin(from, chunk, known);
    if (incoming === undefined) return;
    this.#note(from, chunk, incoming);
    if (incoming.phase === "receiving" && chunk.total === incoming.total) {
      await this.#append(incoming, chunk);
    }
    this.#answer(from, incoming.name, "wants", incoming.offset);
    if (incoming.phase === "receiving" && incoming.offset === incoming.total) this.#load(incoming);
  }

  /** All of it is there. */
  #takeKnown(from: NodeId, chunk: SnapshotChunk, incoming: Incoming): void {
    if (this.#isOver(from, chunk)) return;
    this.#note(from, chunk, incoming);
    this.#answer(from, incoming.name, "wants", incoming.offset);
  }

  /** Who is answered when the state is in use, and in whose term. A leader may need for a catch-up what began as a rebuild. */
  #note(from: NodeId, { leaderTerm, purpose }: SnapshotChunk, incoming: Incoming): void {
    incoming.from = from;
    const isCatchUp = purpose === "catch-up" && incoming.phase !== "ready";
    if (isCatchUp) incoming.purpose = purpose;
    incoming.leaderTerm = Math.max(incoming.leaderTerm, leaderTerm);
    incoming.heardAtMs = this.#deps.clock.monotonicMs();
  }

  #isSilent({ heardAtMs }: Incoming): boolean {
    return this.#deps.clock.monotonicMs() - heardAtMs >= SNAPSHOT_SILENT_MS;
  }

  /** INV-REPLICA-14 */
  #yields(before: Incoming, from: NodeId, { purpose, leaderTerm }: SnapshotChunk): boolean {
    if (before.phase !== "receiving") return false;
    if (from === before.from || this.#isSilent(before)) return true;
    if (purpose === "rebuild") return false;
    return before.purpose === "rebuild" || leaderTerm > before.leaderTerm;
  }

  /** Refuses what a leader of an earlier term sends. */
  #isOver(from: NodeId, chunk: SnapshotChunk): boolean {
    if (chunk.purpose !== "catch-up" || chunk.leaderTerm >= this.#deps.term()) return false;
    this.#answer(from, chunk, "refused", 0, `term ${chunk.leaderTerm} is over`);
    return true;
  }

  /** Begins a stream, or takes one up whose file is there. */
  async #begin(
    from: NodeId,
    chunk: SnapshotChunk,
    before: Incoming | undefined,
  ): Promise<Incoming | undefined> {
    if (before !== undefined && !this.#yields(before, from, chunk)) return undefined;
    if (chunk.total > SNAPSHOT_BYTES_MAX || chunk.total === 0) {
      this.#answer(from, chunk, "refused", 0, `a stream of ${chunk.total} bytes is not taken`);
      return undefined;
    }
    if (before !== undefined) await this.#forget(before);
    const { disk, directory } = this.#deps;
    const { uuid, index, term } = chunk;
    const name = { uuid, index, term };
    const path = fileOf(directory, "received", name);
    for (const other of await listSnapshots(disk, directory, "received")) {
      if (fileOf(directory, "received", other) !== path)
        await disk.remove(fileOf(directory, "received", other));
    }
    const file = await disk.open(path, { create: true });
    await disk.syncDirectory(directory);
    const { offset, chain } = await this.#resume(file, name, chunk.total);
    const { purpose, leaderTerm, total } = chunk;
    const about = { from, leaderTerm, purpose, total, chunkBytes: this.#chunkBytes };
    this.#incoming = {
      name,
      path,
      file,
      ...about,
      offset,
      chain,
      synced: offset,
      heardAtMs: this.#deps.clock.monotonicMs(),
      phase: "receiving",
    };
    return this.#incoming;
  }

  /** How much of a stream is in its file: whole parts. */
  async #resume(
    file: DiskFile,
    name: SnapshotName,
    total: number,
  ): Promise<{ readonly offset: number; readonly chain: Uint8Array }> {
    const { hasher, timers } = this.#deps;
    const chunkBytes = this.#chunkBytes;
    const size = file.size();
    const isWhole = size === total || (size < total && size % chunkBytes === 0);
    const kept = isWhole ? size : Math.floor(Math.min(size, total) / chunkBytes) * chunkBytes;
    if (kept !== size) await file.truncate(kept);
    const chains = await chainsOf(file, name.uuid, {
      hasher,
      chunkBytes,
      pause: () => timers.yield(),
    });
    return { offset: kept, chain: chains.at(-1)! };
  }

  async #append(incoming: Incoming, chunk: SnapshotChunk): Promise<void> {
    const { hasher } = this.#deps;
    const { data, offset } = chunk;
    if (data.length === 0 || offset !== incoming.offset) return;
    const isWhole = data.length === incoming.chunkBytes || offset + data.length === incoming.total;
    if (!isWhole) return;
    const chain = nextChain(incoming.chain, data, hasher);
    if (!equalBytes(chain, chunk.chain)) {
      await this.#startOver(incoming);
      return;
    }
    await incoming.file.write([data], offset);
    incoming.offset += data.length;
    incoming.chain = chain;
    if (incoming.offset - incoming.synced < SNAPSHOT_SYNC_BYTES) return;
    await incoming.file.datasync();
    incoming.synced = incoming.offset;
  }

  /** INV-REPLICA-4: what is there is not the beginning of what comes. */
  async #startOver(incoming: Incoming): Promise<void> {
    await incoming.file.truncate(0);
    const { offset, chain } = await this.#resume(incoming.file, incoming.name, incoming.total);
    incoming.offset = offset;
    incoming.chain = chain;
    incoming.synced = 0;
  }

  #load(incoming: Incoming): void {
    incoming.phase = "loading";
    const { clusterId, group } = this.#deps;
    const { index, term } = incoming.name;
    const expected = { clusterId: clusterId(), group, index, term };
    this.#work = this.#work
      .then(() => incoming.file.datasync())
      .then(() => loadSnapshot(incoming.path, expected, this.#deps))
      .then((state) => this.#ready(incoming, state))
      .catch((error: unknown) => this.#failed(LedgerError.from(error)));
  }

  #ready(incoming: Incoming, state: LoadedState): void {
    if (this.#incoming !== incoming) return;
    incoming.phase = "ready";
    const { from, leaderTerm, purpose } = incoming;
    this.#deps.onReceived({ from, leaderTerm, purpose, state });
  }

  async #failed(error: LedgerError): Promise<void> {
    const incoming = this.#incoming;
    if (error.code === "SHUTTING_DOWN" || this.#isStopped) return;
    if (error.code !== "SNAPSHOT_CORRUPT" && error.code !== "DISK_FULL") {
      this.#deps.onFatal(error);
      return;
    }
    this.#deps.onAlarm(`a snapshot of another replica was not taken: ${error.message}`);
    if (incoming === undefined) return;
    // Nobody waits for this: what is thrown here would end the process as a bug does.
    await this.#forget(incoming).catch((thrown: unknown) =>
      this.#deps.onFatal(LedgerError.from(thrown)),
    );
    this.#answer(incoming.from, incoming.name, "refused", 0, error.message);
  }

  async #forget(incoming: Incoming): Promise<void> {
    if (this.#incoming === incoming) this.#incoming = undefined;
    await incoming.file.close();
    await removeIfRoom(this.#deps.disk, incoming.path, this.#deps.onAlarm);
  }

  #answer(
    to: NodeId,
    { uuid, index }: SnapshotName,
    status: SnapshotAck["status"],
    offset: number,
    reason = "",
  ): void {
    this.#deps.send(to, { status, uuid, index, offset, reason });
  }
}

function isOf(chunk: SnapshotChunk, { name }: Incoming): boolean {
  return equalBytes(name.uuid, chunk.uuid);
}
