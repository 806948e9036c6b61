/**
 * Orders what a union or an intersection is made of by what it costs to evaluate, as far as the model alone tells
 * (authz.md, 4). A weight counts joins: 1 for a point read, more for each userset and each parent; recursion weighs
 * most.
 */
import type { CompiledRelation, CompiledRewrite } from "./compiled-model.js";
import { dependenciesFirst } from "./dependencies-first.js";
import { inputsOf } from "./reach.js";

const WEIGHT_MAX = 1_000_000;
const RANK: Readonly<Record<CompiledRewrite["kind"], number>> = {
  direct: 0,
  computed: 1,
  tuple_to_userset: 2,
  union: 3,
  intersection: 4,
  exclusion: 5,
};

export class Weights {
  readonly #relations = new Map<CompiledRelation, number>();

  constructor(relations: readonly CompiledRelation[]) {
    for (const relation of dependenciesFirst(relations, ({ rewrite }) => inputsOf(rewrite))) {
      this.#relations.set(relation, this.of(relation.rewrite));
    }
  }

  /** What is not known yet, although dependencies come first, recurs. */
  ofRelation(relation: CompiledRelation): number {
    return this.#relations.get(relation) ?? WEIGHT_MAX;
  }

  of(rewrite: CompiledRewrite): number {
    switch (rewrite.kind) {
      case "direct":
        return this.#sum(1, rewrite.relation.usersets.values());
      case "computed":
        return this.ofRelation(rewrite.relation);
      case "tuple_to_userset":
        return this.#sum(2, rewrite.parents.values());
      case "union":
      case "intersection":
        return bounded(rewrite.children.reduce((sum, child) => sum + this.of(child), 0));
      case "exclusion":
        return bounded(this.of(rewrite.base) + this.of(rewrite.subtract));
    }
  }

  /** The same rewrite with the children of unions and intersections cheapest first; ties keep their order. */
  sorted(rewrite: CompiledRewrite): CompiledRewrite {
    switch (rewrite.kind) {
      case "union":
      case "intersection": {
        const children = rewrite.children
          .map((child) => ({ child: this.sorted(child), weight: this.of(child) }))
          .sort((a, b) => a.weight - b.weight || RANK[a.child.kind] - RANK[b.child.kind]);
        return { kind: rewrite.kind, children: children.map(({ child }) => child) };
      }
      case "exclusion":
        return {
          kind: "exclusion",
          base: this.sorted(rewrite.base),
          subtract: this.sorted(rewrite.subtract),
        };
      default:
        return rewrite;
    }
  }

  #sum(first: number, relations: Iterable<CompiledRelation>): number {
    let sum = first;
    for (const relation of relations) sum += 1 + this.ofRelation(relation);
    return bounded(sum);
  }
}

function bounded(weight: number): number {
  return Math.min(weight, WEIGHT_MAX);
}
