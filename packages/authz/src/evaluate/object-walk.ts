/**
 * From a subject backwards to the objects that it may have a relation to: over the model's edges in reverse, one list by
 * subject after another, in an order that is the same for every page (authz.md, 7).
 *
 * Lists that can only lead to answers are read as pages need them. The others lead on: they are read to their end when
 * their turn comes, and again from the beginning for each later page, since what they lead to has to be known.
 *
 *   INV-EVAL-9  Walks from page to page meet every object once: where it stands first in the order of lists.
 */
import { equalBytes } from "@authledger/types";
import type { ConditionContext } from "../condition/context.js";
import type { CompiledRelation, ReverseEdge } from "../model/compiled-model.js";
import { type Budget, tooDeep } from "./budget.js";
import type { World } from "./decision.js";
import { FirstFailure } from "./failure.js";
import { plansOf } from "./relation-plan.js";
import type { Subject } from "./subject.js";
import { FALSE, TRUE } from "./truth.js";
import type { PositionedTuple, RelationTuple } from "./tuple-reader.js";
import { TupleTruth } from "./tuple-truth.js";

/** Lists in which an object is looked for by its key; from more on its own tuples are read instead. */
const LOOKED_UP_MAX = 8;

/** A list of tuples by subject, and what its tuples give. */
interface Entry {
  readonly subject: string;
  /** Of the tuples. */
  readonly relation: CompiledRelation;
  /** What the subject of the walk then has to their objects. */
  readonly gives: CompiledRelation;
  readonly isCandidate: boolean;
  readonly depth: number;
  readonly leadsOn: boolean;
}

/** Where a walk is: in which list, behind which tuple. */
export interface WalkPlace {
  readonly entry: number;
  readonly position: Uint8Array | undefined;
}

/** One tuple further. */
export interface WalkStep extends WalkPlace {
  /** Met here and nowhere before. */
  readonly object: string | undefined;
  /** It lies behind an intersection, an exclusion or a condition that cannot be evaluated: to be checked. */
  readonly isCandidate: boolean;
  /** Before the place where the walk was to go on. */
  readonly isReplay: boolean;
}

/** A relation that the subject has to an object, or may have. */
interface Held {
  readonly relation: CompiledRelation;
  readonly object: string;
  readonly isCandidate: boolean;
  readonly depth: number;
}

export class ObjectWalk {
  readonly #world: World;
  readonly #target: CompiledRelation;
  readonly #budget: Budget;
  readonly #from: WalkPlace | undefined;
  readonly #tupleTruth: TupleTruth;
  readonly #entries: Entry[] = [];
  /** `relation id` and object of what is held and leads on. */
  readonly #held = new Set<string>();
  readonly #seen = new Set<string>();
  /** Lists that former pages read, by name of their relation: what stands in them was met. */
  readonly #skipped = new Map<CompiledRelation, Map<string, number>>();
  readonly #leadsOn: (boolean | undefined)[] = [];
  readonly #edges: (readonly ReverseEdge[] | undefined)[] = [];

  constructor(
    world: World,
    target: CompiledRelation,
    options: {
      readonly budget: Budget;
      readonly context: ConditionContext | undefined;
      readonly from: WalkPlace | undefined;
    },
  ) {
    this.#world = world;
    this.#target = target;
    this.#budget = options.budget;
    this.#from = options.from;
    this.#tupleTruth = new TupleTruth(world.model, options.context, new FirstFailure());
  }

  /** @throws LedgerError EVALUATION_TOO_COMPLEX where a path is too deep */
  *steps(subject: Subject): Iterable<WalkStep> {
    const itself = this.#begin(subject);
    const isReplay = this.#from !== undefined;
    if (itself !== undefined) {
      const object = isReplay ? undefined : itself.object;
      const { isCandidate } = itself;
      yield { entry: 0, position: undefined, object, isCandidate, isReplay };
    }
    for (let i = 0; i < this.#entries.length; i++) yield* this.#read(this.#entries[i]!, i);
  }

  /** @returns what a userset gives by itself, without any tuple */
  #begin(subject: Subject): Held | undefined {
    const { model } = this.#world;
    if (subject.relation !== undefined) {
      const relation = model.relation(subject.type, subject.relation)!;
      const { object } = subject;
      const itself = this.#hold({ relation, object, isCandidate: false, depth: 0 });
      if (itself !== undefined) this.#seen.add(object);
      return itself;
    }
    for (const edge of model.edgesFromType(subject.type)) {
      const { relation } = edge;
      const types = subject.isWildcard ? relation.wildcardTypes : relation.plainTypes;
      if (types.has(subject.type)) this.#follow(edge, subject.text, relation, { depth: 0 });
      if (subject.wildcard !== undefined && relation.wildcardTypes.has(subject.type)) {
        this.#follow(edge, subject.wildcard, relation, { depth: 0 });
      }
    }
    return undefined;
  }

  #follow(
    { relation: gives, isCandidate }: ReverseEdge,
    subject: string,
    relation: CompiledRelation,
    from: { readonly depth: number; readonly isCandidate?: boolean },
  ): void {
    if (!this.#world.model.leadsTo(gives, this.#target)) return;
    this.#entries.push({
      subject,
      relation,
      gives,
      isCandidate: isCandidate || from.isCandidate === true,
      depth: from.depth,
      leadsOn: this.#canLeadOn(gives),
    });
  }

  /** Can having it lead to other objects that matter, directly or by what follows on the same object? */
  #canLeadOn(relation: CompiledRelation): boolean {
    const known = this.#leadsOn[relation.id];
    if (known !== undefined) return known;
    // Relations may follow from each other in a circle, so nothing is known of any before all are looked at.
    const following = new Set([relation]);
    let leadsOn = false;
    for (const one of following) {
      for (const edge of this.#usefulEdges(one)) {
        if (edge.kind === "computed") following.add(edge.relation);
        else leadsOn = true;
      }
    }
    this.#leadsOn[relation.id] = leadsOn;
    return leadsOn;
  }

  #usefulEdges(relation: CompiledRelation): readonly ReverseEdge[] {
    const { model } = this.#world;
    this.#edges[relation.id] ??= model
      .edgesFromRelation(relation)
      .filter((edge) => model.leadsTo(edge.relation, this.#target));
    return this.#edges[relation.id]!;
  }

  *#read(entry: Entry, index: number): Iterable<WalkStep> {
    const from = this.#from;
    const isPast = from !== undefined && index < from.entry;
    const isHere = from !== undefined && index === from.entry;
    const after = isHere ? from.position : undefined;
    if (!entry.leadsOn && (isPast || after !== undefined)) this.#skip(entry, index);
    if (!entry.leadsOn && isPast) return;
    const tuples = this.#list(entry, entry.leadsOn ? undefined : after);
    let isReplay = isPast || (entry.leadsOn && after !== undefined);
    for (const tuple of tuples) {
      this.#budget.spend();
      const met = this.#meet(entry, tuple, index);
      const object = isReplay ? undefined : met?.object;
      const { position } = tuple;
      yield { entry: index, position, object, isCandidate: met?.isCandidate === true, isReplay };
      if (isReplay && isHere && equalBytes(position, after!)) isReplay = false;
    }
  }

  #list({ subject, relation }: Entry, after: Uint8Array | undefined): Iterable<PositionedTuple> {
    this.#budget.spend();
    return this.#world.tuples.ofSubject(subject, relation.name, relation.type, after);
  }

  #meet(entry: Entry, tuple: PositionedTuple, index: number): Held | undefined {
    if (!tuple.object.startsWith(`${entry.relation.type}:`)) return undefined;
    const truth = this.#tupleTruth.of(entry.relation, tuple);
    if (truth === FALSE) return undefined;
    const { gives: relation, depth } = entry;
    const { object } = tuple;
    if (depth > this.#budget.limits.depth && !this.#isOld(relation, object, index)) {
      throw tooDeep(this.#budget.limits.depth);
    }
    const isCandidate = entry.isCandidate || truth !== TRUE;
    const met = this.#hold({ relation, object, isCandidate, depth });
    if (met === undefined || this.#seen.has(object)) return undefined;
    this.#seen.add(object);
    return this.#wasMetBefore(object, index) ? undefined : met;
  }

  #isOld(relation: CompiledRelation, object: string, index: number): boolean {
    if (this.#canLeadOn(relation)) return this.#held.has(heldKey(relation, object));
    return this.#seen.has(object) || this.#wasMetBefore(object, index);
  }

  /** What follows from having a relation. @returns the answer among it */
  #hold(held: Held): Held | undefined {
    const { relation, object, isCandidate, depth } = held;
    let answer = relation === this.#target ? held : undefined;
    if (this.#canLeadOn(relation) || plansOf(this.#world.model)[relation.id]!.isCircular) {
      const key = heldKey(relation, object);
      if (this.#held.has(key)) return answer;
      this.#held.add(key);
    }
    for (const edge of this.#usefulEdges(relation)) {
      const behind = { isCandidate, depth: depth + 1 };
      if (edge.kind === "computed") {
        const follows = { relation: edge.relation, object, depth };
        this.#budget.enter();
        const found = this.#hold({ ...follows, isCandidate: isCandidate || edge.isCandidate });
        this.#budget.leave();
        if (answer === undefined || found?.isCandidate === false) answer = found ?? answer;
      } else if (edge.kind === "direct") {
        this.#follow(edge, `${object}#${relation.name}`, edge.relation, behind);
      } else {
        this.#follow(edge, object, edge.tupleset!, behind);
      }
    }
    return answer;
  }

  #skip({ subject, relation }: Entry, index: number): void {
    const lists = this.#skipped.get(relation) ?? new Map<string, number>();
    this.#skipped.set(relation, lists);
    if (!lists.has(subject)) lists.set(subject, index);
  }

  /** Does an object stand in a list that a former page has read, before this one? */
  #wasMetBefore(object: string, index: number): boolean {
    for (const [relation, lists] of this.#skipped) {
      if (!object.startsWith(`${relation.type}:`)) continue;
      const earlier = new Set<string>();
      for (const [subject, list] of lists) if (list < index) earlier.add(subject);
      if (earlier.size === 0) continue;
      for (const tuple of this.#tuplesIn(object, relation, earlier)) {
        if (!earlier.has(tuple.subject)) continue;
        if (this.#tupleTruth.of(relation, tuple) !== FALSE) return true;
      }
    }
    return false;
  }

  *#tuplesIn(
    object: string,
    { name }: CompiledRelation,
    subjects: ReadonlySet<string>,
  ): Iterable<RelationTuple> {
    const { tuples } = this.#world;
    if (subjects.size > LOOKED_UP_MAX) {
      for (const tuple of tuples.ofObject(object, name)) {
        this.#budget.spend();
        yield tuple;
      }
      return;
    }
    for (const subject of subjects) {
      this.#budget.spend();
      const tuple = tuples.find(object, name, subject);
      if (tuple !== undefined) yield tuple;
    }
  }
}

function heldKey(relation: CompiledRelation, object: string): string {
  return `${relation.id} ${object}`;
}
