/**
 * Tuples of a question over those that are stored: they count as stored for this question only, and a stored tuple of
 * the same key gives way. In lists they come first.
 */
import type { PositionedTuple, RelationTuple, TupleReader } from "./tuple-reader.js";

const FROM_OVERLAY = 0;
const FROM_BASE = 1;

export class OverlayReader implements TupleReader {
  readonly #overlay: TupleReader;
  readonly #base: TupleReader;

  constructor(overlay: TupleReader, base: TupleReader) {
    this.#overlay = overlay;
    this.#base = base;
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    return (
      this.#overlay.find(object, relation, subject) ?? this.#base.find(object, relation, subject)
    );
  }

  *ofObject(object: string, relation: string): Iterable<RelationTuple> {
    yield* this.#overlay.ofObject(object, relation);
    yield* this.#visible(this.#base.ofObject(object, relation));
  }

  *usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    yield* this.#overlay.usersetsOf(object, relation, type);
    yield* this.#visible(this.#base.usersetsOf(object, relation, type));
  }

  *ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    const inner = after?.subarray(1);
    if (after?.[0] !== FROM_BASE) {
      const own = this.#overlay.ofSubject(subject, relation, type, inner);
      for (const tuple of own) yield tagged(tuple, FROM_OVERLAY);
    }
    const from = after?.[0] === FROM_BASE ? inner : undefined;
    const stored = this.#base.ofSubject(subject, relation, type, from);
    for (const tuple of this.#visible(stored)) yield tagged(tuple, FROM_BASE);
  }

  *#visible<T extends RelationTuple>(tuples: Iterable<T>): Iterable<T> {
    for (const tuple of tuples) {
      const { object, relation, subject } = tuple;
      if (this.#overlay.find(object, relation, subject) === undefined) yield tuple;
    }
  }
}

/** Whose position it is, before the position. */
function tagged(tuple: PositionedTuple, tag: number): PositionedTuple {
  const position = new Uint8Array(tuple.position.length + 1);
  position[0] = tag;
  position.set(tuple.position, 1);
  return { ...tuple, position };
}
