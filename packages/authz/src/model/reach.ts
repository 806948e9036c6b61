/**
 * Which subjects can have a relation at all, by their kind alone (authz.md, 2): a check whose subject cannot is false
 * without a read. The least fixed point over all relations; a set may be too large, never too small, since it forgets
 * which objects are meant.
 *
 * INV-MODEL-1  Where a relation is not reachable from a kind of subject, no tuples whatever make a check of such a
 *              subject true.
 */
import { BitSet } from "./bit-set.js";
import type { CompiledRelation, CompiledRewrite } from "./compiled-model.js";
import { dependenciesFirst } from "./dependencies-first.js";

/** Kinds of subjects, numbered: `user` and `group#member`. */
export interface SubjectKinds {
  readonly size: number;
  ofType(type: string): number;
  ofRelation(relation: CompiledRelation): number;
}

/** By id of the relation: the kinds of subjects that can have it. */
export function reachability(
  relations: readonly CompiledRelation[],
  kinds: SubjectKinds,
): readonly BitSet[] {
  const reached = relations.map((relation) => {
    const set = new BitSet(kinds.size);
    set.add(kinds.ofRelation(relation)); // o#r has r on o
    return set;
  });
  const order = dependenciesFirst(relations, ({ rewrite }) => inputsOf(rewrite));
  for (let changed = true; changed; ) {
    changed = false;
    for (const relation of order) {
      const found = reachOf(relation.rewrite, reached, kinds);
      if (reached[relation.id]!.union(found)) changed = true;
    }
  }
  return reached;
}

/** The relations that a rewrite is made of, as often as it names them. */
export function inputsOf(rewrite: CompiledRewrite): readonly CompiledRelation[] {
  switch (rewrite.kind) {
    case "direct":
      return [...rewrite.relation.usersets.values()];
    case "computed":
      return [rewrite.relation];
    case "tuple_to_userset":
      return [...rewrite.parents.values()];
    case "union":
    case "intersection":
      return rewrite.children.flatMap(inputsOf);
    case "exclusion":
      return [...inputsOf(rewrite.base), ...inputsOf(rewrite.subtract)];
  }
}

function reachOf(rewrite: CompiledRewrite, reached: readonly BitSet[], kinds: SubjectKinds) {
  const set = new BitSet(kinds.size);
  const addAll = (found: Iterable<CompiledRelation>) => {
    for (const relation of found) set.union(reached[relation.id]!);
  };
  switch (rewrite.kind) {
    case "direct":
      for (const type of rewrite.relation.plainTypes) set.add(kinds.ofType(type));
      for (const type of rewrite.relation.wildcardTypes) set.add(kinds.ofType(type));
      addAll(rewrite.relation.usersets.values());
      break;
    case "computed":
      addAll([rewrite.relation]);
      break;
    case "tuple_to_userset":
      addAll(rewrite.parents.values());
      break;
    case "union":
      for (const child of rewrite.children) set.union(reachOf(child, reached, kinds));
      break;
    case "intersection":
      for (const [i, child] of rewrite.children.entries()) {
        const of = reachOf(child, reached, kinds);
        if (i === 0) set.union(of);
        else set.intersect(of);
      }
      break;
    case "exclusion":
      set.union(reachOf(rewrite.base, reached, kinds));
      break;
  }
  return set;
}
