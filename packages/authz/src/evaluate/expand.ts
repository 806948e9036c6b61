/**
 * The userset tree of a relation of an object (Zanzibar, section 2.4.5): one level of tuples, or deep, where each userset is
 * expanded once. Tuples that the model does not allow are left out; conditions are shown by their names, not evaluated.
 */
import type { CompiledRelation, CompiledRewrite } from "../model/compiled-model.js";
import { Budget } from "./budget.js";
import {
  DEFAULT_LIMITS,
  type ExpandAnswer,
  type ExpandQuestion,
  type UsersetLeaf,
  type UsersetTree,
  type World,
} from "./decision.js";
import { resolveObject, withContextualTuples } from "./resolve-question.js";
import { isPlain, parseSubject, typeOf } from "./subject.js";

/**
 * @example expand(world, { object: "document:1", relation: "viewer" }).tree
 * @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND, INVALID_TUPLE, LIMIT_EXCEEDED, EVALUATION_TOO_COMPLEX
 */
export function expand(world: World, question: ExpandQuestion): ExpandAnswer {
  const { object } = question;
  const relation = resolveObject(world.model, object, question.relation);
  const asked = withContextualTuples(world, question.contextualTuples);
  const expansion = new Expansion(asked, question);
  return { tree: expansion.expand(relation, object, 0), cost: expansion.budget.spent };
}

class Expansion {
  readonly budget: Budget;
  readonly #world: World;
  readonly #isDeep: boolean;
  readonly #expanded = new Set<string>();

  constructor(world: World, { limits, deep }: ExpandQuestion) {
    this.budget = new Budget(limits ?? DEFAULT_LIMITS);
    this.#world = world;
    this.#isDeep = deep === true;
  }

  expand(relation: CompiledRelation, object: string, depth: number): UsersetTree {
    this.#expanded.add(`${object}#${relation.name}`);
    return this.#tree(relation.rewrite, { relation, object, depth });
  }

  /** Counts each definition, also those within a relation's own. INV-EVAL-11. */
  #tree(rewrite: CompiledRewrite, at: At): UsersetTree {
    this.budget.enter();
    const tree = this.#treeOf(rewrite, at);
    this.budget.leave();
    return tree;
  }

  #treeOf(rewrite: CompiledRewrite, at: At): UsersetTree {
    const { object } = at;
    const relation = at.relation.name;
    switch (rewrite.kind) {
      case "direct":
        return this.#leaf(at);
      case "computed": {
        const userset = `${object}#${rewrite.relation.name}`;
        const below = this.#below([userset], at.depth);
        return { kind: "computed", object, relation, userset, ...below };
      }
      case "tuple_to_userset": {
        const usersets = this.#parents(rewrite, object);
        const below = this.#below(usersets, at.depth + 1);
        const tupleset = rewrite.tupleset.name;
        return { kind: "tuple_to_userset", object, relation, tupleset, usersets, ...below };
      }
      case "union":
      case "intersection": {
        const children = rewrite.children.map((child) => this.#tree(child, at));
        return { kind: rewrite.kind, object, relation, children };
      }
      case "exclusion": {
        const base = this.#tree(rewrite.base, at);
        return {
          kind: "exclusion",
          object,
          relation,
          base,
          subtract: this.#tree(rewrite.subtract, at),
        };
      }
    }
  }

  #leaf({ relation, object, depth }: At): UsersetTree {
    const subjects: UsersetLeaf[] = [];
    this.budget.spend();
    for (const { subject, condition } of this.#world.tuples.ofObject(object, relation.name)) {
      this.budget.spend();
      if (!relation.allows(subject, condition?.name)) continue;
      subjects.push(condition === undefined ? { subject } : { subject, condition: condition.name });
    }
    const usersets = subjects.map(({ subject }) => subject).filter((text) => text.includes("#"));
    const below = this.#below(usersets, depth + 1);
    return { kind: "leaf", object, relation: relation.name, subjects, ...below };
  }

  #parents(rewrite: Extract<CompiledRewrite, { kind: "tuple_to_userset" }>, object: string) {
    const { tupleset, parents, relation } = rewrite;
    const usersets: string[] = [];
    this.budget.spend();
    for (const { subject, condition } of this.#world.tuples.ofObject(object, tupleset.name)) {
      this.budget.spend();
      if (!isPlain(subject) || !parents.has(typeOf(subject))) continue;
      if (tupleset.allows(subject, condition?.name)) usersets.push(`${subject}#${relation}`);
    }
    return usersets;
  }

  /** The trees of usersets, where that was asked for and they are not in the tree yet. */
  #below(
    usersets: readonly string[],
    depth: number,
  ): { readonly expanded?: readonly UsersetTree[] } {
    if (!this.#isDeep || depth > this.budget.limits.depth) return {};
    const expanded: UsersetTree[] = [];
    for (const userset of usersets) {
      if (this.#expanded.has(userset)) continue;
      const { type, relation, object } = parseSubject(userset);
      const found = this.#world.model.relation(type, relation!);
      if (found !== undefined) expanded.push(this.expand(found, object, depth));
    }
    return { expanded };
  }
}

interface At {
  readonly relation: CompiledRelation;
  readonly object: string;
  readonly depth: number;
}
