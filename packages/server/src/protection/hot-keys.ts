/**
 * Finds the keys that are asked for or written most (L-154): one that takes a large part of all calls is worth knowing, since it
 * makes one client's mistake everybody's. A count-min sketch (Cormode and Muthukrishnan 2005, 3) counts in fixed memory;
 * two windows that take turns let what is over be forgotten; a short list keeps the names of what is hot.
 *
 *   INV-HOT-1  A key is never counted too low within its windows, whatever else is counted; memory is fixed.
 *   INV-HOT-2  The list holds at most KEYS_MAX keys, and a line of the log is written at most once in TELL_EVERY_MS.
 *
 * One call in SAMPLE is counted, on average: how many are let by is drawn anew each time, so that no rhythm of calls hides a key, and letting
 * one by is a subtraction. Keys are in the log and nowhere else: as labels of a metric they would have no bound.
 */
import type { CallObserver } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";

const ROWS = 4;
/** A power of two. 4 * 1,024 cells of 4 bytes, twice: 32 KiB. A cell is too high by e / 1,024 of all counts, in a row of e^-4. */
const CELLS = 1_024;
const WINDOW_MS = 60_000;
const SAMPLE = 16;
const KEYS_MAX = 10;
const TELL_EVERY_MS = 10_000;
/** Fewer in the windows are chance: of so many counted ones a rate is off by a quarter at most, nineteen times of twenty. */
const COUNT_MIN = 64;

export interface HotKey {
  /** Organization, vault, and resource or entity key. */
  readonly key: string;
  readonly perSecond: number;
}

export interface HotKeysDeps {
  /** Calls a second from which on a key is hot; 0 = do not look. */
  readonly hotRate: () => number;
  readonly onHot: (hot: HotKey) => void;
  readonly nowMs: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

interface Weighed {
  readonly tuple?: { readonly resource: string };
  readonly key?: string;
  readonly resource?: string;
  readonly transaction?: { readonly operations: readonly Operation[] };
}

interface Operation {
  readonly operation?: {
    readonly value: { readonly tuple?: { readonly resource: string }; readonly key?: string };
  };
}

/** The vault of a key. */
interface Place {
  readonly organization: unknown;
  readonly vault: unknown;
  readonly text: string;
  readonly hash: number;
}

const HASH_BEGIN = 0x811c9dc5;
const NOWHERE: Place = { organization: undefined, vault: undefined, text: "", hash: HASH_BEGIN };

export class HotKeys implements CallObserver {
  readonly #deps: HotKeysDeps;
  #counts = new Uint32Array(ROWS * CELLS);
  #before = new Uint32Array(ROWS * CELLS);
  #windowBeganMs: number;
  /** How long the window before was: 0 at first. */
  #beforeMs = 0;
  readonly #hot = new Map<string, number>();
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** Calls to let by before the next one is counted. */
  #letBy = 0;
  /** Of the call that was counted last; most are about the same vault, and numbers of 64 bits are slow to write. */
  #place: Place = NOWHERE;

  constructor(deps: HotKeysDeps) {
    this.#deps = deps;
    this.#windowBeganMs = deps.nowMs();
  }

  /** What is hot now, most first. */
  get top(): readonly HotKey[] {
    const keys = [...this.#hot].map(([key, perSecond]) => ({ key, perSecond }));
    return keys.sort((a, b) => b.perSecond - a.perSecond);
  }

  ended(call: GatedCall): void {
    if (call.status !== 0 || this.#letBy-- > 0) return;
    const { random, hotRate } = this.#deps;
    // From none to twice the mean.
    this.#letBy = Math.floor(random() * (2 * SAMPLE - 1));
    if (hotRate() === 0) return;
    const about = aboutOf(call);
    if (about !== undefined) this.count(about, this.#placeOf(call));
  }

  #placeOf({ target: { organization, vault } }: GatedCall): Place {
    const last = this.#place;
    if (last.organization === organization && last.vault === vault) return last;
    const text = `${organization}/${vault}/`;
    this.#place = { organization, vault, text, hash: hashOf(text, HASH_BEGIN) };
    return this.#place;
  }

  /** Counts a call that stands for SAMPLE of them. The key is its place and what it is about, put together only for the list. */
  count(about: string, place: Place = NOWHERE): void {
    const nowMs = this.#deps.nowMs();
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) this.#rotate(nowMs);
    const count = this.#add(finished(hashOf(about, place.hash)));
    if (count < COUNT_MIN) return;
    const seconds = (nowMs - this.#windowBeganMs + this.#beforeMs) / 1000;
    const perSecond = (count * SAMPLE) / Math.max(1, seconds);
    if (perSecond >= this.#deps.hotRate())
      this.#note(place.text + about, Math.round(perSecond), nowMs);
  }

  /** How often the key was counted in both windows, or more. */
  #add(hash: number): number {
    // Two halves of a hash make as many as are needed (Kirsch and Mitzenmacher 2006).
    const step = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) | 1;
    let least = Number.POSITIVE_INFINITY;
    for (let row = 0; row < ROWS; row++) {
      const cell = row * CELLS + (((hash + Math.imul(row, step)) >>> 10) & (CELLS - 1));
      this.#counts[cell]!++;
      least = Math.min(least, this.#counts[cell]! + this.#before[cell]!);
    }
    return least;
  }

  #note(key: string, perSecond: number, nowMs: number): void {
    const isNew = !this.#hot.has(key);
    this.#hot.set(key, perSecond);
    if (this.#hot.size > KEYS_MAX) this.#hot.delete(this.top[KEYS_MAX]!.key);
    if (!isNew || !this.#hot.has(key) || nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#deps.onHot({ key, perSecond });
  }

  #rotate(nowMs: number): void {
    const lengthMs = nowMs - this.#windowBeganMs;
    [this.#before, this.#counts] = [this.#counts, this.#before];
    this.#counts.fill(0);
    this.#beforeMs = lengthMs;
    this.#windowBeganMs = nowMs;
    this.#hot.clear();
  }
}

/** What a call is about; undefined for batches and lists. */
function aboutOf(call: GatedCall): string | undefined {
  const request: Weighed = call.message;
  const value = request.transaction?.operations[0]?.operation?.value;
  return (
    request.tuple?.resource ??
    request.key ??
    request.resource ??
    value?.tuple?.resource ??
    value?.key
  );
}

/** FNV-1a over UTF-16 units, to be gone on with: quick, and good enough where nobody gains by a collision. */
function hashOf(text: string, begun: number): number {
  let hash = begun;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash;
}

/** The finish of MurmurHash3. */
function finished(begun: number): number {
  const hash = Math.imul(begun ^ (begun >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
