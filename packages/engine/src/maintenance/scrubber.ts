/**
 * The scrubber of a running node: a pass now and then at a small share of the processor, or at once when asked.
 * A pass reads every page of the file, then recomputes everything from records (state, `Scrub`).
 *
 *   INV-SCRUB-3  A vault in which a pass found a difference takes no more writes until the node is started
 *                again, or its state was replaced: what is written on top of damage would be signed with it.
 *   INV-SCRUB-4  No pass runs while another state is put in the place of this one: it would compare the pages of the
 *                one with the rows of the other.
 */
import type { Clock, Timers } from "@authledger/io";
import { type GroupState, Scrub, type ScrubCounts, type ScrubDifference } from "@authledger/state";
import type { PageStore } from "@authledger/store";
import { type Hasher, LedgerError } from "@authledger/types";
import { SCRUB_DIFFERENCES_MAX, SCRUB_SHARE, SCRUB_SLICE_MS } from "../limits.js";
import { replacing } from "./replacing.js";

export interface ScrubberDeps {
  /** Asked for each time: a snapshot of another replica puts another one in its place. */
  readonly store: PageStore;
  readonly state: GroupState;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly onAlarm: (difference: ScrubDifference) => void;
  readonly onFatal: (error: LedgerError) => void;
}

/** What the scrubber has done and found. */
export interface IntegrityStatus {
  readonly running: boolean;
  /** Passes ended since the start. */
  readonly passes: number;
  /** Of the pass that runs, else of the last one; 0 before the first. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly pages: number;
  readonly counts: ScrubCounts | undefined;
  /** The first of those found since the start of the node. */
  readonly differences: readonly ScrubDifference[];
  readonly divergedVaults: number;
}

interface Pass {
  readonly startedAtMs: number;
  readonly isHurried: boolean;
  isCancelled: boolean;
  pages: number;
  readonly scrub: Scrub;
  done: Promise<void>;
}

export class Scrubber {
  readonly #deps: ScrubberDeps;
  #intervalMs: number;
  readonly #diverged = new Map<number, ScrubDifference>();
  readonly #differences: ScrubDifference[] = [];
  /** What was told already: the next pass finds it again. */
  readonly #told = new Set<string>();
  #pass: Pass | undefined;
  #last: Pass | undefined;
  #passes = 0;
  #endedAtMs = 0;
  #nextMs: number;
  #stopped = false;
  #isHeld = false;
  #wake: () => void = () => undefined;

  /** Background passes begin so long after each other; 0: there are none. */
  constructor(deps: ScrubberDeps, intervalMs: number) {
    this.#deps = deps;
    this.#intervalMs = intervalMs;
    this.#nextMs = deps.clock.monotonicMs() + Math.min(intervalMs, 60_000);
  }

  /** Background passes begin so long after each other from now on; 0: there are none. */
  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#nextMs = Math.min(this.#nextMs, this.#deps.clock.monotonicMs() + intervalMs);
  }

  get status(): IntegrityStatus {
    const shown = this.#pass ?? this.#last;
    return {
      running: this.#pass !== undefined,
      passes: this.#passes,
      startedAtMs: shown?.startedAtMs ?? 0,
      endedAtMs: this.#endedAtMs,
      pages: shown?.pages ?? 0,
      counts: shown?.scrub.counts,
      differences: this.#differences,
      divergedVaults: this.#diverged.size,
    };
  }

  isDiverged(vault: number): boolean {
    return this.#diverged.has(vault);
  }

  /** @throws LedgerError VAULT_DIVERGED (INV-SCRUB-3) */
  checkWritable(vault: number): void {
    const found = this.#diverged.get(vault);
    if (found === undefined) return;
    throw new LedgerError("VAULT_DIVERGED", `the scrubber found: ${describeDifference(found)}`);
  }

  /** Begins a background pass when it is due. Called from time to time. */
  tick(): void {
    if (this.#intervalMs === 0 || this.#pass !== undefined) return;
    if (this.#stopped || this.#isHeld) return;
    if (this.#deps.clock.monotonicMs() >= this.#nextMs) this.#begin(false);
  }

  /**
   * Begins a whole pass at full speed, unless one that was asked for runs. One in the background ends for it.
   * @throws LedgerError SHUTTING_DOWN, NOT_READY while the state is replaced
   */
  async hurry(): Promise<void> {
    if (this.#pass !== undefined && !this.#pass.isHurried) await this.#cancel(this.#pass);
    if (this.#stopped) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
    if (this.#isHeld) throw replacing();
    if (this.#pass === undefined) this.#begin(true);
  }

  /** Waits for the end of the pass that runs, at most so long. */
  async wait(ms: number): Promise<IntegrityStatus> {
    if (this.#pass === undefined) return this.status;
    const { promise, cancel } = sleep(this.#deps.timers, ms);
    await Promise.race([this.#pass.done, promise]);
    cancel();
    return this.status;
  }

  /** Ends a pass that runs, and begins none until `release`. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    if (this.#pass !== undefined) await this.#cancel(this.#pass);
  }

  release(): void {
    this.#isHeld = false;
  }

  /** What was found belongs to a state that is there no more. */
  forget(): void {
    this.#diverged.clear();
    this.#told.clear();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#pass !== undefined) await this.#cancel(this.#pass);
  }

  async #cancel(pass: Pass): Promise<void> {
    pass.isCancelled = true;
    this.#wake();
    await pass.done;
  }

  #begin(isHurried: boolean): Pass {
    const { state, store, hasher, clock } = this.#deps;
    const onDifference = (difference: ScrubDifference): void => this.#found(difference);
    const pass: Pass = {
      startedAtMs: clock.nowMs(),
      isHurried,
      isCancelled: false,
      pages: 0,
      scrub: new Scrub({ state, store, hasher, onDifference }),
      done: Promise.resolve(),
    };
    this.#nextMs = clock.monotonicMs() + this.#intervalMs;
    this.#pass = pass;
    pass.done = this.#run(pass)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#ended(pass));
    return pass;
  }

  #ended(pass: Pass): void {
    this.#pass = undefined;
    if (pass.isCancelled) return;
    this.#last = pass;
    this.#passes++;
    this.#endedAtMs = this.#deps.clock.nowMs();
  }

  /** A read that fails, or a store that has ended, ends the pass and nothing else; a bug stops the node. */
  #failed(error: unknown): void {
    const failure = LedgerError.from(error);
    const { clock } = this.#deps;
    const isDisk = failure.code === "IO_READ_FAILED" || failure.code === "STORE_PAGE_CORRUPT";
    if (isDisk) this.#found({ ...NOWHERE, area: "page", what: failure.message });
    else if (failure.code !== "STORE_CLOSED") this.#deps.onFatal(failure);
    this.#nextMs = clock.monotonicMs() + this.#intervalMs;
  }

  async #run(pass: Pass): Promise<void> {
    const { store, clock, timers } = this.#deps;
    let startMs = clock.monotonicMs();
    let workMs = 0;
    for (const pause of this.#steps(store, pass)) {
      const spentMs = clock.monotonicMs() - startMs;
      if (pause === "row" && spentMs < SCRUB_SLICE_MS) continue;
      workMs += spentMs;
      if (pause === "part" && !pass.isHurried && workMs >= SCRUB_SLICE_MS) {
        await this.#rest(workMs / SCRUB_SHARE - workMs);
        workMs = 0;
      } else if (spentMs >= SCRUB_SLICE_MS) await timers.yield();
      if (pass.isCancelled) return;
      startMs = clock.monotonicMs();
    }
  }

  *#steps(store: PageStore, pass: Pass): Generator<"row" | "part", void> {
    try {
      yield* this.#pages(store, pass);
    } catch (error) {
      // A branch that cannot be read hides what is below it; the records may tell more.
      if (LedgerError.from(error).code !== "STORE_PAGE_CORRUPT") throw error;
      this.#failed(error);
    }
    yield* pass.scrub.run();
  }

  *#pages(store: PageStore, pass: Pass): Generator<"part", void> {
    const pages = store.scrubPages();
    for (let found = pages.step(); found !== undefined; found = pages.step()) {
      pass.pages = pages.pages;
      for (const { page, table, key, what } of found) {
        const text = `page ${page} of table ${table}, at key ${key || "(first)"}: ${what}`;
        this.#found({ ...NOWHERE, area: "page", what: text });
      }
      yield "part";
    }
  }

  #rest(ms: number): Promise<void> {
    const { promise, cancel } = sleep(this.#deps.timers, ms);
    return new Promise((resolve) => {
      this.#wake = () => {
        cancel();
        resolve();
      };
      void promise.then(resolve);
    });
  }

  #found(difference: ScrubDifference): void {
    const { vault } = difference;
    if (vault !== undefined && !this.#diverged.has(vault.id)) {
      this.#diverged.set(vault.id, difference);
    }
    const text = describeDifference(difference);
    if (this.#told.has(text) || this.#told.size >= SCRUB_DIFFERENCES_MAX) return;
    this.#told.add(text);
    this.#differences.push(difference);
    this.#deps.onAlarm(difference);
  }
}

const NOWHERE = {
  vault: undefined,
  bucket: undefined,
  path: undefined,
  height: undefined,
} as const;

/** A difference in one line: which vault, where in it, what. */
export function describeDifference(difference: ScrubDifference): string {
  const { vault, area, bucket, path, height, what } = difference;
  const place = [
    ...(vault === undefined ? [] : [`organization ${vault.organization} vault ${vault.slug}`]),
    ...(bucket === undefined ? [] : [`bucket ${bucket}`]),
    ...(path === undefined ? [] : [`path ${path}`]),
    ...(height === undefined ? [] : [`height ${height}`]),
  ];
  return `${area}${place.length > 0 ? ` of ${place.join(", ")}` : ""}: ${what}`;
}

function sleep(
  timers: Timers,
  ms: number,
): { readonly promise: Promise<void>; readonly cancel: () => void } {
  let cancel = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    cancel = timers.after(ms, resolve);
  });
  return { promise, cancel };
}
