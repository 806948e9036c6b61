/**
 * Which relations of which objects one question has come by, and what is known of them: cycles are found here, and what was
 * decided is not decided again.
 *
 * A visit that is met again while it is under way is a cycle. What rests on that is provisional until the visit that it
 * came back to has ended, and lives on a trail in the order of beginning (Tarjan 1972, strongly connected components;
 * tabling of logic programs as in Chen and Warren 1996). Where a visit that others took for a cycle turns out to be more,
 * what rests on it is forgotten, and it is evaluated again from there.
 *
 *   INV-EVAL-1  What is remembered for good rests on no cycle whose visit is still under way, and on no path that
 *               was too deep where the one who asks again comes by a shorter one.
 *   INV-EVAL-2  The answer is that of the least fixed point of the model's definitions over the tuples, each bound by
 *               itself, whatever the order of evaluation.
 */
import type { Failure, FirstFailure } from "./failure.js";

/** Something that is evaluated, with what is known of it so far. */
export interface Visit<T> {
  /** While it is under way what others take it for, then what it came to. */
  value: T;
  state: "under-way" | "provisional" | "final";
  readonly object: string;
  /** Where it is remembered. */
  readonly home: Map<string, Visit<T>>;
  /** Its place on the trail. */
  readonly index: number;
  /** The lowest place on the trail that it rests on. */
  low: number;
  wasTakenForCycle: boolean;
  /** The value rests on the limit of depth where one comes by from here or deeper. */
  tooDeepFrom: number | undefined;
  /** Why it is not decided. */
  failure: Failure | undefined;
}

/** What visits have to know of the values that they come to. */
export interface VisitRules<T> {
  /** What something is taken for while nothing of it is known. */
  readonly cycle: T;
  equal(a: T, b: T): boolean;
  /** No part of it rests on a cycle. */
  isFixed(value: T): boolean;
  /** No part of it rests on something that could not be evaluated. */
  isDecided(value: T): boolean;
}

export class Visits<T> {
  readonly #rules: VisitRules<T>;
  readonly #failures: FirstFailure;
  readonly #byRelation: (Map<string, Visit<T>> | undefined)[] = [];
  readonly #trail: Visit<T>[] = [];
  /** Of the visit that is evaluated: the lowest place on the trail that it rests on so far. */
  #low = Number.POSITIVE_INFINITY;
  #isTooDeep = false;

  constructor(rules: VisitRules<T>, failures: FirstFailure) {
    this.#rules = rules;
    this.#failures = failures;
  }

  /** What is evaluated rests on the limit of depth. */
  noteTooDeep(): void {
    this.#isTooDeep = true;
  }

  /** The visit whose value holds here, be it for now. What is evaluated then rests on it. */
  known(relation: number, object: string, depth: number): Visit<T> | undefined {
    const visit = this.#byRelation[relation]?.get(object);
    if (visit === undefined) return undefined;
    if (visit.state === "under-way") {
      visit.wasTakenForCycle = true;
      this.#low = Math.min(this.#low, visit.index);
      return visit;
    }
    if (visit.tooDeepFrom !== undefined) {
      if (depth < visit.tooDeepFrom) return undefined;
      this.#isTooDeep = true;
    }
    if (visit.state === "provisional") this.#low = Math.min(this.#low, visit.low);
    if (visit.failure !== undefined) this.#failures.note(visit.failure);
    return visit;
  }

  /** Evaluates what is not `known`. @param evaluate called again where a cycle came to more than was assumed */
  run(relation: number, object: string, depth: number, evaluate: () => T): T {
    const outerLow = this.#low;
    const wasTooDeep = this.#isTooDeep;
    const visit = this.#begin(relation, object);
    for (;;) {
      this.#low = Number.POSITIVE_INFINITY;
      this.#isTooDeep = false;
      visit.wasTakenForCycle = false;
      const value = evaluate();
      const held = !visit.wasTakenForCycle || this.#rules.equal(value, visit.value);
      visit.value = value;
      if (held) break;
      this.#forgetAfter(visit.index);
      if (this.#rules.isFixed(value)) break;
    }
    if (this.#rules.isDecided(visit.value)) this.#isTooDeep = false;
    else visit.failure = this.#failures.first;
    if (this.#isTooDeep) visit.tooDeepFrom = depth;
    this.#isTooDeep ||= wasTooDeep;
    this.#end(visit, outerLow);
    return visit.value;
  }

  #begin(relation: number, object: string): Visit<T> {
    let home = this.#byRelation[relation];
    if (home === undefined) {
      home = new Map();
      this.#byRelation[relation] = home;
    }
    const visit: Visit<T> = {
      value: this.#rules.cycle,
      state: "under-way",
      object,
      home,
      index: this.#trail.length,
      low: 0,
      wasTakenForCycle: false,
      tooDeepFrom: undefined,
      failure: undefined,
    };
    home.set(object, visit);
    this.#trail.push(visit);
    return visit;
  }

  #end(visit: Visit<T>, outerLow: number): void {
    if (this.#rules.isFixed(visit.value)) {
      visit.state = "final";
      if (this.#trail.length === visit.index + 1) {
        this.#trail.pop();
        this.#low = outerLow;
      } else {
        // What lies above it may rest on visits below, and waits for those: so who asked does not end before they do.
        this.#low = Math.min(outerLow, this.#low);
      }
    } else if (this.#low >= visit.index) {
      for (let i = visit.index; i < this.#trail.length; i++) this.#trail[i]!.state = "final";
      this.#trail.length = visit.index;
      this.#low = outerLow;
    } else {
      visit.state = "provisional";
      visit.low = this.#low;
      this.#low = Math.min(outerLow, this.#low);
    }
  }

  #forgetAfter(index: number): void {
    for (let i = index + 1; i < this.#trail.length; i++) {
      const visit = this.#trail[i]!;
      if (visit.state === "provisional" && visit.home.get(visit.object) === visit) {
        visit.home.delete(visit.object);
      }
    }
    this.#trail.length = index + 1;
  }
}
