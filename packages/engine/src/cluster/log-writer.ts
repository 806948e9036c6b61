/**
 * Takes what the core appends to the write-ahead log, and tells when it is durable.
 *
 *   INV-GROUP-4  What depends on an append (votes, acknowledgments) leaves only after the append and all before it are
 *               durable (museum rows 3 and 13).
 *   INV-GROUP-11  A change of the configuration is on the disk together with what is known to be committed then, which is every
 *               change before it. A node that had two and knew of neither would count by the configuration before both, whose
 *               majority need not meet that of the second. Once the change itself is known to be committed, so is what follows: who
 *               has an entry that was proposed behind it need not ask those who vote no more.
 *
 * One append of the core is one append of the log, unless it is larger than the log takes at once: then several, in
 * order. Appends that come while one is synced ride in the next sync together, whatever group they are of.
 *
 * An append may be refused for want of room, except the one behind an installed state: that state is in use already, and a
 * core that begins anew over the old log would be wrong. The next start ends what was begun (INV-REPLICA-7).
 */
import {
  type Action,
  type Entry,
  isConfigurationChange,
  type SnapshotMeta,
} from "@authledger/raft";
import { type GroupId, LedgerError } from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import { pastReturn } from "./state-switch.js";

export type AppendAction = Extract<Action, { kind: "append" }>;

export interface LogWriterDeps {
  readonly wal: Wal;
  /** The append is durable, with all before it. */
  readonly onDurable: (action: AppendAction) => void;
  /** The log refused an append for want of room: nothing of it or behind it was written. */
  readonly onRefused: (error: LedgerError) => void;
  /** Makes a received state the group's own, for good. The log begins anew behind it. */
  readonly install: (snapshot: SnapshotMeta) => Promise<readonly WalRecord[]>;
  /** What `install` gave is durable, also where nobody waits for the append any more. */
  readonly onInstalled: () => void;
  readonly onFatal: (error: LedgerError) => void;
}

export class LogWriter {
  readonly #group: GroupId;
  readonly #deps: LogWriterDeps;
  /** The end of everything that was appended. */
  #tail: Promise<void> = Promise.resolve();
  #inFlight = 0;
  /** A state is being installed: what follows waits. */
  #isInstalling = false;
  #behind: AppendAction[] = [];
  /** Appends of an earlier core are of no interest any more. */
  #life = 0;
  /** What this core has said to be committed. */
  #commit = 0;
  /** No change lies behind this index. Of what was in the log before, each entry may be one. */
  #newestChange: number;
  /** What a record that was written behind the entries has told to be committed. */
  #told = 0;

  constructor(group: GroupId, deps: LogWriterDeps) {
    this.#group = group;
    this.#deps = deps;
    this.#newestChange = deps.wal.group(group)?.lastIndex ?? 0;
  }

  /** Appends whose sync has not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  append(action: AppendAction): void {
    this.#commit = action.hardState?.commit ?? this.#commit;
    if (this.#isInstalling) {
      this.#behind.push(action);
      return;
    }
    if (action.snapshot !== undefined) this.#install(action, action.snapshot);
    else this.#write(action);
  }

  /** Ends the doubt about what this node has lost. Votes are behind it in the log: a crash finds neither or both. */
  endDoubt(): void {
    const life = this.#life;
    this.#deps.wal
      .append([{ kind: "recovered" }])
      .catch((error: unknown) => this.#failed(LedgerError.from(error), life));
  }

  /** Nothing more is told of what was appended so far. */
  forget(): void {
    this.#life++;
    this.#behind = [];
    this.#commit = 0;
    this.#told = 0;
  }

  /** Resolves when everything appended so far is durable or was refused. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0) await this.#tail;
  }

  #write(action: AppendAction): void {
    const batches = this.#batches(action, []);
    if (batches.length === 0 && this.#inFlight === 0) {
      this.#deps.onDurable(action);
      return;
    }
    const life = this.#life;
    this.#inFlight++;
    const written = batches.map((records) => this.#deps.wal.append(records));
    // The log keeps the order, so the last one says it for all; without one, the one before does.
    const durable = written.at(-1) ?? this.#tail;
    for (const other of written.slice(0, -1)) other.catch(() => undefined);
    const settled = durable.then(
      () => {
        this.#inFlight--;
        if (life === this.#life) this.#deps.onDurable(action);
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#failed(LedgerError.from(error), life);
      },
    );
    this.#tail = settled;
  }

  /** What was refused in an earlier life is as good as never asked for. */
  #failed(error: LedgerError, life: number): void {
    if (!isRefusal(error)) this.#deps.onFatal(error);
    else if (life === this.#life) this.#deps.onRefused(error);
  }

  #install(action: AppendAction, snapshot: SnapshotMeta): void {
    const life = this.#life;
    this.#isInstalling = true;
    this.#inFlight++;
    // What is before it may be refused: then the core that took the state is gone.
    const installed = this.#tail.then(() =>
      life === this.#life ? this.#installNow(action, snapshot) : undefined,
    );
    this.#tail = installed.then(
      () => {
        this.#inFlight--;
        // What follows from it comes behind what has waited.
        if (life === this.#life) this.#deps.onDurable(action);
        this.#isInstalling = false;
        for (const next of this.#behind.splice(0)) this.append(next);
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#isInstalling = false;
        this.#failed(LedgerError.from(error), life);
      },
    );
  }

  /** From the install on nothing is forgotten, nor waited out: the state in use is the new one. */
  async #installNow(action: AppendAction, snapshot: SnapshotMeta): Promise<void> {
    const first = await this.#deps.install(snapshot);
    const batches = this.#batches(action, first);
    await pastReturn(() => Promise.all(batches.map((records) => this.#deps.wal.append(records))));
    this.#deps.onInstalled();
  }

  /** Term and vote first: they are what the entries build on. */
  #batches(action: AppendAction, first: readonly WalRecord[]): WalRecord[][] {
    const group = this.#group;
    const { hardState, truncateFrom, entries } = action;
    const records: WalRecord[] = [...first];
    if (hardState !== undefined && action.mustSync) {
      const { term, vote } = hardState;
      records.push({ kind: "hard-state", group, term, vote });
    }
    if (truncateFrom !== undefined) records.push({ kind: "truncate", group, from: truncateFrom });
    // Room for what stands before the entries.
    const bytesMax = this.#deps.wal.batchBytesMax - PROMISE_BYTES;
    const batches: WalRecord[][] = [];
    let batch = records;
    let bytes = 0;
    let change = 0;
    const end = (lastIndex: number): void => {
      const index = this.#committed(lastIndex);
      const isNews = this.#told < this.#newestChange && this.#told < index;
      if (change > 0 || isNews) {
        batch.push({ kind: "commit-hint", group, index });
        this.#told = index;
      }
      this.#newestChange = Math.max(this.#newestChange, change);
      change = 0;
      batches.push(batch);
    };
    for (const entry of entries) {
      const size = entry.payload.length + ENTRY_OVERHEAD;
      if (bytes > 0 && bytes + size > bytesMax) {
        end(entry.index - 1);
        batch = [];
        bytes = 0;
      }
      batch.push(entryRecord(group, entry));
      if (isConfigurationChange(entry.payload)) change = entry.index;
      bytes += size;
    }
    if (batch.length > 0) end(entries.at(-1)?.index ?? 0);
    return batches;
  }

  /** What is known to be committed of a log that ends there. */
  #committed(lastIndex: number): number {
    const hinted = this.#deps.wal.group(this.#group)?.commitHint ?? 0;
    return Math.min(Math.max(hinted, this.#commit), lastIndex);
  }
}

function isRefusal({ code }: LedgerError): boolean {
  return code === "DISK_FULL" || code === "OVERLOADED";
}

/** Term, vote, truncation, the heads of a snapshot, and a commit index behind the entries. */
const PROMISE_BYTES = 512;
/** Head of a record, rounded up. */
const ENTRY_OVERHEAD = 32;

function entryRecord(group: GroupId, { index, term, payload }: Entry): WalRecord {
  return { kind: "entry", group, index, term, payload };
}
