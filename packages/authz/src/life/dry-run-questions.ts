/**
 * What a dry run asks: each stored tuple of the sample, as it stands; objects of the sample with the subjects that are found by
 * following their tuples, so that what is inherited is asked about; and objects with subjects that nothing seems to connect. One
 * of each in turn, always in the same order, so that each kind has its share of the questions that are allowed.
 */
import type { Tuple } from "@authledger/types";
import type { TupleReader } from "../evaluate/tuple-reader.js";
import type { CompiledModel } from "../model/compiled-model.js";
import type { ModelAssertion } from "../records.js";
import {
  DRY_RUN_NEAR_SUBJECTS,
  DRY_RUN_READS_MAX,
  DRY_RUN_ROWS_PER_READ,
} from "./dry-run-limits.js";

export type Question = Pick<ModelAssertion, "object" | "relation" | "subject"> &
  Partial<Pick<ModelAssertion, "context" | "contextualTuples">>;

/** @param models the active one, if there is one, and the one that is tried */
export function* dryRunQuestions(
  sample: readonly Tuple[],
  models: readonly CompiledModel[],
  tuples: TupleReader,
): Generator<Question, void> {
  const names = new RelationNames(models);
  const waiting = [
    sample.flatMap((tuple) => questionsAbout(tuple, names)).values(),
    questionsNear(sample, names, tuples),
    questionsAcross(sample, names),
  ];
  while (waiting.length > 0) {
    for (const [i, questions] of [...waiting.entries()].reverse()) {
      const next = questions.next();
      if (next.done) waiting.splice(i, 1);
      else yield next.value;
    }
  }
}

/** Everything that the subject of a stored tuple may have to its resource, in either model. */
function questionsAbout(
  { resource: object, subject }: Tuple,
  names: RelationNames,
): readonly Question[] {
  return names.ofType(typeOf(object)).map((relation) => ({ object, relation, subject }));
}

/** Objects with whom their tuples lead to. */
function* questionsNear(
  sample: readonly Tuple[],
  names: RelationNames,
  tuples: TupleReader,
): Generator<Question, void> {
  const near = new NearSubjects(names, tuples);
  for (const object of new Set(sample.map(({ resource }) => resource))) {
    for (const subject of near.of(object)) yield* questionsOf(object, subject, names);
  }
}

/** Every object with every plain subject: the first pairs are of all objects, each with another subject. */
function* questionsAcross(
  sample: readonly Tuple[],
  names: RelationNames,
): Generator<Question, void> {
  const objects = [...new Set(sample.map(({ resource }) => resource))];
  const subjects = [...new Set(sample.map(({ subject }) => subject).filter(isPlain))];
  for (let shift = 0; shift < subjects.length; shift++) {
    for (const [i, object] of objects.entries()) {
      yield* questionsOf(object, subjects[(i + shift) % subjects.length]!, names);
    }
  }
}

function questionsOf(object: string, subject: string, names: RelationNames): readonly Question[] {
  const relations = names.reachable(typeOf(object), typeOf(subject));
  return relations.map((relation) => ({ object, relation, subject }));
}

/** Names of relations in any of the models. */
class RelationNames {
  readonly #models: readonly CompiledModel[];
  readonly #reachable = new Map<string, readonly string[]>();

  constructor(models: readonly CompiledModel[]) {
    this.#models = models;
  }

  ofType(type: string): readonly string[] {
    return this.#names(type, () => true);
  }

  /** Those that tuples are stored of. */
  stored(type: string): readonly string[] {
    return this.#names(type, ({ directTypes }) => directTypes.length > 0);
  }

  /** Those that a subject of a type can have at all. */
  reachable(type: string, subjectType: string): readonly string[] {
    const key = `${type}@${subjectType}`;
    const known = this.#reachable.get(key);
    const names = known ?? this.#names(type, (relation) => relation.isReachableFrom(subjectType));
    this.#reachable.set(key, names);
    return names;
  }

  #names(
    type: string,
    isWanted: (relation: ReturnType<CompiledModel["relationsOf"]>[number]) => boolean,
  ): readonly string[] {
    const relations = this.#models.flatMap((model) => model.relationsOf(type));
    return [...new Set(relations.filter(isWanted).map(({ name }) => name))];
  }
}

/** Follows stored tuples from objects to the plain subjects behind them; all walks together read a bounded number of lists. */
class NearSubjects {
  readonly #names: RelationNames;
  readonly #tuples: TupleReader;
  #readsLeft: number = DRY_RUN_READS_MAX;

  constructor(names: RelationNames, tuples: TupleReader) {
    this.#names = names;
    this.#tuples = tuples;
  }

  of(object: string): readonly string[] {
    const found = new Set<string>();
    const objects = new Set([object]);
    for (const one of objects) {
      for (const subject of this.#subjectsOf(one)) {
        if (found.size >= DRY_RUN_NEAR_SUBJECTS) return [...found];
        if (isPlain(subject)) found.add(subject);
        if (!subject.endsWith(":*")) objects.add(subject.split("#", 1)[0]!);
      }
    }
    return [...found];
  }

  *#subjectsOf(object: string): Generator<string, void> {
    for (const relation of this.#names.stored(typeOf(object))) {
      if (this.#readsLeft-- <= 0) return;
      let rows = 0;
      for (const { subject } of this.#tuples.ofObject(object, relation)) {
        yield subject;
        if (++rows >= DRY_RUN_ROWS_PER_READ) break;
      }
    }
  }
}

function typeOf(entity: string): string {
  return entity.slice(0, entity.indexOf(":"));
}

/** Neither a userset nor everybody. */
function isPlain(subject: string): boolean {
  return !subject.includes("#") && !subject.endsWith(":*");
}
