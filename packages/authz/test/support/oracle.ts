/**
 * The semantics once more, as definitions: for one subject the truth of every relation of every object, made by going over all of
 * them again and again until nothing changes. No recursion over objects, no order, no short circuit, no memo, no limits.
 *
 * What is defined here, as the public suites have it:
 *  - nothing is known at first ("cycle"), and what stays so is false in the end: what rests on itself is not true, and
 *    makes nothing else true by being subtracted;
 *  - a relation that the kind of subject cannot reach is false;
 *  - of a condition that cannot be evaluated both is possible: the two bounds. A tuple under one that leads to where the
 *    subject may come from leaves the answer open, whatever is behind it;
 *  - an answer whose bounds differ in the end is an error.
 */
import type {
  CompiledModel,
  CompiledRelation,
  ConditionContext,
  RelationTuple,
  Rewrite,
} from "../../src/index.js";

/** 0 false, 1 cycle, 2 true. */
export interface Bounds {
  readonly low: 0 | 1 | 2;
  readonly high: 0 | 1 | 2;
}

const FALSE: Bounds = { low: 0, high: 0 };
const TRUE: Bounds = { low: 2, high: 2 };
const CYCLE: Bounds = { low: 1, high: 1 };
const OPEN: Bounds = { low: 0, high: 2 };

export type OracleAnswer = boolean | "undecided";

export class Oracle {
  readonly #model: CompiledModel;
  readonly #tuples: readonly RelationTuple[];
  readonly #context: ConditionContext;
  readonly #allowed = new Map<string, readonly RelationTuple[]>();
  readonly objects: ReadonlySet<string>;

  constructor(
    model: CompiledModel,
    tuples: readonly RelationTuple[],
    options: { readonly context: ConditionContext; readonly objects: Iterable<string> },
  ) {
    this.#model = model;
    this.#tuples = tuples;
    this.#context = options.context;
    const named = tuples.flatMap(({ object, subject }) => [object, subject.split("#")[0]!]);
    this.objects = new Set([...named, ...options.objects].filter((object) => !/:\*$/.test(object)));
  }

  /** By `object#relation`. */
  answers(subject: string): ReadonlyMap<string, OracleAnswer> {
    const known = new Map<string, Bounds>();
    const nodes = [...this.objects].flatMap((object) =>
      this.#model.relationsOf(object.split(":")[0]!).map((relation) => ({ object, relation })),
    );
    for (const { object, relation } of nodes) known.set(`${object}#${relation.name}`, CYCLE);
    for (let changed = true; changed; ) {
      changed = false;
      for (const { object, relation } of nodes) {
        const key = `${object}#${relation.name}`;
        const found = this.#relation(relation, object, { subject, known });
        if (same(found, known.get(key)!)) continue;
        known.set(key, found);
        changed = true;
      }
    }
    return new Map([...known].map(([key, bounds]) => [key, answerOf(bounds)]));
  }

  #relation(relation: CompiledRelation, object: string, of: Of): Bounds {
    if (`${object}#${relation.name}` === of.subject) return TRUE;
    if (!relation.isReachableFrom(kindOf(of.subject))) return FALSE;
    const { rewrite } = this.#model.model.types[relation.type]!.relations[relation.name]!;
    return this.#rewrite(rewrite, { relation, object }, of);
  }

  #rewrite(rewrite: Rewrite, at: At, of: Of): Bounds {
    const all = (children: readonly Rewrite[]) =>
      children.map((child) => this.#rewrite(child, at, of));
    switch (rewrite.kind) {
      case "direct":
        return any(
          this.#tuplesOf(at.relation, at.object).map((tuple) => this.#direct(tuple, at, of)),
        );
      case "computed":
        return of.known.get(`${at.object}#${rewrite.relation}`)!;
      case "tuple_to_userset": {
        const tupleset = this.#model.relation(at.relation.type, rewrite.tupleset)!;
        const above = this.#tuplesOf(tupleset, at.object).filter(
          ({ subject }) => !/#|:\*$/.test(subject),
        );
        return any(
          above.map((tuple) =>
            this.#through(`${tuple.subject}#${rewrite.relation}`, this.#condition(tuple), of),
          ),
        );
      }
      case "union":
        return any(all(rewrite.children));
      case "intersection":
        return every(all(rewrite.children));
      case "exclusion": {
        const [base, subtract] = all([rewrite.base, rewrite.subtract]) as [Bounds, Bounds];
        return every([base, not(subtract)]);
      }
    }
  }

  #direct(tuple: RelationTuple, _at: At, of: Of): Bounds {
    const condition = this.#condition(tuple);
    const type = of.subject.split(":")[0];
    if (tuple.subject === of.subject) return condition;
    if (tuple.subject === `${type}:*` && !of.subject.includes("#")) return condition;
    return tuple.subject.includes("#") ? this.#through(tuple.subject, condition, of) : FALSE;
  }

  /** Through the userset that a tuple names. */
  #through(userset: string, condition: Bounds, of: Of): Bounds {
    const [object, name] = userset.split("#") as [string, string];
    const relation = this.#model.relation(object.split(":")[0]!, name);
    if (relation?.isReachableFrom(kindOf(of.subject)) !== true) return FALSE;
    return same(condition, TRUE) ? of.known.get(userset)! : condition;
  }

  /** Those that the model allows. */
  #tuplesOf(relation: CompiledRelation, object: string): readonly RelationTuple[] {
    const key = `${object}#${relation.name}`;
    const found = this.#allowed.get(key) ?? this.#allowedOf(relation, object);
    this.#allowed.set(key, found);
    return found;
  }

  #allowedOf(relation: CompiledRelation, object: string): readonly RelationTuple[] {
    return this.#tuples.filter(
      (tuple) =>
        tuple.object === object &&
        tuple.relation === relation.name &&
        relation.directTypes.some(({ type, relation: userset, wildcard, condition }) => {
          const kind = userset === undefined ? type : `${type}#${userset}`;
          const isWildcard = tuple.subject === `${type}:*`;
          return (
            kindOf(tuple.subject) === kind &&
            isWildcard === (wildcard === true) &&
            condition === tuple.condition?.name
          );
        }),
    );
  }

  #condition({ condition }: RelationTuple): Bounds {
    if (condition === undefined) return TRUE;
    const { kind } = this.#model.conditions
      .get(condition.name)!
      .evaluate(this.#context, condition.context);
    if (kind === "true") return TRUE;
    return kind === "false" ? FALSE : OPEN;
  }
}

interface At {
  readonly relation: CompiledRelation;
  readonly object: string;
}

interface Of {
  readonly subject: string;
  readonly known: ReadonlyMap<string, Bounds>;
}

/** `user` of `user:anne` and `user:*`, `group#member` of `group:g#member`. */
export function kindOf(subject: string): string {
  const [object, relation] = subject.split("#") as [string, string?];
  const type = object.split(":")[0]!;
  return relation === undefined ? type : `${type}#${relation}`;
}

function any(of: readonly Bounds[]): Bounds {
  return {
    low: Math.max(0, ...of.map(({ low }) => low)) as Bounds["low"],
    high: Math.max(0, ...of.map(({ high }) => high)) as Bounds["high"],
  };
}

function every(of: readonly Bounds[]): Bounds {
  return {
    low: Math.min(2, ...of.map(({ low }) => low)) as Bounds["low"],
    high: Math.min(2, ...of.map(({ high }) => high)) as Bounds["high"],
  };
}

function not({ low, high }: Bounds): Bounds {
  return { low: (2 - high) as Bounds["low"], high: (2 - low) as Bounds["high"] };
}

function same(a: Bounds, b: Bounds): boolean {
  return a.low === b.low && a.high === b.high;
}

function answerOf({ low, high }: Bounds): OracleAnswer {
  if (low === 2) return true;
  return high === 2 ? "undecided" : false;
}
