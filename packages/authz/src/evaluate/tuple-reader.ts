/**
 * Where the evaluator gets tuples from: a state of a vault, a proof, tuples of a request, a test's map. Synchronous: data
 * is in memory, and one question runs to its end (authz.md, 4).
 *
 * Readers give what is stored and live at their time; what the model does not allow the evaluator leaves out itself.
 * Order is the reader's own, but the same every time for one state.
 */
import type { TupleCondition } from "../condition/context.js";

/** The object of a tuple, its relation, its subject: `document:1`, `viewer`, `user:anne` | `group:g#member` | `user:*`. */
export interface RelationTuple {
  readonly object: string;
  readonly relation: string;
  readonly subject: string;
  readonly condition?: TupleCondition;
}

export interface TupleReader {
  /** The tuple itself, by its whole key. */
  find(object: string, relation: string, subject: string): RelationTuple | undefined;
  /** All tuples of a relation of an object: the complete sub-list. */
  ofObject(object: string, relation: string): Iterable<RelationTuple>;
  /**
   * Only those of its tuples whose subjects are usersets, where the reader can tell cheaply; else all. Asked where plain
   * subjects were already looked for by `find`.
   */
  usersetsOf(object: string, relation: string): Iterable<RelationTuple>;
  /**
   * All tuples of a subject in a relation, from a position on (exclusive), lazily. Positions are opaque and of the same
   * reader's state.
   */
  ofSubject(
    subject: string,
    relation: string,
    after?: Uint8Array,
  ): Iterable<RelationTuple & { readonly position: Uint8Array }>;
}
