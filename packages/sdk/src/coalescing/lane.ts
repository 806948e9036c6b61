/**
 * Calls that may travel together, gathered until the tick ends and sent as one request.
 *
 *   INV-SDK-6  Each call of a batch ends by itself: with its own answer or error, when its caller gives up, or at
 *              its own deadline; none of that changes what the others get. One that would be sent again if it had
 *              travelled alone is, with those of its batch that are left for the same reason.
 *
 * A tick ends when Node has run all that was ready to run: calls of one loop, and of everything that one answer
 * set going, meet here. No timer is waited for. While `IN_FLIGHT_MAX` batches are on their way the next one
 * gathers, so that batches grow by themselves where calls come faster than answers.
 */
import { LedgerError } from "@authledger/types";
import type { RepeatOptions } from "../transport/connection.js";
import { MACHINE } from "../transport/ports.js";
import { afterMicrotasks } from "./after-microtasks.js";

/** Batches on their way: while the node works on one, the client makes the next and reads the one before. */
const IN_FLIGHT_MAX = 3;

/** A moment for the error of the request itself, which knows what the endpoints met. */
const GRACE_MS = 50;

/** What became of one call of a batch. */
export type Outcome<Result> =
  | { readonly kind: "done"; readonly result: Result }
  | { readonly kind: "failed"; readonly error: LedgerError }
  /** It failed with what may be gone in a moment: it is sent again while there is time. */
  | { readonly kind: "again"; readonly error: LedgerError };

/** How calls of one kind are put together and sent. */
export interface LaneRules<Item, Result> {
  readonly countMax: number;
  /** Of the items of one batch, as `bytesOf` counts them. */
  readonly bytesMax: number;
  bytesOf(item: Item): number;
  /** One outcome for each item, in order. Rejects where no item has an answer. */
  send(items: readonly Item[], call: RepeatOptions): Promise<readonly Outcome<Result>[]>;
  /** As errors name a call. */
  readonly name: string;
  /** The error of a call whose time is up while others of its batch go on. */
  overdue(deadlineMs: number): LedgerError;
}

/** One call that waits for its answer. */
export interface Member<Item, Result> {
  readonly item: Item;
  readonly deadlineMs: number;
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: LedgerError) => void;
  isOver: boolean;
  /** What it failed with, where it is sent again. */
  failure: LedgerError | undefined;
  /** Takes the listener off the signal, where there is one. */
  forget: (() => void) | undefined;
}

/** One call that is sent again, and what it failed with now. */
interface Again<Item, Result> {
  readonly member: Member<Item, Result>;
  readonly error: LedgerError;
}

/** Calls that became one request. */
interface Batch<Item, Result> {
  readonly members: readonly Member<Item, Result>[];
  readonly deadlineAtMs: number;
  readonly abort: AbortController;
}

export class Lane<Item, Result> {
  readonly #rules: LaneRules<Item, Result>;
  readonly #onIdle: () => void;
  #waiting: Member<Item, Result>[] = [];
  readonly #flying = new Set<Batch<Item, Result>>();
  #isFlushing = false;

  /** @param onIdle is told when nothing waits and nothing is on its way */
  constructor(rules: LaneRules<Item, Result>, onIdle: () => void) {
    this.#rules = rules;
    this.#onIdle = onIdle;
  }

  add(member: Member<Item, Result>): void {
    const { signal } = member;
    if (signal !== undefined) {
      const onAbort = (): void => this.#giveUp(member);
      signal.addEventListener("abort", onAbort, { once: true });
      member.forget = () => signal.removeEventListener("abort", onAbort);
    }
    this.#waiting.push(member);
    this.#flushLater();
  }

  /** Ends the calls whose time is up. Returns when the next one's will be; undefined when nothing waits. */
  sweep(nowMs: number): number | undefined {
    let next: number | undefined;
    const look = (members: readonly Member<Item, Result>[], sentUntilMs: number): void => {
      for (const member of members) {
        if (member.isOver) continue;
        const isLast = member.deadlineAtMs >= sentUntilMs;
        const dueAtMs = member.deadlineAtMs + (isLast ? GRACE_MS : 0);
        // What was refused for sure may be on its way again.
        const known = member.failure?.row.retry === "with-key" ? member.failure : undefined;
        if (dueAtMs <= nowMs) fail(member, known ?? this.#rules.overdue(member.deadlineMs));
        else next = Math.min(next ?? dueAtMs, dueAtMs);
      }
    };
    look(this.#waiting, Number.POSITIVE_INFINITY);
    this.#waiting = this.#waiting.filter(({ isOver }) => !isOver);
    for (const batch of this.#flying) {
      look(batch.members, batch.deadlineAtMs);
      abandonIfOver(batch);
    }
    return next;
  }

  /** When everything that is ready to run has run. */
  #flushLater(): void {
    if (this.#isFlushing || this.#flying.size >= IN_FLIGHT_MAX) return;
    this.#isFlushing = true;
    afterMicrotasks(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#flying.size < IN_FLIGHT_MAX) {
      const members = this.#take();
      if (members.length === 0) break;
      let deadlineAtMs = 0;
      for (const member of members) deadlineAtMs = Math.max(deadlineAtMs, member.deadlineAtMs);
      const batch = { members, deadlineAtMs, abort: new AbortController() };
      this.#flying.add(batch);
      void this.#fly(batch);
    }
    if (this.#flying.size === 0) this.#onIdle();
  }

  /** The oldest calls that wait, as many as fit. */
  #take(): Member<Item, Result>[] {
    const { countMax, bytesMax } = this.#rules;
    const taken: Member<Item, Result>[] = [];
    let bytes = 0;
    let end = 0;
    for (; end < this.#waiting.length && taken.length < countMax; end++) {
      const member = this.#waiting[end]!;
      if (member.isOver) continue;
      bytes += this.#rules.bytesOf(member.item);
      if (bytes > bytesMax && taken.length > 0) break;
      taken.push(member);
    }
    this.#waiting = end === this.#waiting.length ? [] : this.#waiting.slice(end);
    return taken;
  }

  async #fly(batch: Batch<Item, Result>): Promise<void> {
    await this.#deliver(batch.members, batch);
    this.#flying.delete(batch);
    // Callers go on first: what they ask next joins what waits.
    if (this.#waiting.length > 0 || this.#flying.size === 0) this.#flushLater();
  }

  /** Sends a batch, or a part of one, and ends its calls. Never rejects. */
  async #deliver(
    members: readonly Member<Item, Result>[],
    batch: Batch<Item, Result>,
    failures: readonly LedgerError[] = [],
  ): Promise<void> {
    const items = members.map(({ item }) => item);
    const deadlineMs = Math.max(1, batch.deadlineAtMs - MACHINE.nowMs());
    try {
      const { signal } = batch.abort;
      const outcomes = await this.#rules.send(items, { deadlineMs, signal, failures });
      const again: Again<Item, Result>[] = [];
      outcomes.forEach((outcome, i) => {
        const member = members[i]!;
        if (outcome.kind === "done") finish(member, outcome.result);
        else if (outcome.kind === "failed") fail(member, outcome.error);
        else {
          // What may have happened is not unsaid by a node that did nothing.
          if (member.failure?.row.retry !== "with-key") member.failure = outcome.error;
          again.push({ member, error: outcome.error });
        }
      });
      await this.#deliverAgain(again, batch, failures);
    } catch (thrown) {
      const error = LedgerError.from(thrown);
      if (members.length > 1 && isOfOneItem(error)) return this.#halve(members, batch);
      // Where it was not sent again, each failed with what it had met itself.
      const isRefused = error === failures.at(-1);
      for (const member of members) fail(member, (isRefused && member.failure) || error);
    }
  }

  /** Those that failed for now, as a request of their own. Never rejects. */
  async #deliverAgain(
    again: readonly Again<Item, Result>[],
    batch: Batch<Item, Result>,
    failures: readonly LedgerError[],
  ): Promise<void> {
    const left = again.filter(({ member }) => !member.isOver);
    if (left.length === 0) return;
    const errors = left.map(({ error }) => error);
    const members = left.map(({ member }) => member);
    // Whoever wants to be left alone the longest is heard; else what may have happened, which is retried the fewest times.
    const last = errors.reduce((one, other) => (weightOf(other) > weightOf(one) ? other : one));
    await this.#deliver(members, batch, [...failures, last]);
  }

  /** Something in it is wrong, or its answer too large: what is wrong ends up alone. */
  async #halve(
    members: readonly Member<Item, Result>[],
    batch: Batch<Item, Result>,
  ): Promise<void> {
    const left = members.filter(({ isOver }) => !isOver);
    const middle = left.length >> 1;
    for (const half of [left.slice(0, middle), left.slice(middle)]) {
      if (half.length > 0) await this.#deliver(half, batch);
    }
  }

  #giveUp(member: Member<Item, Result>): void {
    const cause: unknown = member.signal?.reason;
    const message = `the caller gave up "${this.#rules.name}"`;
    fail(member, new LedgerError("CANCELLED", message, { cause }));
    for (const batch of this.#flying) abandonIfOver(batch);
  }
}

/** Nobody waits for it any more. */
function abandonIfOver<Item, Result>({ members, abort }: Batch<Item, Result>): void {
  if (members.every(({ isOver }) => isOver)) abort.abort();
}

function weightOf({ retryAfterMs = 0, row }: LedgerError): number {
  return retryAfterMs + (row.retry === "safe" ? 0 : 0.5);
}

/** Codes that one item can bring upon all: the batch as a whole is not at fault. */
function isOfOneItem({ code, details }: LedgerError): boolean {
  return code === "LIMIT_EXCEEDED" || /^[a-z]+\[\d+\]/.test(String(details["field"] ?? ""));
}

function finish<Item, Result>(member: Member<Item, Result>, result: Result): void {
  if (member.isOver) return;
  member.isOver = true;
  member.forget?.();
  member.resolve(result);
}

function fail<Item, Result>(member: Member<Item, Result>, error: LedgerError): void {
  if (member.isOver) return;
  member.isOver = true;
  member.forget?.();
  member.reject(error);
}
