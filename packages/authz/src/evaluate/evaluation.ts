/**
 * The recursion behind every decision: has a subject a relation to an object? Depth first, on one thread, over tuples that
 * it reaches through its reader only, so that whoever notes the reads (a proof) or the steps (an explanation) sees the very
 * same evaluation (authz.md, 1 to 6, 9).
 *
 *   INV-EVAL-4  Every answer follows from the model and the reads: the same reads give the same answer and the same reads.
 *   INV-EVAL-5  Reads are those that can matter: a relation that the subject's kind cannot reach costs none, a subject is
 *               looked up by its key before any list is read, and no list is read on once the answer is true.
 *
 * Relations on one path are counted where a tuple leads to another object; computed relations cost nothing.
 */
import { assertNever } from "@authledger/types";
import type { ConditionContext } from "../condition/context.js";
import type { CompiledRelation, CompiledRewrite } from "../model/compiled-model.js";
import { Budget, tooDeep } from "./budget.js";
import { DEFAULT_LIMITS, type EvaluationLimits, type World } from "./decision.js";
import { FirstFailure } from "./failure.js";
import { plansOf, type RelationPlan, targetOf, type UsersetScan } from "./relation-plan.js";
import { isPlain, type Subject, typeOf } from "./subject.js";
import type { Trace } from "./trace.js";
import * as truths from "./truth.js";
import { CYCLE, FALSE, TRUE, type Truth, UNKNOWN } from "./truth.js";
import type { RelationTuple, TupleReader } from "./tuple-reader.js";
import { TupleTruth } from "./tuple-truth.js";
import { type VisitRules, Visits } from "./visits.js";

/** Branches put off until cheaper ones are tried. More would read a list to its end that an early branch may decide. */
const DEFERRED_MAX = 32;

type Rewrite<K extends CompiledRewrite["kind"]> = Extract<CompiledRewrite, { kind: K }>;

/** A relation of an object that a tuple leads to. */
interface Branch {
  readonly relation: CompiledRelation;
  readonly object: string;
}

const VISIT_RULES: VisitRules<Truth> = {
  cycle: CYCLE,
  equal: (a, b) => a === b,
  isFixed: truths.isFixed,
  isDecided: (truth) => truth >> 2 === (truth & 3),
};

export interface EvaluationOptions {
  readonly context?: ConditionContext | undefined;
  readonly limits?: EvaluationLimits | undefined;
  readonly budget?: Budget | undefined;
  readonly trace?: Trace | undefined;
}

/** Of one subject. What was decided for one object serves for the next. */
export class Evaluation {
  readonly budget: Budget;
  readonly #subject: Subject;
  readonly #tuples: TupleReader;
  readonly #plans: readonly RelationPlan[];
  readonly #trace: Trace | undefined;
  readonly #failures = new FirstFailure();
  readonly #tupleTruth: TupleTruth;
  readonly #visits: Visits<Truth> = new Visits(VISIT_RULES, this.#failures);

  constructor(world: World, subject: Subject, options: EvaluationOptions = {}) {
    this.budget = options.budget ?? new Budget(options.limits ?? DEFAULT_LIMITS);
    this.#subject = subject;
    this.#tuples = world.tuples;
    this.#plans = plansOf(world.model);
    this.#trace = options.trace;
    this.#tupleTruth = new TupleTruth(world.model, options.context, this.#failures);
  }

  /** @throws LedgerError CONDITION_FAILED, EVALUATION_TOO_COMPLEX where the answer depends on what could not be evaluated */
  decide(relation: CompiledRelation, object: string): boolean {
    this.#failures.clear();
    const truth = this.#reached(relation, object, 0);
    if (truths.isUndecided(truth)) throw this.#failures.first!();
    return truth === TRUE;
  }

  /** A relation that a tuple leads to, or the question itself. */
  #reached(relation: CompiledRelation, object: string, depth: number): Truth {
    const trace = this.#trace;
    if (trace === undefined) return this.#visit(relation, object, depth);
    trace.enter("relation", object, relation.name, this.budget.spent);
    const truth = this.#visit(relation, object, depth);
    trace.leave(truth, this.budget.spent);
    return truth;
  }

  #visit(relation: CompiledRelation, object: string, depth: number): Truth {
    const byKind = this.#byKind(relation, object);
    if (byKind !== undefined) return byKind;
    const isTooDeep = depth > this.budget.limits.depth;
    if (this.#plans[relation.id]!.isLeaf) {
      return isTooDeep ? this.#cutOff() : this.#rewrite(relation.rewrite, object, depth);
    }
    const known = this.#visits.known(relation.id, object, depth);
    if (known !== undefined) {
      this.#trace?.is(known.state === "under-way" ? "cycle" : "known");
      return known.value;
    }
    if (isTooDeep) return this.#cutOff();
    return this.#visits.run(relation.id, object, depth, () =>
      this.#rewrite(relation.rewrite, object, depth),
    );
  }

  /** What is true or false whatever tuples there are. */
  #byKind(relation: CompiledRelation, object: string): Truth | undefined {
    const subject = this.#subject;
    if (subject.relation === relation.name && subject.object === object) {
      this.#trace?.is("self");
      return TRUE;
    }
    if (relation.isReachableFrom(subject.kind)) return undefined;
    this.#trace?.is("unreachable");
    return FALSE;
  }

  #cutOff(): Truth {
    this.#trace?.is("too_deep");
    this.#visits.noteTooDeep();
    this.#failures.note(() => tooDeep(this.budget.limits.depth));
    return UNKNOWN;
  }

  #rewrite(rewrite: CompiledRewrite, object: string, depth: number): Truth {
    const trace = this.#trace;
    const { budget } = this;
    budget.enter();
    if (trace === undefined) {
      const truth = this.#apply(rewrite, object, depth);
      budget.leave();
      return truth;
    }
    const name = "relation" in rewrite ? rewrite.relation : "";
    trace.enter(
      rewrite.kind,
      object,
      typeof name === "string" ? name : name.name,
      this.budget.spent,
    );
    const truth = this.#apply(rewrite, object, depth);
    trace.leave(truth, budget.spent);
    budget.leave();
    return truth;
  }

  #apply(rewrite: CompiledRewrite, object: string, depth: number): Truth {
    switch (rewrite.kind) {
      case "direct": {
        const truth = this.#points(rewrite.relation, object);
        if (truth === TRUE) return TRUE;
        return truths.either(truth, this.#usersets(rewrite.relation, object, depth));
      }
      case "computed":
        return this.#computed(rewrite.relation, object, depth);
      case "tuple_to_userset":
        return this.#fromParents(rewrite, object, depth);
      case "union":
        return this.#union(rewrite, object, depth);
      case "intersection":
        return this.#intersection(rewrite, object, depth);
      case "exclusion": {
        const base = this.#rewrite(rewrite.base, object, depth);
        if (base === FALSE) return FALSE;
        return truths.butNot(base, this.#rewrite(rewrite.subtract, object, depth));
      }
      default:
        return assertNever(rewrite, "rewrite");
    }
  }

  #computed(relation: CompiledRelation, object: string, depth: number): Truth {
    if (this.#plans[relation.id]!.isCircular) return this.#visit(relation, object, depth);
    return this.#byKind(relation, object) ?? this.#rewrite(relation.rewrite, object, depth);
  }

  /** Points of direct tuples first, lists of their usersets last: between them lies what is cheaper than a list. */
  #union({ children }: Rewrite<"union">, object: string, depth: number): Truth {
    let truth: Truth = FALSE;
    let direct: CompiledRelation | undefined;
    for (const child of children) {
      if (child.kind !== "direct") continue;
      direct = child.relation;
      truth = this.#tracedPoints(direct, object);
      if (truth === TRUE) return TRUE;
    }
    for (const child of children) {
      if (child.kind === "direct") continue;
      truth = truths.either(truth, this.#rewrite(child, object, depth));
      if (truth === TRUE) return TRUE;
    }
    if (direct === undefined) return truth;
    return truths.either(truth, this.#usersets(direct, object, depth));
  }

  #intersection({ children }: Rewrite<"intersection">, object: string, depth: number): Truth {
    let truth: Truth = TRUE;
    for (const child of children) {
      truth = truths.both(truth, this.#rewrite(child, object, depth));
      if (truth === FALSE) return FALSE;
    }
    return truth;
  }

  #tracedPoints(relation: CompiledRelation, object: string): Truth {
    const trace = this.#trace;
    if (trace === undefined) return this.#points(relation, object);
    trace.enter("direct", object, relation.name, this.budget.spent);
    const truth = this.#points(relation, object);
    trace.leave(truth, this.budget.spent);
    return truth;
  }

  /** The subject's own tuple and that of its wildcard. */
  #points(relation: CompiledRelation, object: string): Truth {
    const { type, kind, text, wildcard, isWildcard } = this.#subject;
    if (this.#subject.relation !== undefined) {
      return relation.usersets.has(kind) ? this.#stored(relation, object, text) : FALSE;
    }
    let truth: Truth = FALSE;
    if ((isWildcard ? relation.wildcardTypes : relation.plainTypes).has(type)) {
      truth = this.#stored(relation, object, text);
      if (truth === TRUE) return TRUE;
    }
    if (wildcard === undefined || !relation.wildcardTypes.has(type)) return truth;
    return truths.either(truth, this.#stored(relation, object, wildcard));
  }

  #stored(relation: CompiledRelation, object: string, subject: string): Truth {
    this.budget.spend();
    const tuple = this.#tuples.find(object, relation.name, subject);
    return tuple === undefined ? FALSE : this.#met(relation, tuple);
  }

  #met(relation: CompiledRelation, tuple: RelationTuple): Truth {
    const truth = this.#tupleTruth.of(relation, tuple);
    this.#trace?.tuple(tuple, truth);
    return truth;
  }

  #usersets(relation: CompiledRelation, object: string, depth: number): Truth {
    let truth: Truth = FALSE;
    for (const scan of this.#plans[relation.id]!.usersetScans) {
      if (!this.#canMatter(scan.targets)) continue;
      this.#trace?.enter("usersets", object, relation.name, this.budget.spent);
      const found = this.#scanUsersets(relation, object, { scan, depth });
      this.#trace?.leave(found, this.budget.spent);
      truth = truths.either(truth, found);
      if (truth === TRUE) return TRUE;
    }
    return truth;
  }

  #canMatter(targets: Iterable<CompiledRelation>): boolean {
    for (const target of targets) {
      if (target.isReachableFrom(this.#subject.kind)) return true;
    }
    return false;
  }

  #scanUsersets(
    relation: CompiledRelation,
    object: string,
    { scan, depth }: { readonly scan: UsersetScan; readonly depth: number },
  ): Truth {
    const branches = new Branches((branch) =>
      this.#reached(branch.relation, branch.object, depth + 1),
    );
    const { text, kind } = this.#subject;
    this.budget.spend();
    for (const tuple of this.#tuples.usersetsOf(object, relation.name, scan.type)) {
      this.budget.spend();
      const { subject } = tuple;
      const target = targetOf(scan, subject);
      // The subject's own tuple was looked up.
      if (target === undefined || subject === text || !target.isReachableFrom(kind)) continue;
      const object = subject.slice(0, subject.length - target.name.length - 1);
      this.#follow(branches, this.#met(relation, tuple), { relation: target, object });
      if (branches.truth === TRUE) return TRUE;
    }
    return branches.finish();
  }

  #fromParents(rewrite: Rewrite<"tuple_to_userset">, object: string, depth: number): Truth {
    const { tupleset, parents } = rewrite;
    if (!this.#canMatter(parents.values())) return FALSE;
    const branches = new Branches((branch) =>
      this.#reached(branch.relation, branch.object, depth + 1),
    );
    this.budget.spend();
    for (const tuple of this.#tuples.ofObject(object, tupleset.name)) {
      this.budget.spend();
      const { subject } = tuple;
      const target = isPlain(subject) ? parents.get(typeOf(subject)) : undefined;
      if (target === undefined || !target.isReachableFrom(this.#subject.kind)) continue;
      this.#follow(branches, this.#met(tupleset, tuple), { relation: target, object: subject });
      if (branches.truth === TRUE) return TRUE;
    }
    return branches.finish();
  }

  /** @param met what the tuple says that leads there: where that is unknown, so is what it leads to */
  #follow(branches: Branches, met: Truth, branch: Branch): void {
    if (met === TRUE) branches.add(branch, this.#plans[branch.relation.id]!.isLeaf);
    else branches.truth = truths.either(branches.truth, met);
  }
}

/** A union of branches as they are met, the cheap ones at once and the others some at a time. */
class Branches {
  truth: Truth = FALSE;
  readonly #evaluate: (branch: Branch) => Truth;
  #deferred: Branch[] | undefined;

  constructor(evaluate: (branch: Branch) => Truth) {
    this.#evaluate = evaluate;
  }

  add(branch: Branch, isCheap: boolean): void {
    if (isCheap) {
      this.truth = truths.either(this.truth, this.#evaluate(branch));
      return;
    }
    this.#deferred ??= [];
    this.#deferred.push(branch);
    if (this.#deferred.length === DEFERRED_MAX) this.finish();
  }

  finish(): Truth {
    const branches = this.#deferred;
    this.#deferred = undefined;
    if (branches === undefined) return this.truth;
    for (const branch of branches) {
      this.truth = truths.either(this.truth, this.#evaluate(branch));
      if (this.truth === TRUE) return TRUE;
    }
    return this.truth;
  }
}
