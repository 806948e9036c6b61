/** Small worlds for tests: a model in OpenFGA's language and tuples as people write them. */
import { parseTuple } from "@authledger/types";
import {
  type CheckQuestion,
  type ConditionContext,
  compileModel,
  MapTupleReader,
  type PositionedTuple,
  type RelationTuple,
  type TupleReader,
  type World,
} from "../../src/index.js";
import { parseOpenFga } from "../../src/language/index.js";

/** @example tupleOf("document:1#viewer@user:anne") */
export function tupleOf(text: string, condition?: string, context: ConditionContext = {}) {
  const { resource, relation, subject } = parseTuple(text);
  const tuple: RelationTuple = { object: resource, relation, subject };
  return condition === undefined ? tuple : { ...tuple, condition: { name: condition, context } };
}

/** @param model without its first two lines @param tuples texts or tuples */
export function worldOf(model: string, tuples: readonly (string | RelationTuple)[]): World {
  const stored = tuples.map((tuple) => (typeof tuple === "string" ? tupleOf(tuple) : tuple));
  const compiled = compileModel(parseOpenFga(`model\n  schema 1.1\n${model}`));
  return { model: compiled, tuples: new MapTupleReader(stored) };
}

/** @example questionOf("document:1#viewer@user:anne") */
export function questionOf(text: string): CheckQuestion {
  return tupleOf(text);
}

/** Notes what is read, one line for each point, list and tuple of a list. */
export class NotingReader implements TupleReader {
  readonly reads: string[] = [];
  readonly #reader: TupleReader;

  constructor(reader: TupleReader) {
    this.#reader = reader;
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    this.reads.push(`find ${object}#${relation}@${subject}`);
    return this.#reader.find(object, relation, subject);
  }

  ofObject(object: string, relation: string): Iterable<RelationTuple> {
    return this.#noted(`list ${object}#${relation}`, this.#reader.ofObject(object, relation));
  }

  usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    const list = this.#reader.usersetsOf(object, relation, type);
    return this.#noted(`list ${object}#${relation}@${type}:`, list);
  }

  ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    const list = this.#reader.ofSubject(subject, relation, type, after);
    return this.#noted(`list ${type}:#${relation}@${subject}`, list);
  }

  *#noted<T extends RelationTuple>(what: string, tuples: Iterable<T>): Iterable<T> {
    this.reads.push(what);
    for (const tuple of tuples) {
      this.reads.push(`  ${tuple.object}@${tuple.subject}`);
      yield tuple;
    }
  }
}
