/**
 * Brings vaults to their retention where blocks do not do it: after a retention was tightened, in idle vaults too. Each
 * block that is applied removes one old block by itself (state, past/retention.ts); this proposes steps for the rest.
 *
 *   INV-KEEPER-1  One step is in flight at a time, so a vault that was tightened delays writes by one step at most.
 */
import { type GroupState, isGone, isOverdue } from "@authledger/state";
import { LedgerError } from "@authledger/types";
import { RETENTION_VAULTS_PER_TICK } from "./limits.js";

export interface RetentionKeeperDeps {
  readonly state: GroupState;
  /** Proposes a step for a vault and waits for it. @throws LedgerError when nothing was done */
  readonly propose: (vault: number) => Promise<unknown>;
  /** A bug of this module. */
  readonly onFatal: (error: LedgerError) => void;
}

export class RetentionKeeper {
  readonly #deps: RetentionKeeperDeps;
  #next = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(deps: RetentionKeeperDeps) {
    this.#deps = deps;
  }

  /** Looks at some vaults, unless it is still busy with those before. */
  tick(): void {
    if (this.#stopped || this.#running !== undefined) return;
    this.#running = this.#run()
      .catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)))
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Ends; resolves when nothing of it is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { rows, tables } = this.#deps.state;
    const count = rows.vaultCount;
    for (let looked = 0; looked < Math.min(count, RETENTION_VAULTS_PER_TICK); looked++) {
      const id = this.#next;
      this.#next = (this.#next + 1) % count;
      for (let row = rows.vault(id); row !== undefined; row = rows.vault(id)) {
        if (this.#stopped || isGone(row) || !isOverdue(tables, row)) break;
        if (!(await this.#step(id))) return;
      }
    }
  }

  /** Overload, a full disk, the end of the node: the next tick looks again. */
  async #step(vault: number): Promise<boolean> {
    try {
      await this.#deps.propose(vault);
      return true;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      return false;
    }
  }
}
