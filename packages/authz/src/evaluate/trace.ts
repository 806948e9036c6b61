/** What an evaluation tells of itself while it runs: to nobody in a plain check, to the tree of an explanation else. */

import type { Truth } from "./truth.js";
import type { RelationTuple } from "./tuple-reader.js";

export type StepKind =
  | "self"
  | "direct"
  | "usersets"
  | "computed"
  | "tuple_to_userset"
  | "union"
  | "intersection"
  | "exclusion"
  | "relation"
  | "unreachable"
  | "cycle"
  | "known"
  | "too_deep";

export interface Trace {
  /** A step begins; steps nest. @param cost so far */
  enter(kind: StepKind, object: string, relation: string, cost: number): void;
  /** The innermost step turns out to be of another kind. */
  is(kind: StepKind): void;
  /** A tuple was met in the innermost step. @param truth what it says by itself: allowed, and its condition holds */
  tuple(tuple: RelationTuple, truth: Truth): void;
  /** The innermost step ends. */
  leave(truth: Truth, cost: number): void;
}
