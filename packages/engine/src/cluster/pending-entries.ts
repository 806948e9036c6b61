/**
 * Who waits for what becomes of an entry that was proposed here.
 *
 *   INV-GROUP-5  A proposal is told that it was applied only for the very entry, by index and term; that it was not, only
 *               when another entry is committed in its place or before it in a later term: then no leader can ever have
 *               it (Raft 5.4.3). In between it is told that this is not known.
 */
import { LedgerError } from "@authledger/types";

/** Told once. */
export interface EntryOwner<T> {
  /** It has a place in this leader's log, and has not left yet. */
  placed?(index: number, term: number): void;
  applied(result: T, index: number): void;
  failed(error: LedgerError): void;
}

interface Placed<T> {
  readonly index: number;
  readonly term: number;
  readonly owner: EntryOwner<T>;
}

export class PendingEntries<T> {
  readonly #asked = new Map<number, EntryOwner<T>>();
  #placed: Placed<T>[] = [];
  #lastProposal = 0;

  get size(): number {
    return this.#asked.size + this.#placed.length;
  }

  /** A number for the proposal of somebody who waits. */
  ask(owner: EntryOwner<T>): number {
    const proposal = ++this.#lastProposal;
    this.#asked.set(proposal, owner);
    return proposal;
  }

  placed(proposal: number, index: number, term: number): void {
    const owner = this.#asked.get(proposal);
    this.#asked.delete(proposal);
    if (owner === undefined) return;
    this.#placed.push({ index, term, owner });
    owner.placed?.(index, term);
  }

  refused(proposal: number, error: LedgerError): void {
    const owner = this.#asked.get(proposal);
    this.#asked.delete(proposal);
    owner?.failed(error);
  }

  /** An entry was applied. INV-GROUP-5. */
  applied(index: number, term: number, result: T, overwritten: () => LedgerError): void {
    if (this.#placed.length === 0) return;
    const [first] = this.#placed;
    if (this.#placed.length === 1 && first!.index === index && first!.term === term) {
      this.#placed = [];
      first!.owner.applied(result, index);
      return;
    }
    const left: Placed<T>[] = [];
    const settled: Placed<T>[] = [];
    for (const placed of this.#placed) {
      const isPast = placed.index <= index || placed.term < term;
      (isPast ? settled : left).push(placed);
    }
    this.#placed = left;
    for (const placed of settled) {
      if (placed.index === index && placed.term === term) placed.owner.applied(result, index);
      else placed.owner.failed(overwritten());
    }
  }

  /** The state went past entries without applying them here: what became of them is not known. */
  skipped(through: number): void {
    this.#fail(({ index }) => index <= through, unknownCommit());
  }

  /** Everybody who waits now. */
  all(): readonly EntryOwner<T>[] {
    return [...this.#asked.values(), ...this.#placed.map(({ owner }) => owner)];
  }

  /** Fails those of `owners` who still wait. */
  giveUp(owners: readonly EntryOwner<T>[], error: LedgerError): void {
    const given = new Set(owners);
    for (const [proposal, owner] of [...this.#asked]) {
      if (given.has(owner)) this.refused(proposal, error);
    }
    this.#fail(({ owner }) => given.has(owner), error);
  }

  #fail(matches: (placed: Placed<T>) => boolean, error: LedgerError): void {
    const failed = this.#placed.filter(matches);
    this.#placed = this.#placed.filter((placed) => !matches(placed));
    for (const { owner } of failed) owner.failed(error);
  }
}

/** The leadership was lost, or a state was received, before the entry was known to be committed. */
export function unknownCommit(): LedgerError {
  const message = "the leadership was lost before the entry was known to be committed";
  return new LedgerError("COMMIT_UNKNOWN", message);
}
