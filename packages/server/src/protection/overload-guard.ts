/**
 * Protects the node's one thread. Calls wait in the sockets until the event loop comes round, so how long they wait is how
 * long a turn of the loop spends on calls. A turn that took too long refuses what still arrives in it, before decoding it.
 *
 *   INV-OVER-1  A turn that has begun CALLS_FREE calls begins none after its time, once turns have been too long for
 *               INTERVAL_MS without a pause (a burst alone is served); one of CALLS_BURST none after BURST_TURNS times its time.
 *   INV-OVER-2  Refusing is bounded too: beyond REFUSALS_FREE in one turn the connection that asks on is not read for a while, as
 *               long as its calls are told to wait; beyond HELD_FREE connections in one turn neither are the others that asked
 *               of late and were not read in this turn. What has waited meanwhile is refused.
 *
 * So under overload there are connections that are read in every turn, few enough to be answered in its time, and others that are
 * read once in a while: what is accepted has waited for a turn, not for everybody's calls.
 *
 * The interval is CoDel's (RFC 8289, 3: a queue that does not empty within an interval is a standing one; it takes no
 * notice of bursts). What leaves the interval alone is service time, not drops: here a refusal costs its share of the thread, nearly as much as a small
 * read, which is why a client that does not slow down is not read. Reserved calls (costs.ts) are never refused here.
 */
import { LedgerError } from "@authledger/types";
import { prepareError } from "../grpc-error.js";
import type { Refusals } from "./refusals.js";

const INTERVAL_MS = 100;
const BURST_TURNS = 4;
/** On a machine that is busy with others a turn of few calls may take long, too: refusing them would help nobody. */
const CALLS_FREE = 64;
const CALLS_BURST = 512;
const REFUSALS_FREE = 16;
/** Connections held in one turn; more are a crowd, whose refusals would take longer than the turn. */
const HELD_FREE = 64;
/** Overload is over when fewer of a second's calls were refused. Turns do not tell: they are short where a crowd is held. */
const REFUSED_SHARE = 0.05;
/** ... or the thread was free for so much of it: those who are held could be served. */
const FREE_SHARE = 0.3;
/** Refusals in a second that are fewer than a tenth of a thread. */
const REFUSALS_FEW = 1_000;
const REFUSALS_MANY = 2_000;
const WINDOW_MS = 1_000;
const HOLD_MS_MIN = 250;
/** At two calls of 2,000 connections each some 2,000 refusals a second are left: a tenth of a thread. */
const HOLD_MS_MAX = 2_000;
const HOLD_STEP = 1.5;
/** The end is told so long after it: telling every connection costs as much as a turn, and overload that comes back would cost it again. */
const RELEASE_MS = 10_000;

/** Stands for a request that was not decoded, because there is no time for it. */
export const REFUSED: unique symbol = Symbol("refused");

/** What is needed of a call. */
export interface RefusableCall {
  getPeer(): string;
}

/** The connections that calls come from: see connections.ts. */
interface HoldableConnections {
  /** Notes that the connection of a call was read in this turn. */
  noteAsked(call: RefusableCall): void;
  /** The turn is over in which connections asked. */
  endTurn(): void;
  /** Does not read the connection of a call for so long; false if it is not read already, or another node has it. */
  hold(call: RefusableCall, forMs: number): boolean;
  /** Holds all that asked in the turns before and not in this one, but for those of nodes. */
  holdOthers(forMs: () => number): void;
  /** Did this call wait while its connection was not read? */
  hasWaited(call: RefusableCall): boolean;
}

export interface OverloadGuardDeps {
  /** The time of a turn as it is configured now; 0 = no limit. */
  readonly turnMs: () => number;
  readonly refusals: Refusals;
  readonly connections: HoldableConnections;
  /** Told when it begins, and when it has been over for a while. */
  readonly onOverload: (isOverloaded: boolean) => void;
  readonly nowMs: () => number;
  /** Calls back when the loop has been round the sockets. */
  readonly afterTurn: (ended: () => void) => void;
  /** In [0, 1). */
  readonly random: () => number;
}

export class OverloadGuard {
  readonly #deps: OverloadGuardDeps;
  #isInTurn = false;
  #turnBeganMs = 0;
  /** Since when turns have been too long, and the last one that was. */
  #longSinceMs: number | undefined;
  #lastLongMs = 0;
  /** The last turn under overload. */
  #lastOverMs = 0;
  #isOverloaded = false;
  #hasToldOverload = false;
  #begunInTurn = 0;
  #refusedInTurn = 0;
  #heldInTurn = 0;
  #refusedInWindow = 0;
  #begunInWindow = 0;
  #busyMsInWindow = 0;
  #windowBeganMs = 0;
  #holdMs = HOLD_MS_MIN;
  #error: LedgerError;

  constructor(deps: OverloadGuardDeps) {
    this.#deps = deps;
    this.#error = tooBusy(this.#holdMs);
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  /** For how long connections are not read now. */
  get holdMs(): number {
    return this.#holdMs;
  }

  /** Decodes only what there is time for. */
  guarded(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
    return (bytes) => (this.#hasTime() ? decode(bytes) : REFUSED);
  }

  /** @throws LedgerError OVERLOADED when the request was not decoded, or has waited unseen */
  admit(request: unknown, call: RefusableCall): void {
    const { connections, refusals } = this.#deps;
    const isLate = request === REFUSED;
    if (this.#begunInTurn > CALLS_FREE || this.#isOverloaded || isLate) {
      connections.noteAsked(call);
    }
    if (!isLate && !connections.hasWaited(call)) return;
    refusals.count("overload_turn");
    this.#refusedInTurn++;
    this.#refusedInWindow++;
    if (isLate && this.#refusedInTurn > REFUSALS_FREE) this.#hold(call);
    throw this.#error;
  }

  #hold(call: RefusableCall): void {
    const { connections, random } = this.#deps;
    const forMs = () => this.#holdMs * (0.5 + random());
    if (!connections.hold(call, forMs())) return;
    if (++this.#heldInTurn === HELD_FREE) connections.holdOthers(forMs);
  }

  #hasTime(): boolean {
    const turnMs = this.#deps.turnMs();
    if (turnMs === 0) return true;
    const nowMs = this.#deps.nowMs();
    if (this.#isInTurn) return this.#goesOn(nowMs - this.#turnBeganMs, turnMs);
    this.#isInTurn = true;
    this.#turnBeganMs = nowMs;
    this.#refusedInTurn = 0;
    this.#heldInTurn = 0;
    this.#begunInTurn = 1;
    this.#deps.afterTurn(this.#endTurn);
    return true;
  }

  #goesOn(sinceMs: number, turnMs: number): boolean {
    const isOver = this.#isOverloaded
      ? sinceMs > turnMs && this.#begunInTurn >= CALLS_FREE
      : sinceMs > turnMs * BURST_TURNS && this.#begunInTurn >= CALLS_BURST;
    if (!isOver) this.#begunInTurn++;
    return !isOver;
  }

  readonly #endTurn = (): void => {
    this.#isInTurn = false;
    this.#deps.connections.endTurn();
    const nowMs = this.#deps.nowMs();
    this.#begunInWindow += this.#begunInTurn;
    this.#busyMsInWindow += nowMs - this.#turnBeganMs;
    if (nowMs - this.#turnBeganMs > this.#deps.turnMs()) {
      this.#longSinceMs ??= this.#turnBeganMs;
      this.#lastLongMs = nowMs;
    } else if (nowMs - this.#lastLongMs > INTERVAL_MS) {
      this.#longSinceMs = undefined;
    }
    const isStanding = this.#longSinceMs !== undefined && nowMs - this.#longSinceMs > INTERVAL_MS;
    if (isStanding && !this.#isOverloaded) {
      this.#isOverloaded = true;
      this.#beginWindow(nowMs);
    }
    if (this.#isOverloaded) this.#lastOverMs = nowMs;
    const isReleased = nowMs - this.#lastOverMs > RELEASE_MS;
    if (this.#hasToldOverload ? isReleased : this.#isOverloaded) {
      this.#hasToldOverload = this.#isOverloaded;
      this.#deps.onOverload(this.#isOverloaded);
    }
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) this.#endWindow(nowMs);
  };

  #beginWindow(nowMs: number): void {
    this.#windowBeganMs = nowMs;
    this.#refusedInWindow = 0;
    this.#begunInWindow = 0;
    this.#busyMsInWindow = 0;
  }

  #endWindow(nowMs: number): void {
    const refused = this.#refusedInWindow;
    const windowMs = nowMs - this.#windowBeganMs;
    const perSecond = (refused * 1000) / windowMs;
    const isFew = refused < REFUSED_SHARE * (this.#begunInWindow + refused);
    const isFree = this.#busyMsInWindow < (1 - FREE_SHARE) * windowMs;
    if (this.#isOverloaded && (isFew || isFree)) {
      this.#isOverloaded = false;
      this.#longSinceMs = undefined;
    }
    this.#beginWindow(nowMs);
    const before = this.#holdMs;
    if (perSecond < REFUSALS_FEW || isFree)
      this.#holdMs = Math.max(HOLD_MS_MIN, before / HOLD_STEP);
    else if (perSecond > REFUSALS_MANY) this.#holdMs = Math.min(HOLD_MS_MAX, before * HOLD_STEP);
    if (this.#holdMs !== before) this.#error = tooBusy(this.#holdMs);
  }
}

/** One error for all calls of a while, with its bytes: making them anew would cost as much as a read. */
function tooBusy(retryAfterMs: number): LedgerError {
  const message = "more calls arrive than the node can answer in time";
  return prepareError(new LedgerError("OVERLOADED", message, { retryAfterMs }));
}
