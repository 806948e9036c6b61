/**
 * Collects what has expired: has the leader propose operations that expire due tuples and entities, in idle vaults too
 * (architecture.md, "Time"). They are ordinary transactions of the actor `system:gc`, in blocks that auditors re-execute.
 *
 *   INV-EXPIRE-1  What is proposed is collected or refused before the next round looks: nothing is proposed twice.
 *   INV-EXPIRE-2  A round is bounded, and takes from every vault that it meets: one with much to collect delays others by
 *                 the rounds that a walk over all due records takes, and no more.
 *   INV-EXPIRE-3  A write that replaced a record wins: the operation names the expiry that was seen, and a transaction
 *                 whose condition fails changes nothing. It is planned again from what is there then.
 *
 * Reads do not depend on it: to them an expired record is absent, collected or not.
 */
import type { Clock, Timers } from "@authledger/io";
import {
  type DueRecord,
  firstExpiry,
  type GroupState,
  type Outcome,
  scanDue,
} from "@authledger/state";
import { LedgerError, limits, type Operation } from "@authledger/types";
import { expireOperation } from "./expire-operation.js";
import {
  EXPIRY_INTERVAL_MS,
  EXPIRY_OPERATIONS_MAX,
  EXPIRY_ROWS_MAX,
  EXPIRY_VAULTS_MAX,
} from "./limits.js";
import type { OwnTransaction } from "./writes.js";

/** Who expires. */
export const GC_ACTOR = "system:gc";

export interface ExpirerDeps {
  readonly state: GroupState;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Proposes a transaction over a vault. */
  readonly propose: (vault: number, transaction: OwnTransaction) => Promise<Outcome>;
  /** A bug of this module. */
  readonly onFatal: (error: LedgerError) => void;
}

/** Figures for metrics. */
export interface ExpiryStats {
  /** Tuples and entities that have an expiry. */
  readonly records: number;
  /** Of those that have expired, how many the last round met and left for the next. */
  readonly due: number;
  /** For how long the one that expired first has waited, in milliseconds. */
  readonly lagMs: number;
  /** Since the start. */
  readonly expired: number;
  /** Transactions that a client's write got ahead of, since the start. */
  readonly refused: number;
}

/** What one round takes, by vault. */
interface Round {
  readonly byVault: ReadonlyMap<number, readonly DueRecord[]>;
  readonly left: number;
}

export class Expirer {
  readonly #deps: ExpirerDeps;
  /** Vaults whose last transaction was refused: the next one is planned with nothing in flight. */
  readonly #contended = new Set<number>();
  /** Where the walk over due records goes on; undefined at its start. */
  #from: Uint8Array | undefined;
  #running: Promise<void> | undefined;
  #cancel: () => void = () => undefined;
  #stopped = false;
  #due = 0;
  #expired = 0;
  #refused = 0;

  constructor(deps: ExpirerDeps) {
    this.#deps = deps;
  }

  /** Looks now, and from then on in intervals; again after a stop. */
  start(): void {
    this.#stopped = false;
    this.#cancel();
    this.#contended.clear();
    if (this.#running === undefined) this.#look();
  }

  #look(): void {
    this.#running = this.#run()
      .catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)))
      .finally(() => {
        this.#running = undefined;
        if (this.#stopped) return;
        this.#cancel = this.#deps.timers.after(EXPIRY_INTERVAL_MS, () => this.#look());
      });
  }

  /** Ends; resolves when nothing of it is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  stats(): ExpiryStats {
    const { state } = this.#deps;
    const first = firstExpiry(state.tables);
    return {
      records: state.tables.expiry.count,
      due: this.#due,
      lagMs: first === undefined ? 0 : Math.max(0, this.#nowMs() - first),
      expired: this.#expired,
      refused: this.#refused,
    };
  }

  /** Round after round until nothing is due. */
  async #run(): Promise<void> {
    let more = true;
    while (more && !this.#stopped) {
      more = await this.#collect(this.#nextRound());
      if (more) await this.#deps.timers.yield();
    }
  }

  /** The time that the next entry has at least. */
  #nowMs(): number {
    const { state, clock } = this.#deps;
    return Math.max(state.applied.leaderTimeMs, clock.nowMs());
  }

  #nextRound(): Round {
    const range = { timeMs: this.#nowMs(), from: this.#from, rowsMax: EXPIRY_ROWS_MAX };
    const { due, next } = scanDue(this.#deps.state.tables, range);
    this.#from = next;
    const byVault = new Map<number, DueRecord[]>();
    let taken = 0;
    for (const record of due) {
      if (taken === EXPIRY_OPERATIONS_MAX) break;
      const records = byVault.get(record.vault) ?? [];
      if (records.length === limits.TRANSACTION_OPERATIONS_MAX) continue;
      if (records.length === 0 && byVault.size === EXPIRY_VAULTS_MAX) continue;
      records.push(record);
      byVault.set(record.vault, records);
      taken++;
    }
    return { byVault, left: due.length - taken };
  }

  /** Proposes a round and waits for it; is there more to do now? */
  async #collect({ byVault, left }: Round): Promise<boolean> {
    this.#due = left;
    const vaults = [...byVault];
    const done = await Promise.all(vaults.map(([vault, due]) => this.#collectFrom(vault, due)));
    const isMoving = done.some((result) => result);
    return isMoving && (left > 0 || this.#from !== undefined || this.#contended.size > 0);
  }

  /** Collects records of one vault; was the outcome one that makes another round worth while? */
  async #collectFrom(vault: number, due: readonly DueRecord[]): Promise<boolean> {
    const isContended = this.#contended.delete(vault);
    try {
      const outcome = await this.#deps.propose(vault, {
        operationsMax: due.length,
        operationsAt: (timeMs) => this.#plan(vault, due, timeMs),
        needsCurrentState: isContended,
      });
      if (outcome.kind === "applied") {
        this.#expired += outcome.transaction.statuses.length;
        return true;
      }
      this.#refused++;
      this.#contended.add(vault);
      return !isContended;
    } catch (error) {
      // Nothing left to do, overload, a full disk, the end of the node: the next interval looks again.
      if (!(error instanceof LedgerError)) throw error;
      return false;
    }
  }

  /** What is still as it was seen. */
  #plan(vault: number, due: readonly DueRecord[], timeMs: number): readonly Operation[] {
    const { state } = this.#deps;
    const open = state.isServed(vault) ? state.vault(vault) : undefined;
    const operations: Operation[] = [];
    for (const record of open === undefined ? [] : due) {
      if (record.expiresAtMs > timeMs) continue;
      const operation = expireOperation(open!, record);
      if (operation !== undefined) operations.push(operation);
    }
    if (operations.length > 0) return operations;
    throw new LedgerError("PRECONDITION_FAILED", "nothing of it is due any more");
  }
}
