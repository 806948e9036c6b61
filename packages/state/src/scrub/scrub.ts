/**
 * The scrubber: goes over everything that a group stores, a bucket, a stretch of blocks or a set of indexes at
 * a time, and compares it with what follows from the records (commitment.md, "Scrubber"). Each part is read from
 * one pin, so writes go on beside it; a part whose view ends too early is looked at again.
 *
 *   INV-SCRUB-2  A difference names its vault, and bucket and path or the height where there is one. The first
 *                one of a part is told; what follows from it is not.
 */
import { BUCKETS } from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import { type Hasher, LedgerError } from "@authledger/types";
import type { GroupState } from "../group-state.js";
import { isGone, type VaultRow } from "../vault-rows.js";
import type { Finding, ScrubCounts, ScrubDifference } from "./difference.js";
import { BucketScrubber } from "./scrub-bucket.js";
import { HistoryScrubber } from "./scrub-history.js";
import { scrubIndexes } from "./scrub-indexes.js";
import { scrubEntities } from "./scrub-record-indexes.js";
import { scrubRoot } from "./scrub-root.js";
import { scrubUsage } from "./scrub-usage.js";
import { type ScrubView, viewOf } from "./scrub-view.js";

/** Blocks of one part. */
const HISTORY_BLOCKS = 1_000;
/** Times that a part is begun before it is left out: its view lives 10 s each time. */
const ATTEMPTS = 3;

export interface ScrubDeps {
  readonly state: GroupState;
  readonly store: PageStore;
  readonly hasher: Hasher;
  readonly onDifference: (difference: ScrubDifference) => void;
}

/** What the caller may do after a step: a row was looked at, or a part ended and nothing is held. */
export type ScrubPause = "row" | "part";

type Part<T> = (view: ScrubView) => Generator<void, T>;

export class Scrub {
  readonly #deps: ScrubDeps;
  readonly counts: ScrubCounts = {
    vaults: 0,
    leaves: 0,
    branches: 0,
    blocks: 0,
    transactions: 0,
    indexRows: 0,
    skipped: 0,
  };

  /** Vaults with a difference. */
  readonly #found = new Set<number>();

  constructor(deps: ScrubDeps) {
    this.#deps = deps;
  }

  /** One pass over everything, between two batches of the store each step. */
  *run(): Generator<ScrubPause, void> {
    const { rows } = this.#deps.state;
    for (let id = 0; id < rows.vaultCount; id++) {
      const vault = this.#vault(id);
      if (vault === undefined) continue;
      yield* this.#scrubVault(vault);
      this.counts.vaults++;
    }
    // Last: a record that is damaged is told before the rows that follow from it.
    const indexes = yield* this.#part((view) =>
      scrubIndexes({ ...this.#shared, rows: this.#deps.state.rows }, view),
    );
    this.#report(undefined, indexes);
  }

  get #shared(): {
    readonly tables: GroupState["tables"];
    readonly hasher: Hasher;
    readonly counts: ScrubCounts;
  } {
    const { state, hasher } = this.#deps;
    return { tables: state.tables, hasher, counts: this.counts };
  }

  /** A vault that is not being deleted. */
  #vault(id: number): VaultRow | undefined {
    const row = this.#deps.state.rows.vault(id);
    return row === undefined || isGone(row) ? undefined : row;
  }

  *#scrubVault(vault: VaultRow): Generator<ScrubPause, void> {
    const scrubber = new BucketScrubber(vault, this.#shared);
    let isWhole = true;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const settle = (): void => {
        this.#deps.state.openVault(vault.id)?.trie.writeBucket(bucket);
      };
      const finding = yield* this.#part((view) => scrubber.run(bucket, view), vault, settle);
      isWhole &&= finding === undefined;
      this.#report(vault, finding);
    }
    const settle = (): void => this.#deps.state.openVault(vault.id)?.trie.writeAll();
    const { tables, hasher } = this.#shared;
    const root = function* (view: ScrubView): Generator<void, Finding | undefined> {
      const finding = scrubRoot(vault, tables, hasher, view);
      yield;
      return finding;
    };
    if (isWhole) this.#report(vault, yield* this.#part(root, vault, settle));
    const entities = (view: ScrubView) => scrubEntities(vault, this.#shared, view);
    this.#report(vault, yield* this.#part(entities, vault));
    yield* this.#scrubHistory(vault);
    // What differs already makes other counts, too.
    if (this.#found.has(vault.id)) return;
    const usage = (view: ScrubView) => scrubUsage(vault, this.#shared.tables, view);
    this.#report(vault, yield* this.#part(usage, vault));
  }

  *#scrubHistory(vault: VaultRow): Generator<ScrubPause, void> {
    const scrubber = new HistoryScrubber(vault, this.#shared);
    for (;;) {
      const result = yield* this.#part((view) => scrubber.run(HISTORY_BLOCKS, view), vault);
      if (result === "more") continue;
      this.#report(vault, result === "done" ? undefined : result);
      return;
    }
  }

  /** Runs a part over a pin; undefined when it could not be ended, or its vault is gone. */
  *#part<T>(
    part: Part<T>,
    vault?: VaultRow,
    settle?: () => void,
  ): Generator<ScrubPause, T | Finding | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (vault !== undefined && this.#vault(vault.id) === undefined) return undefined;
      settle?.();
      const outcome = yield* this.#attempt(part);
      yield "part";
      if (outcome !== "again") return outcome.result;
    }
    this.counts.skipped++;
    return undefined;
  }

  *#attempt<T>(part: Part<T>): Generator<ScrubPause, "again" | { readonly result: T | Finding }> {
    try {
      using pin = this.#deps.store.pin("reader");
      const steps = part(viewOf(pin));
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done) return { result: step.value };
        yield "row";
      }
    } catch (error) {
      const { code, message } = LedgerError.from(error);
      if (code === "PIN_EXPIRED" || code === "PIN_LIMIT") return "again";
      if (code !== "STORE_PAGE_CORRUPT") throw error;
      return { result: { area: "page", what: message } };
    }
  }

  #report(vault: VaultRow | undefined, finding: Finding | undefined): void {
    if (finding === undefined) return;
    const { area, bucket, path, height, what } = finding;
    if (vault !== undefined) this.#found.add(vault.id);
    const named = vault && { id: vault.id, organization: vault.organizationSlug, slug: vault.slug };
    this.#deps.onDifference({ area, vault: named, bucket, path, height, what });
  }
}
