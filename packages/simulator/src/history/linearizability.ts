/**
 * Is a history linearizable? For each key by itself, which is enough (Herlihy and Wing, "Linearizability", 1990,
 * theorem 1), and without a look at the indexes that the answers carry.
 *
 *   INV-JUDGE-1  For each key there is an order of its operations that explains every answer and puts what was answered
 *                  before something was asked before it. What has no answer took effect at some time after it was asked,
 *                  or never.
 *
 * The search is just-in-time linearization with remembered configurations (Wing and Gong 1993; Lowe, "Testing for
 * linearizability", 2017, section 5): operations are decided at the latest when they return. A configuration is what the register
 * holds and which of the open operations have happened. Two facts keep them few: an operation that changes nothing happens
 * as soon as its answer fits, and of two configurations that differ only in writes without an answer, the one with
 * fewer of them can do whatever the other can.
 */
import { type Operation, registerOf } from "./record.js";
import { agrees, isObserver, isRead, type RegisterValue, run } from "./register.js";

/** Configurations of one key at one time; beyond it the verdict is "undecided". */
const CONFIGURATIONS_MAX = 200_000;
/** Operations of a counterexample. */
const SHOWN_MAX = 24;

export type LinearizabilityVerdict =
  | { readonly kind: "linearizable"; readonly keys: number; readonly operations: number }
  | { readonly kind: "violated"; readonly violation: LinearizabilityViolation }
  | { readonly kind: "undecided"; readonly key: string; readonly why: string };

export interface LinearizabilityViolation {
  readonly key: string;
  /** No order explains its answer. */
  readonly operation: Operation;
  /** What the key may have held just before it returned. */
  readonly possible: readonly RegisterValue[];
  /** The operations that lead there, as they were asked. */
  readonly history: readonly Operation[];
}

export interface LinearizabilityOptions {
  readonly configurationsMax?: number;
}

/** Checks all keys. The first key (in order of appearance) that is wrong decides. */
export function checkLinearizability(
  operations: readonly Operation[],
  { configurationsMax = CONFIGURATIONS_MAX }: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  const keys = new Map<string, Operation[]>();
  let counted = 0;
  for (const operation of operations) {
    if (!counts(operation)) continue;
    counted++;
    const key = registerOf(operation);
    const ofKey = keys.get(key);
    if (ofKey === undefined) keys.set(key, [operation]);
    else ofKey.push(operation);
  }
  for (const [key, ofKey] of keys) {
    const found = new KeySearch(ofKey, configurationsMax).run();
    if (found === undefined) continue;
    if (found === "undecided") {
      const why = `more than ${configurationsMax} configurations`;
      return { kind: "undecided", key, why };
    }
    const { operation, possible } = found;
    return {
      kind: "violated",
      violation: { key, operation, possible, history: leadingTo(ofKey, operation) },
    };
  }
  return { kind: "linearizable", keys: keys.size, operations: counted };
}

/** Refused before it was proposed: nothing happened. A read without an answer says nothing, nor is a stale one wrong. */
function counts(operation: Operation): boolean {
  if (operation.ok === false) return false;
  if (!isRead(operation)) return true;
  return operation.ok === true && (operation.read ?? "linearizable") === "linearizable";
}

interface Open {
  readonly operation: Operation;
  /** The answer counts; else it is unknown. */
  readonly isKnown: boolean;
  readonly changes: boolean;
  readonly bit: bigint;
}

interface Configuration {
  readonly held: RegisterValue;
  /** Bits of the open operations that have happened. */
  readonly done: bigint;
}

interface Moment {
  readonly at: number;
  readonly isReturn: boolean;
  readonly operation: Operation;
}

type Finding =
  | "undecided"
  | { readonly operation: Operation; readonly possible: readonly RegisterValue[] };

/** The search for one key. */
class KeySearch {
  readonly #moments: readonly Moment[];
  readonly #max: number;
  readonly #open = new Map<Operation, Open>();
  readonly #freeBits: bigint[] = [];
  #bits = 0n;
  /** Bits of writes whose answer is not known; they stay open for ever. */
  #unknownBits = 0n;
  #configurations: Configuration[] = [{ held: null, done: 0n }];

  constructor(operations: readonly Operation[], max: number) {
    this.#moments = momentsOf(operations);
    this.#max = max;
  }

  run(): Finding | undefined {
    for (const { operation, isReturn } of this.#moments) {
      if (!isReturn) {
        this.#begin(operation);
        continue;
      }
      const possible = new Set(this.#configurations.map(({ held }) => held));
      const open = this.#open.get(operation)!;
      const next = this.#decide(open);
      if (next === undefined) return "undecided";
      if (next.length === 0) return { operation, possible: [...possible] };
      this.#open.delete(operation);
      this.#freeBits.push(open.bit);
      this.#configurations = this.#withoutWorse(
        next.map(({ held, done }) => ({ held, done: done & ~open.bit })),
      );
    }
    return undefined;
  }

  #begin(operation: Operation): void {
    const isKnown = operation.ok === true && operation.ret !== null;
    const bit = (isKnown ? this.#freeBits.pop() : undefined) ?? 1n << this.#bits++;
    if (!isKnown) this.#unknownBits |= bit;
    const changes = !isKnown || !isObserver(operation);
    this.#open.set(operation, { operation, isKnown, changes, bit });
    if (!changes) this.#configurations = this.#configurations.map((at) => this.#observed(at));
  }

  /** Everything that changes nothing and whose answer fits happens now. */
  #observed({ held, done }: Configuration): Configuration {
    let now = done;
    for (const { operation, changes, bit } of this.#open.values()) {
      if (!changes && agrees(operation, held)) now |= bit;
    }
    return { held, done: now };
  }

  /** All configurations in which an operation has just, or long, happened; those with the fewest steps first. */
  #decide(target: Open): Configuration[] | undefined {
    const met = new Frontier(this.#unknownBits);
    const reached: Configuration[] = [];
    const ahead: Configuration[] = [];
    const meet = (at: Configuration): void => {
      if (!met.add(at)) return;
      ((at.done & target.bit) !== 0n ? reached : ahead).push(at);
    };
    for (const at of this.#configurations) meet(at);
    for (let next = 0; next < ahead.length; next++) {
      if (met.size > this.#max) return undefined;
      for (const open of this.#open.values()) {
        if (!open.changes || (ahead[next]!.done & open.bit) !== 0n) continue;
        const after = this.#after(open, ahead[next]!);
        if (after !== undefined) meet(after);
      }
    }
    return reached;
  }

  #after(
    { operation, isKnown, bit }: Open,
    { held, done }: Configuration,
  ): Configuration | undefined {
    if (isKnown && !agrees(operation, held)) return undefined;
    const { after } = run(operation, held);
    // Without an answer and without an effect it may as well never have happened.
    if (!isKnown && after === held) return undefined;
    return this.#observed({ held: after, done: done | bit });
  }

  #withoutWorse(all: readonly Configuration[]): Configuration[] {
    const kept = new Frontier(this.#unknownBits);
    return all.filter((at) => kept.add(at));
  }
}

/** Configurations, without those that another one beats: the same but for fewer writes without an answer. */
class Frontier {
  readonly #unknownBits: bigint;
  readonly #unknown = new Map<string, bigint[]>();
  size = 0;

  constructor(unknownBits: bigint) {
    this.#unknownBits = unknownBits;
  }

  /** False when one that is as good is there. */
  add({ held, done }: Configuration): boolean {
    const unknown = done & this.#unknownBits;
    const key = `${(done ^ unknown).toString(36)}${held === null ? "" : `=${held}`}`;
    const group = this.#unknown.get(key) ?? [];
    if (group.some((used) => (used & unknown) === used)) return false;
    group.push(unknown);
    this.#unknown.set(key, group);
    this.size++;
    return true;
  }
}

/** Calls and returns in order of time; at one time calls come first, since who is answered at t may overlap who asks at t. */
function momentsOf(operations: readonly Operation[]): Moment[] {
  const moments: Moment[] = [];
  for (const operation of operations) {
    moments.push({ at: operation.call, isReturn: false, operation });
    if (operation.ok !== true || operation.ret === null) continue;
    moments.push({ at: operation.ret, isReturn: true, operation });
  }
  return moments.sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn));
}

/** The last operations that may bear on a wrong one: all asked before it returned, the newest of them. */
function leadingTo(operations: readonly Operation[], wrong: Operation): Operation[] {
  const before = operations.filter(({ call }) => call <= wrong.ret!);
  return before.sort((a, b) => a.call - b.call).slice(-SHOWN_MAX);
}
