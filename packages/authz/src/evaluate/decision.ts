/** Questions to a model and their answers, as plain data. */
import type { ConditionContext } from "../condition/context.js";
import type { CompiledModel } from "../model/compiled-model.js";
import type { StepKind } from "./trace.js";
import type { RelationTuple, TupleReader } from "./tuple-reader.js";

/** What a question is asked of. */
export interface World {
  readonly model: CompiledModel;
  readonly tuples: TupleReader;
}

/** Bounds of one question; what goes over them is a typed error, never a wrong answer. */
export interface EvaluationLimits {
  /** Relations on one path; computed usersets cost none. */
  readonly depth: number;
  /** Tuples read and points looked up. */
  readonly cost: number;
}

export const DEFAULT_LIMITS: EvaluationLimits = { depth: 25, cost: 100_000 };

interface Question {
  readonly context?: ConditionContext;
  /** Count as stored, for this question only; a stored tuple of the same key gives way to them. */
  readonly contextualTuples?: readonly RelationTuple[];
  readonly limits?: EvaluationLimits;
}

/** Has `subject` the relation to `object`? */
export interface CheckQuestion extends Question {
  readonly object: string;
  readonly relation: string;
  readonly subject: string;
}

export interface CheckAnswer {
  readonly allowed: boolean;
  readonly cost: number;
}

/** Which objects of `type` has `subject` the relation to? */
export interface ListObjectsQuestion extends Question {
  readonly type: string;
  readonly relation: string;
  readonly subject: string;
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: Uint8Array;
}

export interface ListObjectsAnswer {
  readonly objects: readonly string[];
  /** Nothing is missing: what was asked ends here. */
  readonly complete: boolean;
  /** Go on from here; absent where nothing is left. */
  readonly next?: Uint8Array;
  readonly cost: number;
}

/** Which subjects have the relation to `object`? Filters: `user`, or `group#member`. */
export interface ListUsersQuestion extends Question {
  readonly object: string;
  readonly relation: string;
  readonly filters: readonly string[];
  readonly limit: number;
  readonly cursor?: Uint8Array;
}

export interface ListUsersAnswer {
  /** `user:anne`, `user:*`, `group:g#member`. */
  readonly users: readonly string[];
  readonly complete: boolean;
  readonly next?: Uint8Array;
  readonly cost: number;
}

/** Which relations has `subject` to `object`? */
export interface ListRelationsQuestion extends Question {
  readonly object: string;
  readonly subject: string;
  /** Absent: all of the object's type. */
  readonly relations?: readonly string[];
}

export interface ListRelationsAnswer {
  readonly relations: readonly string[];
  readonly cost: number;
}

export interface ExpandQuestion {
  readonly object: string;
  readonly relation: string;
  /** Expand what usersets name, and so on; each once. */
  readonly deep?: boolean;
  readonly contextualTuples?: readonly RelationTuple[];
  readonly limits?: EvaluationLimits;
}

export interface ExpandAnswer {
  readonly tree: UsersetTree;
  readonly cost: number;
}

/** A subject of a stored tuple. */
export interface UsersetLeaf {
  readonly subject: string;
  /** Name of the condition under which it counts. */
  readonly condition?: string;
}

interface TreeNode {
  readonly object: string;
  readonly relation: string;
}

/** Of a deep expansion: the trees of the usersets named here that stand nowhere before. */
interface Expandable extends TreeNode {
  readonly expanded?: readonly UsersetTree[];
}

/** The userset tree of a relation of an object (Zanzibar, section 2.4.5). */
export type UsersetTree =
  | (Expandable & { readonly kind: "leaf"; readonly subjects: readonly UsersetLeaf[] })
  | (Expandable & { readonly kind: "computed"; readonly userset: string })
  | (Expandable & {
      readonly kind: "tuple_to_userset";
      readonly tupleset: string;
      readonly usersets: readonly string[];
    })
  | (TreeNode & {
      readonly kind: "union" | "intersection";
      readonly children: readonly UsersetTree[];
    })
  | (TreeNode & {
      readonly kind: "exclusion";
      readonly base: UsersetTree;
      readonly subtract: UsersetTree;
    });

/** Why: the tree of a decision as it was evaluated. */
export interface Explanation {
  readonly kind: StepKind;
  readonly object: string;
  /** Of the object; empty for operators, whose operands say theirs. */
  readonly relation: string;
  /**
   * "undecided": it depends on a condition that cannot be evaluated, or on a path that is too deep. "cycle": it rests on
   * itself, which is false in the end, and makes false what it is intersected with or subtracted from.
   */
  readonly outcome: "true" | "false" | "cycle" | "undecided";
  /** In words, for people. */
  readonly reason: string;
  /** Tuples that were met in this very step. */
  readonly tuples: readonly ExplainedTuple[];
  readonly children: readonly Explanation[];
  /** Reads of this step and all below it. */
  readonly cost: number;
}

export interface ExplainedTuple {
  readonly tuple: RelationTuple;
  /** Does it count: "false" where its condition does not hold or the model does not allow it. */
  readonly outcome: "true" | "false" | "undecided";
}

export interface ExplainAnswer extends CheckAnswer {
  /** `document:1#viewer@user:anne`. */
  readonly question: string;
  readonly tree: Explanation;
}
