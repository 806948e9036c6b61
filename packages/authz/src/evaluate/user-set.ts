/**
 * Sets of subjects of one kind, as lists of users need them: what is known of each subject that was named, and of all the
 * others together. So "everybody but anne and bob" is a set like any other, and sets are closed under union,
 * intersection and exclusion.
 *
 *   INV-EVAL-7  Operators on sets are those on truths, subject by subject.
 *
 * A subject that was named is "own" where it qualifies by more than a wildcard.
 */
import * as truths from "./truth.js";
import { CYCLE, FALSE, TRUE, type Truth } from "./truth.js";

/** Beside the truth in a member's number. */
const OWN = 0b1_0000;
const TRUTH = 0b1111;

export class UserSet {
  /** Truth of everybody who is not a member. */
  readonly rest: Truth;
  readonly #members: ReadonlyMap<string, number>;

  private constructor(rest: Truth, members: ReadonlyMap<string, number>) {
    this.rest = rest;
    this.#members = members;
  }

  static everybody(rest: Truth): UserSet {
    return new UserSet(rest, new Map());
  }

  static union(sets: readonly UserSet[]): UserSet {
    const union = new UserSetBuilder();
    for (const set of sets) union.addAll(set);
    return union.build();
  }

  /** @internal by the builder */
  static of(rest: Truth, members: ReadonlyMap<string, number>): UserSet {
    return new UserSet(rest, members);
  }

  get isEmpty(): boolean {
    return this.rest === FALSE && this.#members.size === 0;
  }

  /** Members with what is known of them; `isOwn`: by more than a wildcard. */
  *members(): Iterable<{
    readonly subject: string;
    readonly truth: Truth;
    readonly isOwn: boolean;
  }> {
    for (const [subject, member] of this.#members) {
      yield { subject, truth: member & TRUTH, isOwn: (member & OWN) !== 0 };
    }
  }

  get entries(): ReadonlyMap<string, number> {
    return this.#members;
  }

  both(other: UserSet): UserSet {
    return this.#combined(other, (a, b) => truths.both(a & TRUTH, b & TRUTH) | ((a | b) & OWN));
  }

  butNot(subtract: UserSet): UserSet {
    return this.#combined(subtract, (a, b) => truths.butNot(a & TRUTH, b & TRUTH) | (a & OWN));
  }

  equals(other: UserSet): boolean {
    if (this.rest !== other.rest || this.#members.size !== other.#members.size) return false;
    for (const [subject, member] of this.#members) {
      if (other.#members.get(subject) !== member) return false;
    }
    return true;
  }

  every(test: (truth: Truth) => boolean): boolean {
    if (!test(this.rest)) return false;
    for (const member of this.#members.values()) if (!test(member & TRUTH)) return false;
    return true;
  }

  #combined(other: UserSet, combine: (a: number, b: number) => number): UserSet {
    const rest = combine(this.rest, other.rest) & TRUTH;
    const members = new Map<string, number>();
    const add = (subject: string) => {
      const own = this.#members.get(subject) ?? this.rest;
      const others = other.#members.get(subject) ?? other.rest;
      keepMember(members, rest, subject, combine(own, others));
    };
    for (const subject of this.#members.keys()) add(subject);
    for (const subject of other.#members.keys()) {
      if (!this.#members.has(subject)) add(subject);
    }
    return new UserSet(rest, members);
  }
}

/** A union that grows in place, so that long lists cost no set per entry; one set alone is not copied. */
export class UserSetBuilder {
  #rest: Truth = FALSE;
  #members = new Map<string, number>();
  /** All that was added so far. */
  #only: UserSet | undefined;

  addMember(subject: string, truth: Truth): void {
    this.#mix();
    this.#join(subject, truth | OWN);
  }

  addRest(truth: Truth): void {
    this.addAll(UserSet.everybody(truth));
  }

  addAll(set: UserSet): void {
    if (set.isEmpty) return;
    if (this.#only === undefined && this.#members.size === 0 && this.#rest === FALSE) {
      this.#only = set;
      return;
    }
    this.#mix();
    this.#add(set);
  }

  build(): UserSet {
    if (this.#only !== undefined) return this.#only;
    const rest = this.#rest;
    for (const [subject, member] of this.#members) keepMember(this.#members, rest, subject, member);
    return UserSet.of(rest, this.#members);
  }

  #mix(): void {
    if (this.#only === undefined) return;
    this.#add(this.#only);
    this.#only = undefined;
  }

  #add(set: UserSet): void {
    for (const [subject, member] of set.entries) this.#join(subject, member);
    if (set.rest === FALSE) return;
    for (const [subject, member] of this.#members) {
      if (!set.entries.has(subject)) this.#members.set(subject, joined(member, set.rest));
    }
    this.#rest = truths.either(this.#rest, set.rest);
  }

  #join(subject: string, member: number): void {
    this.#members.set(subject, joined(this.#members.get(subject) ?? this.#rest, member));
  }
}

/** Union of two members: own by the operand that made it what it is. */
function joined(a: number, b: number): number {
  const truth = truths.either(a & TRUTH, b & TRUTH);
  const byA = (a & TRUTH) === truth ? a & OWN : 0;
  const byB = (b & TRUTH) === truth ? b & OWN : 0;
  return truth | byA | byB;
}

/** Leaves out who is no different from the rest. */
function keepMember(
  members: Map<string, number>,
  rest: Truth,
  subject: string,
  member: number,
): void {
  const isOwn = (member & OWN) !== 0 && (member & TRUTH) === TRUE;
  const kept = isOwn ? member : member & TRUTH;
  if (kept === rest) members.delete(subject);
  else members.set(subject, kept);
}

/** Nothing is known of anybody yet. */
export const EVERYBODY_BY_CYCLE: UserSet = UserSet.everybody(CYCLE);
export const NOBODY: UserSet = UserSet.everybody(FALSE);
