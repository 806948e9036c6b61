/**
 * Where the evaluator gets tuples from: a state of a vault, a proof, tuples of a request, a test's map. Synchronous: data
 * is in memory, and one question runs to its end (authz.md, 4).
 *
 * Readers give what is stored and live at their time; what the model does not allow the evaluator leaves out itself.
 * Order is the reader's own, but the same every time for one state. A reader may hand out the same iterator result again
 * and again; the tuples themselves are the caller's to keep.
 */
import type { Height } from "@authledger/types";
import type { TupleCondition } from "../condition/context.js";

/** The object of a tuple, its relation, its subject: `document:1`, `viewer`, `user:anne` | `group:g#member` | `user:*`. */
export interface RelationTuple {
  readonly object: string;
  readonly relation: string;
  readonly subject: string;
  readonly condition?: TupleCondition;
  /** Of the block that wrote it, where the reader knows it; explanations show it, answers never depend on it. */
  readonly height?: Height;
}

/** A tuple of a list by subject, with the place where a later reading goes on. */
export type PositionedTuple = RelationTuple & { readonly position: Uint8Array };

export interface TupleReader {
  /** The tuple itself, by its whole key. */
  find(object: string, relation: string, subject: string): RelationTuple | undefined;
  /** All tuples of a relation of an object: the complete sub-list. */
  ofObject(object: string, relation: string): Iterable<RelationTuple>;
  /**
   * Of the tuples of a relation of an object at least those whose subjects are usersets of objects of `type`
   * (`group:...#...`); others where the reader cannot tell them apart cheaply. Asked where plain subjects were already
   * looked for by `find`: a reader in key order reads the range of subjects that start with `type:`.
   */
  usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple>;
  /**
   * At least the tuples of a subject in a relation of objects of `type`, from a position on (exclusive), lazily.
   * Positions are opaque, of the same reader's state, and at most 1 KiB.
   */
  ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple>;
}
