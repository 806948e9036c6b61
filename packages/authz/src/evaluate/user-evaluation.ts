/**
 * The check's recursion over sets instead of one subject: all subjects of one kind that have a relation to an object. Same
 * cycles, same limits, same pruning; what a check would answer for a subject is what its set holds of it.
 */
import { assertNever } from "@authledger/types";
import type { ConditionContext } from "../condition/context.js";
import type { CompiledRelation, CompiledRewrite } from "../model/compiled-model.js";
import { type Budget, tooDeep } from "./budget.js";
import type { World } from "./decision.js";
import { type Failure, FirstFailure } from "./failure.js";
import { plansOf, type RelationPlan, targetOf } from "./relation-plan.js";
import { isPlain, typeOf } from "./subject.js";
import { FALSE, isFixed, TRUE, type Truth, UNKNOWN } from "./truth.js";
import type { RelationTuple, TupleReader } from "./tuple-reader.js";
import { TupleTruth } from "./tuple-truth.js";
import { EVERYBODY_BY_CYCLE, NOBODY, UserSet, UserSetBuilder } from "./user-set.js";
import { type VisitRules, Visits } from "./visits.js";

type Rewrite<K extends CompiledRewrite["kind"]> = Extract<CompiledRewrite, { kind: K }>;

const VISIT_RULES: VisitRules<UserSet> = {
  cycle: EVERYBODY_BY_CYCLE,
  equal: (a, b) => a.equals(b),
  isFixed: (set) => set.every(isFixed),
  isDecided: (set) => set.every((truth) => truth >> 2 === (truth & 3)),
};

/** Which subjects are looked for: those of `user`, or usersets `group#member`. */
export interface UserFilter {
  /** As in `Subject.kind`. */
  readonly kind: string;
  readonly type: string;
  readonly relation: string | undefined;
}

export class UserEvaluation {
  readonly #filter: UserFilter;
  /** With which plain subjects and the wildcard begin. */
  readonly #prefix: string;
  readonly #tuples: TupleReader;
  readonly #budget: Budget;
  readonly #plans: readonly RelationPlan[];
  readonly #failures = new FirstFailure();
  readonly #tupleTruth: TupleTruth;
  readonly #visits: Visits<UserSet> = new Visits(VISIT_RULES, this.#failures);

  constructor(
    world: World,
    filter: UserFilter,
    options: { readonly context: ConditionContext | undefined; readonly budget: Budget },
  ) {
    this.#filter = filter;
    this.#prefix = `${filter.type}:`;
    this.#tuples = world.tuples;
    this.#budget = options.budget;
    this.#plans = plansOf(world.model);
    this.#tupleTruth = new TupleTruth(world.model, options.context, this.#failures);
  }

  /** Why somebody in a set is undecided. */
  get failure(): Failure | undefined {
    return this.#failures.first;
  }

  evaluate(relation: CompiledRelation, object: string): UserSet {
    return this.#reached(relation, object, 0);
  }

  #reached(relation: CompiledRelation, object: string, depth: number): UserSet {
    if (!this.#canHave(relation)) return NOBODY;
    const known = this.#visits.known(relation.id, object, depth);
    if (known !== undefined) return known.value;
    if (depth > this.#budget.limits.depth) return this.#cutOff(relation, object);
    return this.#visits.run(relation.id, object, depth, () =>
      this.#withItself(relation, object, this.#rewrite(relation.rewrite, object, depth)),
    );
  }

  #canHave(relation: CompiledRelation): boolean {
    return relation.isReachableFrom(this.#filter.kind);
  }

  /** o#r has r on o. */
  #withItself(relation: CompiledRelation, object: string, others: UserSet): UserSet {
    const { type, relation: name } = this.#filter;
    if (relation.name !== name || relation.type !== type) return others;
    const itself = new UserSetBuilder();
    itself.addMember(`${object}#${name}`, TRUE);
    return UserSet.union([itself.build(), others]);
  }

  #cutOff(relation: CompiledRelation, object: string): UserSet {
    this.#visits.noteTooDeep();
    this.#failures.note(() => tooDeep(this.#budget.limits.depth));
    return this.#withItself(relation, object, UserSet.everybody(UNKNOWN));
  }

  #rewrite(rewrite: CompiledRewrite, object: string, depth: number): UserSet {
    this.#budget.enter();
    const users = this.#apply(rewrite, object, depth);
    this.#budget.leave();
    return users;
  }

  #apply(rewrite: CompiledRewrite, object: string, depth: number): UserSet {
    switch (rewrite.kind) {
      case "direct":
        return this.#direct(rewrite.relation, object, depth);
      case "computed": {
        const { relation } = rewrite;
        if (this.#plans[relation.id]!.isCircular) return this.#reached(relation, object, depth);
        if (!this.#canHave(relation)) return NOBODY;
        const others = this.#rewrite(relation.rewrite, object, depth);
        return this.#withItself(relation, object, others);
      }
      case "tuple_to_userset":
        return this.#fromParents(rewrite, object, depth);
      case "union":
        return UserSet.union(rewrite.children.map((child) => this.#rewrite(child, object, depth)));
      case "intersection":
        return this.#intersection(rewrite, object, depth);
      case "exclusion": {
        const base = this.#rewrite(rewrite.base, object, depth);
        return base.isEmpty ? base : base.butNot(this.#rewrite(rewrite.subtract, object, depth));
      }
      default:
        return assertNever(rewrite, "rewrite");
    }
  }

  #intersection({ children }: Rewrite<"intersection">, object: string, depth: number): UserSet {
    let set = UserSet.everybody(TRUE);
    for (const child of children) {
      set = set.both(this.#rewrite(child, object, depth));
      if (set.isEmpty) return set;
    }
    return set;
  }

  #direct(relation: CompiledRelation, object: string, depth: number): UserSet {
    const found = new UserSetBuilder();
    const branches: { readonly target: CompiledRelation; readonly object: string }[] = [];
    this.#budget.spend();
    for (const tuple of this.#tuples.ofObject(object, relation.name)) {
      this.#budget.spend();
      const target = this.#usersetTarget(relation, tuple.subject);
      if (target === undefined) {
        this.#addPlain(found, relation, tuple);
      } else if (this.#canHave(target)) {
        const truth = this.#tupleTruth.of(relation, tuple);
        const at = tuple.subject.length - target.name.length - 1;
        if (truth === TRUE) branches.push({ target, object: tuple.subject.slice(0, at) });
        else found.addRest(truth);
      }
    }
    for (const branch of branches) {
      found.addAll(this.#reached(branch.target, branch.object, depth + 1));
    }
    return found.build();
  }

  #usersetTarget(relation: CompiledRelation, subject: string): CompiledRelation | undefined {
    for (const scan of this.#plans[relation.id]!.usersetScans) {
      const target = targetOf(scan, subject);
      if (target !== undefined) return target;
    }
    return undefined;
  }

  #addPlain(found: UserSetBuilder, relation: CompiledRelation, tuple: RelationTuple): void {
    const { type, relation: userset } = this.#filter;
    const { subject } = tuple;
    if (userset !== undefined || !subject.startsWith(this.#prefix)) return;
    if (subject.includes("#", this.#prefix.length)) return;
    const isWildcard = subject === `${this.#prefix}*`;
    if (!(isWildcard ? relation.wildcardTypes : relation.plainTypes).has(type)) return;
    const truth = this.#tupleTruth.of(relation, tuple);
    if (isWildcard) found.addRest(truth);
    else if (truth !== FALSE) found.addMember(subject, truth);
  }

  #fromParents(rewrite: Rewrite<"tuple_to_userset">, object: string, depth: number): UserSet {
    const { tupleset, parents } = rewrite;
    const found = new UserSetBuilder();
    if (![...parents.values()].some((target) => this.#canHave(target))) return NOBODY;
    const branches: { readonly target: CompiledRelation; readonly object: string }[] = [];
    this.#budget.spend();
    for (const tuple of this.#tuples.ofObject(object, tupleset.name)) {
      this.#budget.spend();
      const { subject } = tuple;
      const target = isPlain(subject) ? parents.get(typeOf(subject)) : undefined;
      if (target === undefined || !this.#canHave(target)) continue;
      const truth: Truth = this.#tupleTruth.of(tupleset, tuple);
      if (truth === TRUE) branches.push({ target, object: subject });
      else found.addRest(truth);
    }
    for (const branch of branches) {
      found.addAll(this.#reached(branch.target, branch.object, depth + 1));
    }
    return found.build();
  }
}
