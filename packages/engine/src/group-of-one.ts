/**
 * A Raft group with one voter: what is synced in its own log is committed. It keeps the log as a cluster would
 * (terms, hard state, an empty entry at the start of each term), so that more voters can join later.
 *
 *   INV-GROUP-1  An entry is applied only after it is synced, and in order.
 *   INV-GROUP-2  A write is answered only after its entry is applied.
 *   INV-GROUP-3  After an entry could not be applied none is any more, and everybody who waits is told.
 */
import type { AppliedBlock, GroupState } from "@authledger/state";
import { type GroupId, LedgerError, type NodeId } from "@authledger/types";
import type { GroupLog, Wal } from "@authledger/wal";
import { REPLAY_BYTES } from "./limits.js";
import type { ProposedEntry } from "./proposer.js";
import { stoppedBy } from "./stopped.js";

export interface GroupDeps {
  readonly wal: Wal;
  readonly state: GroupState;
  /** Lets everything else that is ready run first. */
  readonly yield: () => Promise<void>;
  /** Told the blocks of each entry that was applied since the group is open. */
  readonly onBlocks: (index: number, blocks: readonly AppliedBlock[]) => void;
  /** Told after each entry that was applied. */
  readonly onApplied: () => void;
  /** Waits until the page store can take what a long log holds. */
  readonly room: () => Promise<void>;
  /** Told when an entry has been applied or has failed. */
  readonly onSettled: () => void;
  /** The node cannot go on. */
  readonly onFatal: (error: LedgerError) => void;
}

interface Committed {
  readonly index: number;
  readonly entry: ProposedEntry;
}

export class GroupOfOne {
  readonly #id: GroupId;
  readonly #deps: GroupDeps;
  readonly #log: GroupLog;
  readonly #term: number;
  #committed: Committed[] = [];
  #applying: Promise<void> | undefined;
  #failure: LedgerError | undefined;

  private constructor(id: GroupId, deps: GroupDeps, log: GroupLog, term: number) {
    this.#id = id;
    this.#deps = deps;
    this.#log = log;
    this.#term = term;
  }

  /** Replays the log behind the applied index, then begins a new term. */
  static async open(id: GroupId, node: NodeId, deps: GroupDeps): Promise<GroupOfOne> {
    const { wal } = deps;
    if (wal.group(id) === undefined) {
      await wal.append([{ kind: "group", group: id, action: "create" }]);
    }
    const log = wal.group(id)!;
    await replay(log, deps);
    const term = log.hardState.term + 1;
    const index = log.lastIndex + 1;
    const payload = new Uint8Array(0);
    await wal.append([
      { kind: "hard-state", group: id, term, vote: node },
      { kind: "entry", group: id, index, term, payload },
    ]);
    deps.state.apply(index, term, payload);
    return new GroupOfOne(id, deps, log, term);
  }

  get term(): number {
    return this.#term;
  }

  get lastIndex(): number {
    return this.#log.lastIndex;
  }

  /** Appends an entry; its proposals are told what became of it. */
  submit(entry: ProposedEntry): void {
    const index = this.#log.lastIndex + 1;
    const record = {
      kind: "entry",
      group: this.#id,
      index,
      term: this.#term,
      payload: entry.payload,
    } as const;
    this.#deps.wal.append([record]).then(
      () => this.#commit({ index, entry }),
      (error: unknown) => this.#fail(entry, error),
    );
  }

  /** Resolves when everything committed so far is applied. */
  async idle(): Promise<void> {
    await this.#applying;
  }

  #commit(committed: Committed): void {
    if (this.#failure !== undefined) {
      this.#fail(committed.entry, this.#failure);
      return;
    }
    this.#committed.push(committed);
    this.#applying ??= this.#applyAll();
  }

  /** Ends by clearing `#applying` in the same step in which it saw nothing left, so no entry is overlooked. */
  async #applyAll(): Promise<void> {
    await Promise.resolve();
    while (this.#committed.length > 0) {
      try {
        this.#applyNext();
      } catch (error) {
        this.#stop(LedgerError.from(error));
      }
      if (this.#committed.length > 0) await this.#deps.yield();
    }
    this.#applying = undefined;
  }

  #applyNext(): void {
    const { index, entry } = this.#committed[0]!;
    const { outcomes, blocks } = this.#deps.state.apply(index, this.#term, entry.payload);
    this.#committed.shift();
    this.#deps.onBlocks(index, blocks);
    for (const [i, outcome] of outcomes.entries()) entry.proposals[i]!.done(outcome, index);
    this.#deps.onSettled();
    this.#deps.onApplied();
  }

  /** INV-GROUP-3. The entry is in the log, so those who wait for it may find it done after a restart. */
  #stop(failure: LedgerError): void {
    const stopped = stoppedBy(failure);
    this.#failure = stopped;
    const left = this.#committed;
    this.#committed = [];
    this.#deps.onFatal(failure);
    for (const { entry } of left) this.#fail(entry, stopped);
  }

  #fail(entry: ProposedEntry, error: unknown): void {
    for (const proposal of entry.proposals) proposal.failed(error);
    this.#deps.onSettled();
  }
}

/** Applies what the page store does not hold yet. Everything in the log of a single voter is committed. */
async function replay(log: GroupLog, deps: GroupDeps): Promise<void> {
  const { state, yield: pause, onApplied, room } = deps;
  const first = state.applied.index + 1;
  if (first < log.firstIndex) {
    const message = `the log begins at entry ${log.firstIndex}, the page store ends at ${first - 1}`;
    throw new LedgerError("WAL_CORRUPT", message);
  }
  for (let index = first; index <= log.lastIndex; ) {
    for (const entry of log.entries(index, log.lastIndex + 1, REPLAY_BYTES)) {
      state.apply(entry.index, entry.term, entry.payload);
      index = entry.index + 1;
      onApplied();
    }
    await pause();
    await room();
  }
}
