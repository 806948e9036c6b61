/**
 * A model made ready for evaluation: references resolved, conditions type-checked, and for every relation which subjects
 * can reach it at all, so that a question whose answer the types already give costs no read.
 */
import type { CompiledCondition } from "../condition/context.js";
import type { AuthorizationModel, TypeRestriction } from "./model.js";

/** A node of a relation's rewrite. References are objects, not names. */
export type CompiledRewrite =
  | { readonly kind: "direct"; readonly relation: CompiledRelation }
  | { readonly kind: "computed"; readonly relation: CompiledRelation }
  | {
      readonly kind: "tuple_to_userset";
      readonly tupleset: CompiledRelation;
      readonly relation: string;
      /** By type of the parent: what "relation" is there. A type that lacks it counts as false and is not in here. */
      readonly parents: ReadonlyMap<string, CompiledRelation>;
    }
  | { readonly kind: "union"; readonly children: readonly CompiledRewrite[] }
  | { readonly kind: "intersection"; readonly children: readonly CompiledRewrite[] }
  | {
      readonly kind: "exclusion";
      readonly base: CompiledRewrite;
      readonly subtract: CompiledRewrite;
    };

/** `document#viewer`, with everything that a check of it needs. */
export interface CompiledRelation {
  readonly type: string;
  readonly name: string;
  /** Dense, from 0: for arrays and bit sets beside the model. */
  readonly id: number;
  /** Of unions: cheapest first (direct, computed, tuple-to-userset). */
  readonly rewrite: CompiledRewrite;
  readonly directTypes: readonly TypeRestriction[];
  /** Subject types (`user`) that may stand plainly, as wildcard, as userset (`group#member`) in a stored tuple. */
  readonly plainTypes: ReadonlySet<string>;
  readonly wildcardTypes: ReadonlySet<string>;
  readonly usersets: ReadonlyMap<string, CompiledRelation>;
  /** Some tuple of it may carry a condition. */
  readonly isConditional: boolean;
  /**
   * Can a subject of this type (`user`, or `group#member` for usersets) have the relation at all?
   * A wildcard subject counts as its type.
   */
  isReachableFrom(subject: string): boolean;
  /**
   * Is a stored tuple of this relation with such a subject one that the model allows? Others are ignored on read.
   * @param condition name of the condition that the tuple carries
   */
  allows(subject: string, condition: string | undefined): boolean;
}

/** A way into a relation from the subject's side, for lists of objects. */
export interface ReverseEdge {
  /** The relation that one gets to. */
  readonly relation: CompiledRelation;
  readonly kind: "direct" | "computed" | "tuple_to_userset";
  /** Of tuple-to-userset: the relation whose stored tuples lead from parent to child. */
  readonly tupleset?: CompiledRelation;
  /** It lies under an intersection or an exclusion: what is met through it is a candidate, to be checked. */
  readonly isCandidate: boolean;
}

export interface CompiledModel {
  readonly model: AuthorizationModel;
  readonly conditions: ReadonlyMap<string, CompiledCondition>;
  /** All relations; index = id. */
  readonly relations: readonly CompiledRelation[];
  hasType(type: string): boolean;
  relation(type: string, name: string): CompiledRelation | undefined;
  relationsOf(type: string): readonly CompiledRelation[];
  /** Relations that follow from tuples whose subject is a plain object of `type` (or its wildcard). */
  edgesFromType(type: string): readonly ReverseEdge[];
  /** Relations that follow from having this one: computed, userset in a direct tuple, through a parent. */
  edgesFromRelation(relation: CompiledRelation): readonly ReverseEdge[];
  /** Can one get from the first to the second along these edges, in any number of steps (none included)? */
  leadsTo(from: CompiledRelation, to: CompiledRelation): boolean;
}
