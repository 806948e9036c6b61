/**
 * Tuples in memory, by object and by subject: for tuples that come with a question, for tests and for the client's fake.
 * Lists are in code unit order of what differs in them, whatever order tuples were added in.
 */
import { decodeUtf8, utf8 } from "@authledger/types";
import type { PositionedTuple, RelationTuple, TupleReader } from "./tuple-reader.js";

export class MapTupleReader implements TupleReader {
  readonly #byObject = new Map<string, SortedTuples>();
  readonly #bySubject = new Map<string, SortedTuples>();

  /** @param tuples of the same key the last one counts */
  constructor(tuples: Iterable<RelationTuple> = []) {
    for (const tuple of tuples) this.add(tuple);
  }

  /** Adds a tuple, or puts it in the place of the one with its key. */
  add(tuple: RelationTuple): void {
    const { object, relation, subject } = tuple;
    listOf(this.#byObject, keyOf(object, relation), subjectOf).add(tuple);
    listOf(this.#bySubject, keyOf(subject, relation), objectOf).add(tuple);
  }

  /** @returns whether it was there */
  remove(object: string, relation: string, subject: string): boolean {
    this.#bySubject.get(keyOf(subject, relation))?.remove(object);
    return this.#byObject.get(keyOf(object, relation))?.remove(subject) ?? false;
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    return this.#byObject.get(keyOf(object, relation))?.find(subject);
  }

  ofObject(object: string, relation: string): Iterable<RelationTuple> {
    return this.#byObject.get(keyOf(object, relation))?.all() ?? [];
  }

  usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    return this.#byObject.get(keyOf(object, relation))?.startingWith(`${type}:`) ?? [];
  }

  *ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    const list = this.#bySubject.get(keyOf(subject, relation));
    if (list === undefined) return;
    const from = after === undefined ? undefined : decodeUtf8(after);
    for (const tuple of list.startingWith(`${type}:`, from)) {
      yield { ...tuple, position: utf8(tuple.object) };
    }
  }
}

/** Neither objects nor subjects nor relations hold a space. */
function keyOf(owner: string, relation: string): string {
  return `${relation} ${owner}`;
}

type KeyOf = (tuple: RelationTuple) => string;
const subjectOf: KeyOf = (tuple) => tuple.subject;
const objectOf: KeyOf = (tuple) => tuple.object;

function listOf(lists: Map<string, SortedTuples>, key: string, sortKey: KeyOf): SortedTuples {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const list = new SortedTuples(sortKey);
  lists.set(key, list);
  return list;
}

/** Sorts when it is read after a change, so that a million tuples are added without moving any. */
class SortedTuples {
  #tuples: RelationTuple[] = [];
  #isSorted = true;
  readonly #key: KeyOf;

  constructor(key: KeyOf) {
    this.#key = key;
  }

  add(tuple: RelationTuple): void {
    const last = this.#tuples.at(-1);
    if (last !== undefined && this.#key(last) >= this.#key(tuple)) this.#isSorted = false;
    this.#tuples.push(tuple);
  }

  remove(key: string): boolean {
    const at = this.#position(key);
    if (at === this.#tuples.length || this.#key(this.#tuples[at]!) !== key) return false;
    this.#tuples.splice(at, 1);
    return true;
  }

  find(key: string): RelationTuple | undefined {
    const at = this.#position(key);
    const found = this.#tuples[at];
    return found !== undefined && this.#key(found) === key ? found : undefined;
  }

  all(): Iterable<RelationTuple> {
    this.#sort();
    return this.#tuples;
  }

  /** @param after only keys after this one */
  *startingWith(prefix: string, after?: string): Iterable<RelationTuple> {
    let at = this.#position(after === undefined || after < prefix ? prefix : after);
    for (; at < this.#tuples.length; at++) {
      const tuple = this.#tuples[at]!;
      const key = this.#key(tuple);
      if (!key.startsWith(prefix)) return;
      if (key !== after) yield tuple;
    }
  }

  /** Of the first key that is not less. */
  #position(key: string): number {
    this.#sort();
    let low = 0;
    let high = this.#tuples.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#key(this.#tuples[middle]!) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sort(): void {
    if (this.#isSorted) return;
    const newest = new Map(this.#tuples.map((tuple) => [this.#key(tuple), tuple]));
    this.#tuples = [...newest.values()].sort((a, b) => (this.#key(a) < this.#key(b) ? -1 : 1));
    this.#isSorted = true;
  }
}
